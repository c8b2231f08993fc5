"""The process, the worker, the server die while an activity streams: what was acknowledged is there, nothing twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from server._running import in_process, in_subprocess
from tsuzuki import activity, workflow
from tsuzuki.client import Client, RPCError, StreamEvent, StreamEventKind, WorkflowHandle
from tsuzuki.store import check_store
from tsuzuki.worker import Worker

PROGRAM = Path(__file__).with_name("stream_program.py")
SECONDS_MAX = 180
QUEUE = "queue"
COUNT = 400


def command(target: str, folder: Path, dies: int) -> list[str]:
    return [sys.executable, str(PROGRAM), target, str(folder / "died"), str(dies), str(COUNT)]


def check(events: list[StreamEvent], attempts: int) -> None:
    """One order, no gaps, nothing twice; the last attempt is whole, what came before it says where it ended."""
    assert [int(it.id.rpartition(":")[2]) for it in events] == list(range(1, len(events) + 1))
    by_attempt = [[it for it in events if it.attempt == attempt] for attempt in range(1, attempts + 1)]
    assert [it for said in by_attempt for it in said] == events, "an attempt that is over said something more"
    for said in by_attempt:
        assert [it.seq for it in said] == list(range(1, len(said) + 1))
        numbers = [it.value["number"] for it in said if isinstance(it.value, dict)]
        assert numbers == list(range(len(numbers)))
        assert said[0].kind is StreamEventKind.BEGIN
        # The first block had ended, so its words were acknowledged.
        assert [it.kind for it in said[:3]] == ["begin", "data", "end"]
    assert len(by_attempt[-1]) == COUNT + 5


async def read_all(database: Path) -> list[StreamEvent]:
    async with await Client.connect(f"sqlite:///{database}") as client:
        return [it async for it in client.get_workflow_handle("w").read_stream(wait=False)]


def test_the_process_dies_and_a_reader_goes_on_where_it_stopped(tmp_path: Path) -> None:
    database = tmp_path / "s.db"
    target = f"sqlite:///{database}"
    killed = subprocess.run(command(target, tmp_path, 57), capture_output=True, timeout=SECONDS_MAX, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = asyncio.run(read_all(database))
    assert [it.kind for it in before[:3]] == ["begin", "data", "end"]
    subprocess.run(command(target, tmp_path, 57), timeout=SECONDS_MAX, check=True)
    events = asyncio.run(read_all(database))
    assert events[: len(before)] == before
    check(events, attempts=2)
    assert check_store(database) == []


async def test_the_worker_dies_and_readers_see_where_the_next_attempt_begins(tmp_path: Path) -> None:
    async with in_process() as server, await Client.connect(server.target) as client:
        handle = await client.start_workflow("Counting", id="w", task_queue=QUEUE)
        reading = asyncio.create_task(read(handle))
        worker = command(server.target, tmp_path, 100)
        killed = await asyncio.to_thread(subprocess.run, worker, timeout=SECONDS_MAX, check=False)
        assert killed.returncode == -signal.SIGKILL
        await asyncio.to_thread(subprocess.run, worker, timeout=SECONDS_MAX, check=True)
        check(await reading, attempts=2)


async def read(handle: WorkflowHandle[Any, Any]) -> list[StreamEvent]:
    """Read to the end, and go on after the last event when the server does not answer."""
    events: list[StreamEvent] = []
    while True:
        try:
            async for event in handle.read_stream(after=events[-1].id if events else ""):
                events.append(event)  # noqa: PERF401 - what came before an error counts
            return events
        except RPCError:
            continue


class Speaker:
    """Says numbers; tells when it has come to one."""

    def __init__(self) -> None:
        self.half = asyncio.Event()

    @activity.defn
    async def count_up(self) -> int:
        async with activity.open_stream(every=0) as stream:
            await stream.publish("acknowledged")
        async with activity.open_stream(every=0) as stream:
            for number in range(COUNT):
                await stream.publish({"number": number})
                await asyncio.sleep(0.002)
                if number == COUNT // 4:
                    self.half.set()
        return COUNT


@workflow.defn
class Speech:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity("count_up", start_to_close_timeout=timedelta(minutes=10))


async def test_the_server_dies_and_the_attempt_goes_on(tmp_path: Path) -> None:
    database, speaker = tmp_path / "s.db", Speaker()
    with in_subprocess(database) as server:
        port = int(server.target.rpartition(":")[2])
        async with (
            await Client.connect(server.target) as client,
            Worker(client, task_queue=QUEUE, workflows=[Speech], activities=[speaker.count_up]),
        ):
            handle = await client.start_workflow(Speech.run, id="w", task_queue=QUEUE)
            reading = asyncio.create_task(read(handle))
            await speaker.half.wait()
            server.kill()
            with in_subprocess(database, port=port) as again:
                assert again.target == server.target
                check(await reading, attempts=1)
                assert await handle.result() == COUNT
    assert check_store(database) == []
