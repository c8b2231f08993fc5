"""The part of a process pool's process: runs one call of a synchronous activity.

Arguments and results cross the border as the payloads they are anyway, and exceptions as failures: neither
has to be picklable, and their encoding costs the worker's loop nothing.
"""

from __future__ import annotations

import asyncio
import functools
import json
import pickle
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki.activity import (
    ActivityCancellationDetails,
    ActivityContext,
    CompleteAsyncSignal,
    Info,
    current_context,
    definition_of,
)
from tsuzuki.converter import DataConverter, PayloadConverter
from tsuzuki.exceptions import CancelledError

from ._activity_arguments import decode_arguments
from ._activity_info import info_from
from ._process_frames import FrameReader, Kind, decode_reasons, encode_frame
from ._run_logs import line_of, of_activity

RECEIVE_BYTES = 65536
_NO_STREAM: Final = (
    "an activity in a process pool has no stream. Run it in a thread, or make it async, let it publish, and compute in "
    "the pool what takes long (loop.run_in_executor)"
)

Result = TypeVar("Result")


@dataclass(frozen=True)
class ProcessCall:
    """One attempt on its way to another process.

    Attributes:
        number: Names the call on the side channel.
        address: Where the worker listens: a path, or a host and a port.
        secret: Proves that this process was called by that worker.
        fn: The activity.
        converter: Pickled `DataConverter`.
        task: Serialized `PollActivityTaskQueueResponse`.
        namespace: Namespace polled.
        task_queue: Task queue polled.
        is_local: True for a local activity.
        log_level: The least that is kept in the log of the run; None for nothing.
    """

    number: int
    address: str | tuple[str, int]
    secret: bytes
    fn: Callable[..., Any]
    converter: bytes
    task: bytes
    namespace: str
    task_queue: str
    is_local: bool
    log_level: int | None


@dataclass(frozen=True)
class ProcessOutcome:
    """How a call ended.

    Attributes:
        result: Serialized `Payloads`, if it returned.
        failure: Serialized `Failure`, if it raised; neither if it will be completed from elsewhere.
        last_heartbeat: Serialized `Payloads` of the newest heartbeat, if there was one.
    """

    result: bytes | None = None
    failure: bytes | None = None
    last_heartbeat: bytes | None = None


def run_call(call: ProcessCall) -> ProcessOutcome:
    """Run an activity; the function that the pool is given."""
    converter = _converter(call.converter)
    context = ChildContext(call, converter, _channel(call.address, call.secret))
    current_context.set(context)
    try:
        context.begin()
        args = decode_arguments(converter.payload_converter, definition_of(call.fn), context.task)
        result = converter.payload_converter.to_payloads_wrapper((call.fn(*args),))
        return ProcessOutcome(result=result.SerializeToString())
    except CompleteAsyncSignal:
        return ProcessOutcome()
    except BaseException as error:
        return ProcessOutcome(failure=_encode(error, converter), last_heartbeat=context.last_heartbeat)
    finally:
        context.end()
        current_context.set(None)


def _encode(error: BaseException, converter: DataConverter) -> bytes:
    if isinstance(error, asyncio.CancelledError):
        error = CancelledError()
    failure = Failure()
    try:
        converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    except Exception as second:
        failure = Failure(message=f"{type(error).__name__}: {error} (could not be encoded: {second})")
        failure.application_failure_info.type = type(error).__name__
    return failure.SerializeToString()


@functools.lru_cache(maxsize=16)
def _converter(pickled: bytes) -> DataConverter:
    converter: DataConverter = pickle.loads(pickled)
    return converter


