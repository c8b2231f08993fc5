"""The chain of interceptors around one attempt, with the attempt at both ends.

Made only where there are interceptors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from tsuzuki.activity import ActivityCancellationDetails, ActivityContext, ActivityDefinition, Info, current_context
from tsuzuki.common import MetricMeter
from tsuzuki.converter import PayloadConverter, read_headers

from ._activity_attempt import Attempt
from ._interceptor import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

Result = TypeVar("Result")


class SyncCall(Protocol):
    """Runs a synchronous activity off the loop."""

    @property
    def executor(self) -> Executor: ...

    async def call(
        self, attempt: Attempt, definition: ActivityDefinition, fn: Callable[..., Any], args: Sequence[Any]
    ) -> Any: ...


class ActivityChain:
    """Makes the chain of each attempt.

    Args:
        interceptors: The first of them is the outermost around the call.
        sync: Runs synchronous activities; None for a worker that has none.
    """

    def __init__(self, interceptors: Sequence[Interceptor], sync: SyncCall | None) -> None:
        self._interceptors = tuple(interceptors)
        self._sync = sync

    def around(
        self, attempt: Attempt, definition: ActivityDefinition, args: Sequence[Any]
    ) -> Callable[[], Awaitable[Any]]:
        """Return what calls the activity through the chain; it is to run in the attempt's own asyncio task."""
        root = _Inbound(attempt, definition, None if definition.is_async else self._sync)
        inbound: ActivityInboundInterceptor = root
        for interceptor in reversed(self._interceptors):
            inbound = interceptor.intercept_activity(inbound)
        inbound.init(_Outbound(attempt))
        current_context.set(InterceptedContext(attempt, root.outbound))
        executor = None if root.sync is None else root.sync.executor
        input = ExecuteActivityInput(definition.fn, args, executor, read_headers(attempt.task.header))
        return lambda: inbound.execute_activity(input)


class _Inbound(ActivityInboundInterceptor):
    """The inner end: calls the activity."""

    outbound: ActivityOutboundInterceptor

    def __init__(self, attempt: Attempt, definition: ActivityDefinition, sync: SyncCall | None) -> None:
        self._attempt = attempt
        self._definition = definition
        self.sync = sync

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self.outbound = outbound

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if self.sync is None:
            return await input.fn(*input.args)
        attempt = self._attempt
        interrupt_chain = attempt.interrupt  # until it returns, it is the thread that is interrupted
        try:
            return await self.sync.call(attempt, self._definition, input.fn, input.args)
        finally:
            attempt.interrupt = interrupt_chain if attempt.cancellation_details is None else None


class _Outbound(ActivityOutboundInterceptor):
    """The outer end: the attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def info(self) -> Info:
        return self._attempt.info

    def heartbeat(self, *details: Any) -> None:
        self._attempt.heartbeat(details)


class InterceptedContext(ActivityContext):
    """An attempt with the outgoing links before it."""

    __slots__ = ("_attempt", "_outbound")

    def __init__(self, attempt: Attempt, outbound: ActivityOutboundInterceptor) -> None:
        self._attempt = attempt
        self._outbound = outbound

    @property
    def info(self) -> Info:
        return self._outbound.info()

    def heartbeat(self, details: tuple[object, ...]) -> None:
        self._outbound.heartbeat(*details)

    def log(self, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._attempt.log(level, logger, message, args, kwargs)

    async def keeps_streams(self) -> bool:
        return await self._attempt.keeps_streams()

    def run_on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._attempt.run_on_loop(work)

    async def publish(self, kinds: str, values: Sequence[object]) -> bool:
        return await self._attempt.publish(kinds, values)

    @property
    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self._attempt.cancellation_details

    @property
    def payload_converter(self) -> PayloadConverter:
        return self._attempt.payload_converter

    @property
    def metric_meter(self) -> MetricMeter:
        return self._attempt.metric_meter

    @property
    def is_worker_shutdown(self) -> bool:
        return self._attempt.is_worker_shutdown

    async def wait_for_cancelled(self) -> None:
        await self._attempt.wait_for_cancelled()

    def wait_for_cancelled_sync(self, timeout_s: float | None) -> None:
        self._attempt.wait_for_cancelled_sync(timeout_s)

    async def wait_for_worker_shutdown(self) -> None:
        await self._attempt.wait_for_worker_shutdown()

    def wait_for_worker_shutdown_sync(self, timeout_s: float | None) -> None:
        self._attempt.wait_for_worker_shutdown_sync(timeout_s)

    def shield_thread_cancel_exception(self) -> AbstractContextManager[None]:
        return self._attempt.shield_thread_cancel_exception()
