"""A connection that breaks while a client waits: nothing is lost by it, and who waits goes on waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.server import Server
from tsuzuki.worker import Worker


@workflow.defn
class Waiting:
    def __init__(self) -> None:
        self.told = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.told != "")
        return self.told

    @workflow.signal
    def tell(self, what: str) -> None:
        self.told = what


class Wire:
    """Passes bytes on to a server, until it is cut."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.partition(":")
        self._open: list[asyncio.StreamWriter] = []
        self._passing: set[asyncio.Task[None]] = set()
        self.target = ""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, int(self._port))
        self._open += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            passing = asyncio.create_task(self._pass(source, sink))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()

    def cut(self) -> int:
        """Close every connection, as a network does. Returns how many there were."""
        cut, self._open = self._open, []
        for writer in cut:
            writer.transport.abort()
        return len(cut) // 2


@asynccontextmanager
async def wire_to(server: Server) -> AsyncIterator[Wire]:
    wire = Wire(server.target)
    listening = await asyncio.start_server(wire.accept, "127.0.0.1", 0)
    wire.target = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield wire
        wire.cut()


async def test_who_waits_for_a_result_goes_on_when_the_connection_breaks(server: Server) -> None:
    async with (
        wire_to(server) as wire,
        await Client.connect(server.target) as steady,
        await Client.connect(wire.target) as client,
        Worker(steady, task_queue="q", workflows=[Waiting]),
    ):
        run = await steady.start_workflow(Waiting.run, id="w", task_queue="q")
        waiting = asyncio.create_task(client.get_workflow_handle("w").result())
        [execution] = server.service._engine.runs.in_memory.values()  # type: ignore[attr-defined]
        while not execution.waiters:  # noqa: ASYNC110 - it is elsewhere
            await asyncio.sleep(0.01)
        assert wire.cut()
        await run.signal(Waiting.tell, "at last")
        assert await waiting == "at last"