class ChildContext(ActivityContext):
    """The activity's surroundings in a pool's process."""

    __slots__ = ("_call", "_cancelled", "_channel", "_converter", "_details", "_info", "last_heartbeat", "task")

    def __init__(self, call: ProcessCall, converter: DataConverter, channel: Channel) -> None:
        self.task = PollActivityTaskQueueResponse.FromString(call.task)
        self.last_heartbeat: bytes | None = None
        self._call = call
        self._converter = converter
        self._channel = channel
        self._info: Info | None = None
        self._details: ActivityCancellationDetails | None = None
        self._cancelled = threading.Event()

    def begin(self) -> None:
        """Say that the call runs now; from here on it can be told to stop."""
        self._channel.current = self
        self._channel.send(Kind.BEGIN, self._call.number)

    def end(self) -> None:
        """Hear no more."""
        self._channel.current = None

    def stop(self, call: int, details: ActivityCancellationDetails) -> None:
        """Take the wish to stop; on the channel's thread."""
        if call == self._call.number and self._details is None:
            self._details = details
            self._cancelled.set()

    def heartbeat(self, details: tuple[object, ...]) -> None:
        body = Payloads(payloads=self.payload_converter.to_payloads(details)).SerializeToString()
        self.last_heartbeat = body
        self._channel.send(Kind.HEARTBEAT, self._call.number, body)

    def log(self, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        least, run = self._call.log_level, self.task.workflow_execution
        if least is None or level < least:
            return
        line = line_of(time.time_ns(), level, logger, message, args, kwargs) | of_activity(self.task)
        self._channel.send(Kind.LOG, self._call.number, json.dumps((run.workflow_id, run.run_id, line)).encode())

    async def keeps_streams(self) -> bool:
        raise RuntimeError(_NO_STREAM)

    def run_on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        work.close()
        raise RuntimeError(_NO_STREAM)

    @property
    def info(self) -> Info:
        if self._info is None:
            self._info = info_from(
                self.task,
                namespace=self._call.namespace,
                task_queue=self._call.task_queue,
                converter=self.payload_converter,
                is_local=self._call.is_local,
            )
        return self._info

    @property
    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self._details

    @property
    def payload_converter(self) -> PayloadConverter:
        return self._converter.payload_converter

    @property
    def is_worker_shutdown(self) -> bool:
        return self._channel.shutdown.is_set()

    async def wait_for_cancelled(self) -> None:
        _refuse("wait_for_cancelled")

    async def wait_for_worker_shutdown(self) -> None:
        _refuse("wait_for_worker_shutdown")

    def wait_for_cancelled_sync(self, timeout_s: float | None) -> None:
        self._cancelled.wait(timeout_s)

    def wait_for_worker_shutdown_sync(self, timeout_s: float | None) -> None:
        self._channel.shutdown.wait(timeout_s)

    def shield_thread_cancel_exception(self) -> AbstractContextManager[None]:
        return nullcontext()


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(f"activity.{name} is for async activities; call activity.{name}_sync here")


class Channel:
    """This process's end of the side channel to one worker; kept for all its calls."""

    def __init__(self, address: str | tuple[str, int], secret: bytes) -> None:
        self.shutdown = threading.Event()
        self.current: ChildContext | None = None
        self._sending = threading.Lock()
        if isinstance(address, str):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.connect(address)
        else:
            self._socket = socket.create_connection(address)
        self.send(Kind.HELLO, body=secret)
        threading.Thread(target=self._receive, name="tsuzuki-channel", daemon=True).start()

    def send(self, kind: Kind, call: int = 0, body: bytes = b"") -> None:
        """Send a frame. A worker that is gone takes the pool with it; until then the code may run on."""
        try:
            with self._sending:
                self._socket.sendall(encode_frame(kind, call, body))
        except OSError:
            pass

    def _receive(self) -> None:
        reader = FrameReader()
        while data := self._read():
            for kind, call, body in reader.feed(data):
                current = self.current
                if kind is Kind.SHUTDOWN:
                    self.shutdown.set()
                elif kind is Kind.STOP and current is not None:
                    current.stop(call, decode_reasons(body))

    def _read(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except OSError:
            return b""


@functools.lru_cache(maxsize=16)
def _channel(address: str | tuple[str, int], secret: bytes) -> Channel:
    return Channel(address, secret)
