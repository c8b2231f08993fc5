"""The bridge from workflow code to the run that executes it.

The authoring API knows only `Runtime`; the worker's run implements it and hangs it on its event loop, so
that finding it costs one look-up of the running loop and works in any thread.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from ._exceptions import NotInWorkflowError

if TYPE_CHECKING:
    from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

    from tsuzuki.common import MetricMeter, TypedSearchAttributes
    from tsuzuki.converter import FailureConverter, PayloadConverter

    from ._activities import ActivityHandle
    from ._channels import SignalChannel
    from ._children import ChildWorkflowHandle
    from ._continue_as_new import ContinueAsNewError
    from ._info import Info
    from ._queries import QueryDefinition
    from ._signals import SignalDefinition
    from ._updates import UpdateDefinition

UNSET: Final = object()
"""Stands for an argument that was not given, where None could have been."""


class Runtime(Protocol):
    """What a run offers to the workflow code that it is executing."""

    replaying: bool
    time_ns: int
    cancel_reason: str | None
    current_details: str
    workflow: Any
    """The instance of the workflow class; None for a plain function."""

    @property
    def info(self) -> Info: ...
    @property
    def logger_details(self) -> Mapping[str, Any]: ...
    def log(self, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Take a line for the log of the run, on its page."""
        ...

    @property
    def metric_meter(self) -> MetricMeter: ...
    @property
    def random(self) -> random.Random: ...
    @property
    def random_seed(self) -> int: ...
    @property
    def memo(self) -> Mapping[str, Any]: ...
    @property
    def typed_search_attributes(self) -> TypedSearchAttributes: ...
    @property
    def payload_converter(self) -> PayloadConverter: ...
    @property
    def failure_converter(self) -> FailureConverter: ...
    @property
    def started(self) -> WorkflowExecutionStartedEventAttributes: ...

    history_length: int
    history_size: int
    continue_as_new_suggested: bool

    def memo_value(self, key: str, default: Any, type_hint: Any) -> Any: ...
    def is_failure(self, error: BaseException) -> bool: ...
    def start_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ActivityHandle[Any]: ...
    def start_local_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ActivityHandle[Any]: ...
    async def start_child_workflow(
        self, workflow: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ChildWorkflowHandle[Any]: ...
    async def signal_workflow(
        self, workflow_id: str, run_id: str | None, signal: str, args: Sequence[Any], *, child: bool
    ) -> None: ...
    async def cancel_workflow_of_others(self, workflow_id: str, run_id: str | None, reason: str) -> None: ...
    def continue_as_new(self, asked: ContinueAsNewError) -> NoReturn: ...
    def check_may_act(self, action: str) -> None: ...
    def get_version(self, change_id: str, min_supported: int, max_supported: int) -> int: ...
    def patched(self, patch_id: str, *, deprecated: bool) -> bool: ...
    def side_effect(self, fn: Callable[[], Any], result_type: Any) -> Any: ...
    def mutable_side_effect(
        self, effect_id: str, fn: Callable[[], Any], equal: Callable[[Any, Any], bool] | None, result_type: Any
    ) -> Any: ...
    def upsert_search_attributes(self, attributes: Any) -> None: ...
    def upsert_memo(self, updates: Mapping[str, Any]) -> None: ...
    def signal_channel(self, name: str, arg_type: Any) -> SignalChannel[Any]: ...
    def close_after(self, work: asyncio.Future[Any]) -> None: ...
    def set_signal_handler(self, name: str | None, handler: SignalDefinition | None) -> None: ...
    def set_query_handler(self, name: str | None, handler: QueryDefinition | None) -> None: ...
    def set_update_handler(self, name: str | None, handler: UpdateDefinition | None) -> None: ...
    def all_handlers_finished(self) -> bool: ...
    async def sleep(self, seconds: float, summary: str | None) -> None: ...
    async def wait_condition(
        self, condition: Callable[[], bool], timeout: float | None, timeout_summary: str | None
    ) -> None: ...


def find_runtime() -> Runtime | None:
    """Return the run whose code is executing; None outside workflow code."""
    return getattr(asyncio._get_running_loop(), "workflow_runtime", None)


def current_runtime() -> Runtime:
    """Return the run whose code is executing.

    Raises:
        NotInWorkflowError: Called outside workflow code.
    """
    runtime: Runtime | None = getattr(asyncio._get_running_loop(), "workflow_runtime", None)
    if runtime is None:
        raise NotInWorkflowError("this tsuzuki.workflow function works only inside workflow code")
    return runtime
