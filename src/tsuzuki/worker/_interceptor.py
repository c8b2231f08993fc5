"""Interceptors of a worker: what stands around its activities, and which classes stand around its workflows.

The shapes are those of `temporalio.worker`. An interceptor is asked for the next link of a chain; every link hands
on to the one that it was given, so that the first interceptor of a worker's list is the outermost around incoming
calls and the innermost around outgoing ones. A worker without interceptors has no chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.common.v1 import Payload

from tsuzuki.activity import Info

from ._workflow_interceptor import WorkflowInboundInterceptor


@dataclass(frozen=True, slots=True)
class WorkflowInterceptorClassInput:
    """What `Interceptor.workflow_interceptor_class` is asked with.

    Attributes:
        unsafe_extern_functions: Here for the shape's sake, and not read: there is no sandbox to reach out of.
    """

    unsafe_extern_functions: MutableMapping[str, Callable[..., Any]] = field(default_factory=dict)


class Interceptor:
    """Stands around the activities and workflows of a worker; override what you need."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Return the link that stands before `next`; asked for each attempt of each activity."""
        return next

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Return the class that is made once for each run (and again on replay), or None; asked once a worker."""
        return None


def workflow_interceptors(interceptors: Sequence[Interceptor]) -> list[type[WorkflowInboundInterceptor]]:
    """Return the classes that stand around workflows, in the order of their interceptors."""
    asked = WorkflowInterceptorClassInput()
    classes = [interceptor.workflow_interceptor_class(asked) for interceptor in interceptors]
    return [found for found in classes if found is not None]


@dataclass(slots=True)
class ExecuteActivityInput:
    """One attempt of an activity.

    Attributes:
        fn: The function to call.
        args: Its arguments, decoded.
        executor: Where a synchronous activity runs; None for an async one.
        headers: Headers that came with it, not decoded.
    """

    fn: Callable[..., Any]
    args: Sequence[Any]
    executor: Executor | None
    headers: Mapping[str, Payload]


class ActivityInboundInterceptor:
    """A link around the calls of activities.

    It runs in the attempt's own asyncio task, also for activities in threads: context variables that it sets reach the
    activity. Only a process pool is out of their reach; there the result is a `RawValue`.
    """

    def __init__(self, next: ActivityInboundInterceptor) -> None:
        self.next = next

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Take the links around what the activity calls; wrap `outbound` to add one, and hand it on."""
        self.next.init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Call the activity and return its result.

        Raises:
            BaseException: What the activity raised.
        """
        return await self.next.execute_activity(input)


class ActivityOutboundInterceptor:
    """A link around what an activity calls; not used in a process pool."""

    def __init__(self, next: ActivityOutboundInterceptor) -> None:
        self.next = next

    def info(self) -> Info:
        """Stands for `activity.info()`."""
        return self.next.info()

    def heartbeat(self, *details: Any) -> None:
        """Stands for `activity.heartbeat(...)`."""
        self.next.heartbeat(*details)
