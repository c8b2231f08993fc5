"""Synchronous activities in a process pool: the worker's side.

Owns the side channel's listening end. Invariant: a heartbeat reaches the attempt while it runs and its newest
details are never lost on failure (they come back with the outcome too); a wish to stop reaches the call
whenever it starts.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import pickle
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki.activity import ActivityDefinition, raise_complete_async
from tsuzuki.common import RawValue

from ._activity_attempt import ActivityHost, Attempt
from ._activity_outcome import Outcome, completed_encoded
from ._process_child import ProcessCall, run_call
from ._process_frames import SECRET_BYTES, FrameReader, Kind, encode_frame, encode_reasons
from ._run_logs import RunLogs

_logger = logging.getLogger("tsuzuki.worker")


class ProcessActivities:
    """Runs synchronous activities in other processes."""

    def __init__(self, executor: Executor, host: ActivityHost) -> None:
        self.executor = executor
        self._host = host
        self._converter = pickle.dumps(host.converter)
        self._numbers = itertools.count(1)
        self._line = SideChannel(host.logs)

    async def run(self, attempt: Attempt, definition: ActivityDefinition) -> Outcome:
        """Run an attempt to its outcome, or raise what its code raised."""
        result = await self._run(attempt, definition.fn, attempt.task)
        attempt.finish()
        return completed_encoded(attempt, result)

    async def call(
        self, attempt: Attempt, definition: ActivityDefinition, fn: Callable[..., Any], args: Sequence[Any]
    ) -> Any:
        """Call a function for an attempt and return its result, not decoded: its type is the other process's."""
        task = PollActivityTaskQueueResponse()
        task.CopyFrom(attempt.task)
        task.input.CopyFrom(attempt.payload_converter.to_payloads_wrapper(args))
        result = await self._run(attempt, fn, task)
        return RawValue(result.payloads[0])

    async def _run(self, attempt: Attempt, fn: Callable[..., Any], task: PollActivityTaskQueueResponse) -> Payloads:
        address = await self._line.listen()
        number = next(self._numbers)
        running = self.executor.submit(
            run_call,
            ProcessCall(
                number=number,
                address=address,
                secret=self._line.secret,
                fn=fn,
                converter=self._converter,
                task=task.SerializeToString(),
                namespace=self._host.namespace,
                task_queue=self._host.task_queue,
                is_local=attempt.is_local,
                log_level=None if self._host.logs is None else self._host.logs.level,
            ),
        )

        def interrupt() -> None:
            if not running.cancel():  # still in the pool's queue: then it never starts
                self._line.tell_to_stop(number)

        self._line.add(number, attempt)
        attempt.interrupt = interrupt
        try:
            outcome = await asyncio.wrap_future(running)
        finally:
            self._line.remove(number)
        if outcome.last_heartbeat is not None:
            attempt.record_heartbeat(Payloads.FromString(outcome.last_heartbeat))
        if outcome.failure is not None:
            converter = attempt.host.converter
            raise converter.failure_converter.from_failure(
                Failure.FromString(outcome.failure), converter.payload_converter
            )
        if outcome.result is None:
            raise_complete_async()
        return Payloads.FromString(outcome.result)

    def worker_shutdown(self) -> None:
        """Tell the running calls that the worker is shutting down."""
        self._line.tell_shutdown()

    async def close(self) -> None:
        """Stop listening."""
        await self._line.close()


class SideChannel:
    """Listens for the pool's processes and knows which of them runs which call."""

    def __init__(self, logs: RunLogs | None) -> None:
        """`logs` takes the lines that activities log."""
        self._logs = logs
        self.secret = secrets.token_bytes(SECRET_BYTES)
        self._attempts: dict[int, Attempt] = {}
        self._runners: dict[int, _Connection] = {}
        self._connections: set[_Connection] = set()
        self._opening = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._folder: Path | None = None
        self._address: str | tuple[str, int] | None = None
        self._shutdown = False

    async def listen(self) -> str | tuple[str, int]:
        """Listen, from the first call on; return the address."""
        if self._address is None:
            async with self._opening:
                if self._address is None:
                    self._address = await self._open()
        return self._address

    async def _open(self) -> str | tuple[str, int]:
        loop = asyncio.get_running_loop()
        if hasattr(socket, "AF_UNIX"):
            self._folder = Path(tempfile.mkdtemp(prefix="tsuzuki-"))  # for this user only
            path = str(self._folder / "worker")
            self._server = await loop.create_unix_server(lambda: _Connection(self), path)
            return path
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def close(self) -> None:
        """Stop listening and hang up."""
        for connection in tuple(self._connections):
            connection.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, number: int, attempt: Attempt) -> None:
        """Expect a call."""
        self._attempts[number] = attempt

    def remove(self, number: int) -> None:
        """Forget a call that ended."""
        self._attempts.pop(number, None)
        self._runners.pop(number, None)

    def tell_to_stop(self, number: int) -> None:
        """Pass the attempt's wish to stop to its process, if that runs it already."""
        attempt, runner = self._attempts.get(number), self._runners.get(number)
        if attempt is not None and runner is not None and attempt.cancellation_details is not None:
            runner.send(encode_frame(Kind.STOP, number, encode_reasons(attempt.cancellation_details)))

    def tell_shutdown(self) -> None:
        """Tell every process, and those that connect later."""
        self._shutdown = True
        for connection in self._connections:
            connection.send(encode_frame(Kind.SHUTDOWN))

    # ---- called by connections ----------------------------------------------------------------------

    def connected(self, connection: _Connection) -> None:
        """Take in a process that knew the secret."""
        self._connections.add(connection)
        if self._shutdown:
            connection.send(encode_frame(Kind.SHUTDOWN))

    def disconnected(self, connection: _Connection) -> None:
        """Forget a process."""
        self._connections.discard(connection)

    def received(self, connection: _Connection, kind: Kind, number: int, body: bytes) -> None:
        """Act on a frame of a known process."""
        if kind is Kind.LOG:  # its call may have ended meanwhile
            if self._logs is not None:
                workflow_id, run_id, line = json.loads(body)
                self._logs.add_line((workflow_id, run_id), line)
            return
        attempt = self._attempts.get(number)
        if attempt is None:
            return
        if kind is Kind.BEGIN:
            self._runners[number] = connection
            self.tell_to_stop(number)
        elif kind is Kind.HEARTBEAT:
            attempt.record_heartbeat(Payloads.FromString(body))


class _Connection(asyncio.Protocol):
    """One process of the pool."""

    def __init__(self, line: SideChannel) -> None:
        self._line = line
        self._reader = FrameReader()
        self._known = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.disconnected(self)

    def data_received(self, data: bytes) -> None:
        try:
            for kind, number, body in self._reader.feed(data):
                if self._known:
                    self._line.received(self, kind, number, body)
                elif kind is Kind.HELLO and secrets.compare_digest(body, self._line.secret):
                    self._known = True
                    self._line.connected(self)
                else:
                    raise ValueError("it does not know the secret")
        except ValueError as error:
            _logger.warning("Hung up on a process that is not of the pool: %s", error)
            self.hang_up()

    def send(self, frame: bytes) -> None:
        """Send a frame, unless the process is gone."""
        if self._transport is not None:
            self._transport.write(frame)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
