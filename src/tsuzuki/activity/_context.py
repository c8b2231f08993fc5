"""The activity that the current code belongs to, and the functions that reach it.

The worker (or a test environment) implements `ActivityContext` and sets it before it calls the activity.
The context variable follows asyncio tasks and `asyncio.to_thread`; a thread that user code starts on its
own does not see it unless it is run with `contextvars.copy_context()`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from tsuzuki.common import MetricMeter

from ._info import ActivityCancellationDetails, Info

if TYPE_CHECKING:
    from tsuzuki.converter import PayloadConverter


Result = TypeVar("Result")


class ActivityContext(ABC):
    """What an activity's surroundings must provide; one object per attempt."""

    __slots__ = ()

    @property
    @abstractmethod
    def info(self) -> Info: ...

    @property
    @abstractmethod
    def cancellation_details(self) -> ActivityCancellationDetails | None: ...

    @property
    @abstractmethod
    def payload_converter(self) -> PayloadConverter: ...

    @property
    @abstractmethod
    def is_worker_shutdown(self) -> bool: ...

    @property
    def metric_meter(self) -> MetricMeter:
        return MetricMeter.noop

    @abstractmethod
    def heartbeat(self, details: tuple[object, ...]) -> None: ...

    def log(  # noqa: B027
        self, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Take a line for the log of the run, where one is kept."""

    async def keeps_streams(self) -> bool:
        """Tell whether the server keeps what is published."""
        raise RuntimeError("activity.open_stream is for activities that run in the worker's own process")

    def run_on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something on the worker's event loop and wait for it; from a thread of the activity."""
        work.close()
        raise RuntimeError("activity.open_stream is for activities that run in the worker's own process")

    async def publish(self, kinds: str, values: Sequence[object]) -> bool:
        """Send events of a stream; returns when they are acknowledged, False if the stream is full."""
        raise NotImplementedError

    @abstractmethod
    async def wait_for_cancelled(self) -> None: ...

    @abstractmethod
    def wait_for_cancelled_sync(self, timeout_s: float | None) -> None: ...

    @abstractmethod
    async def wait_for_worker_shutdown(self) -> None: ...

    @abstractmethod
    def wait_for_worker_shutdown_sync(self, timeout_s: float | None) -> None: ...

    @abstractmethod
    def shield_thread_cancel_exception(self) -> AbstractContextManager[None]: ...


current_context: Final[ContextVar[ActivityContext | None]] = ContextVar("tsuzuki_activity", default=None)
"""The attempt that runs, for the worker that calls it; code asks `info` and its neighbours."""


class CompleteAsyncSignal(BaseException):
    """Leaves the activity without an outcome; see `raise_complete_async`."""


def _context() -> ActivityContext:
    context = current_context.get()
    if context is None:
        raise RuntimeError(
            "not in an activity: this function works only in code that a worker runs as an activity, "
            "or in a thread started with contextvars.copy_context().run(...)"
        )
    return context


def in_activity() -> bool:
    """Tell whether the calling code runs inside an activity."""
    return current_context.get() is not None


def info() -> Info:
    """Return what is known about the running attempt.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().info


def heartbeat(*details: object) -> None:
    """Report that the attempt is alive, with details that the next attempt can read.

    Never blocks and costs little: heartbeats are sent at most once per 0.8 of the heartbeat timeout (30 s
    without one, never more than 60 s), the first at once, then always the newest. When the engine's answer
    says that the attempt should stop, the activity is cancelled.

    Args:
        details: Values encoded now, at most 2 MiB together. `info().heartbeat_details` of the next attempt.

    Raises:
        RuntimeError: Not in an activity.
        TypeError: A detail cannot be encoded.

    Source: `RecordActivityTaskHeartbeat`, temporal.api.workflowservice.v1.
    """
    _context().heartbeat(details)


def metric_meter() -> MetricMeter:
    """Return the meter of the client, with namespace, task queue and activity type on every measurement.

    Without a meter at the client, and in a process pool, it takes everything and sends nothing.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().metric_meter


def is_cancelled() -> bool:
    """Tell whether this attempt was ever asked to stop.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().cancellation_details is not None


def cancellation_details() -> ActivityCancellationDetails | None:
    """Return why this attempt was asked to stop; None as long as it was not.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().cancellation_details


async def wait_for_cancelled() -> None:
    """Wait until this attempt is asked to stop; for async activities.

    The activity's own task is cancelled at that moment too, so this is for tasks that the activity started
    and for code that shields itself.

    Raises:
        RuntimeError: Not in an async activity.
    """
    await _context().wait_for_cancelled()


def wait_for_cancelled_sync(timeout: timedelta | float | None = None) -> None:
    """Block until this attempt is asked to stop; for synchronous activities.

    Args:
        timeout: Longest wait, a number being seconds; the default waits without bound.

    Raises:
        RuntimeError: Not in an activity.
    """
    _context().wait_for_cancelled_sync(_seconds(timeout))


def is_worker_shutdown() -> bool:
    """Tell whether the worker was asked to shut down.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().is_worker_shutdown


async def wait_for_worker_shutdown() -> None:
    """Wait until the worker is asked to shut down; for async activities.

    Raises:
        RuntimeError: Not in an async activity.
    """
    await _context().wait_for_worker_shutdown()


def wait_for_worker_shutdown_sync(timeout: timedelta | float | None = None) -> None:
    """Block until the worker is asked to shut down; for synchronous activities.

    Args:
        timeout: Longest wait, a number being seconds; the default waits without bound.

    Raises:
        RuntimeError: Not in an activity.
    """
    _context().wait_for_worker_shutdown_sync(_seconds(timeout))


def shield_thread_cancel_exception() -> AbstractContextManager[None]:
    """Put off the cancellation exception of a synchronous activity until the end of a `with` block.

    Without it `CancelledError` may be raised between any two steps of a synchronous activity in a thread.
    A pending one is raised at the end of the outermost such block, whatever the block itself returned or
    raised. Has no effect in async activities and in process pools, where nothing is raised in this way.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().shield_thread_cancel_exception()


def raise_complete_async() -> NoReturn:
    """End this call without an outcome: someone else will complete the activity, by its token or its id.

    The activity's timeouts keep running until then.
    """
    raise CompleteAsyncSignal


def payload_converter() -> PayloadConverter:
    """Return the converter of the worker that runs this activity, for decoding `RawValue`s.

    Raises:
        RuntimeError: Not in an activity.
    """
    return _context().payload_converter


def _seconds(timeout: timedelta | float | None) -> float | None:
    return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
