"""What workflow code can ask of its run: `workflow.Runtime`, as the worker implements it.

Owns no state but what a call needs while it waits. What must not be done now (in a query, in a validator, in a run
that is being thrown away) is refused here, once, before a machine is made.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from tsuzuki.common import MetricMeter, TypedSearchAttributes
from tsuzuki.converter import FailureConverter, PayloadConverter
from tsuzuki.workflow import (
    ActivityHandle,
    ChildWorkflowHandle,
    ContinueAsNewError,
    HandlerDefinition,
    Info,
    QueryDefinition,
    SignalChannel,
    SignalDefinition,
)

from ._machines import _activity as _activities
from ._machines import _patch, _properties, _side_effect, _signal, _update, _version
from ._machines._child import start_child
from ._machines._external_cancel import cancel_other
from ._machines._external_signal import signal_other
from ._machines._local_activity import start_local_activity

if TYPE_CHECKING:
    from ._workflow_run import WorkflowRun

TIMER_SUMMARY: Final[contextvars.ContextVar[str | None]] = contextvars.ContextVar("tsuzuki_timer_summary", default=None)
"""What the timer that the loop is about to start is called."""


class CodeRuntime:
    """What workflow code can ask of one run.

    Args:
        run: The run. Its loop lets go of this object, and so breaks the circle, when the run is evicted.
    """

    __slots__ = ("_run",)

    def __init__(self, run: WorkflowRun) -> None:
        self._run = run

    # ---- facts ---------------------------------------------------------------------------------------------

    @property
    def replaying(self) -> bool:
        return self._run.replaying

    def log(self, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        logs = self._run.facts.logs
        if logs is not None and logs.takes(level):
            logs.add((self._run.workflow_id, self._run.run_id), level, logger, message, args, kwargs)

    @property
    def time_ns(self) -> int:
        return self._run.time_ns

    @property
    def cancel_reason(self) -> str | None:
        return self._run.cancel_reason

    @property
    def current_details(self) -> str:
        return self._run.current_details

    @current_details.setter
    def current_details(self, value: str) -> None:
        self._run.current_details = value

    @property
    def workflow(self) -> Any:
        return self._run.workflow

    @property
    def history_length(self) -> int:
        return self._run.history_length

    @property
    def history_size(self) -> int:
        return self._run.history_size

    @property
    def continue_as_new_suggested(self) -> bool:
        return self._run.continue_as_new_suggested

    @property
    def payload_converter(self) -> PayloadConverter:
        return self._run.payload_converter

    @property
    def failure_converter(self) -> FailureConverter:
        return self._run.failure_converter

    @property
    def started(self) -> WorkflowExecutionStartedEventAttributes:
        return self._run.facts.started

    @property
    def info(self) -> Info:
        return self._run.facts.info

    @property
    def logger_details(self) -> Mapping[str, Any]:
        return self._run.facts.info.logger_details()

    @property
    def metric_meter(self) -> MetricMeter:
        run = self._run
        meter = run.settings.metric_meter
        if meter is None:
            return MetricMeter.noop
        return meter.with_additional_attributes(
            {"namespace": run.namespace, "task_queue": run.task_queue, "workflow_type": run.workflow_type}
        )

    @property
    def memo(self) -> Mapping[str, Any]:
        return self._run.facts.memo

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        return self._run.facts.typed_search_attributes

    @property
    def random(self) -> random.Random:
        return self._run.random

    @property
    def random_seed(self) -> int:
        return self._run.random_seed

    def memo_value(self, key: str, default: Any, type_hint: Any) -> Any:
        return self._run.facts.memo_value(key, default, type_hint)

    def is_failure(self, error: BaseException) -> bool:
        return self._run.is_failure(error)

    def all_handlers_finished(self) -> bool:
        return not self._run.running_handlers

    def check_may_act(self, action: str) -> None:
        self._run.check_may_act(action)

    def fail_task(self, error: BaseException) -> None:
        """Fail the workflow task, whatever the code does with the error; code that only looks has its own answer."""
        run = self._run
        if not run.read_only and run.failed_by is None:
            run.failed_by = error

    # ---- commands ------------------------------------------------------------------------------------------

    def start_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ActivityHandle[Any]:
        self._run.check_may_act("start an activity")
        return _activities.start_activity(self._run, activity, args, result_type, options)

    def start_local_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ActivityHandle[Any]:
        self._run.check_may_act("start a local activity")
        return start_local_activity(self._run, activity, args, result_type, options)

    async def start_child_workflow(
        self, workflow: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ChildWorkflowHandle[Any]:
        self._run.check_may_act("start a child workflow")
        return await start_child(self._run, workflow, args, result_type, options)

    async def signal_workflow(
        self, workflow_id: str, run_id: str | None, signal: str, args: Sequence[Any], *, child: bool
    ) -> None:
        self._run.check_may_act("signal a workflow")
        await signal_other(self._run, workflow_id, run_id, signal, args, child=child)

    async def cancel_workflow_of_others(self, workflow_id: str, run_id: str | None, reason: str) -> None:
        self._run.check_may_act("cancel a workflow")
        await cancel_other(self._run, workflow_id, run_id, reason)

    def continue_as_new(self, asked: ContinueAsNewError) -> NoReturn:
        self._run.check_may_act("continue as new")
        raise asked

    def get_version(self, change_id: str, min_supported: int, max_supported: int) -> int:
        self._run.check_may_act("ask for a version")
        return _version.get_version(self._run, change_id, min_supported, max_supported)

    def patched(self, patch_id: str, *, deprecated: bool) -> bool:
        self._run.check_may_act("ask for a patch")
        return _patch.patched(self._run, patch_id, deprecated=deprecated)

    def side_effect(self, fn: Callable[[], Any], result_type: Any) -> Any:
        self._run.check_may_act("run a side effect")
        return _side_effect.side_effect(self._run, fn, result_type)

    def mutable_side_effect(
        self, effect_id: str, fn: Callable[[], Any], equal: Callable[[Any, Any], bool] | None, result_type: Any
    ) -> Any:
        self._run.check_may_act("run a side effect")
        return _side_effect.mutable_side_effect(self._run, effect_id, fn, equal, result_type)

    def upsert_search_attributes(self, attributes: Any) -> None:
        self._run.check_may_act("change search attributes")
        _properties.upsert_search_attributes(self._run, attributes)

    def upsert_memo(self, updates: Mapping[str, Any]) -> None:
        self._run.check_may_act("change the memo")
        _properties.upsert_memo(self._run, updates)

    def signal_channel(self, name: str, arg_type: Any) -> SignalChannel[Any]:
        self._run.check_may_act("receive signals")
        return _signal.channel(self._run, name, arg_type)

    def close_after(self, work: asyncio.Future[Any]) -> None:
        run = self._run
        run.shielded = [*(kept for kept in run.shielded if not kept.done()), work]

    def set_signal_handler(self, name: str | None, handler: SignalDefinition | None) -> None:
        self._run.check_may_act("set a signal handler")
        _signal.set_handler(self._run, name, handler)

    def set_query_handler(self, name: str | None, handler: QueryDefinition | None) -> None:
        self._run.check_may_act("set a query handler")
        if handler is None:
            self._run.query_handlers.pop(name, None)
        else:
            self._run.query_handlers[name] = handler

    def set_update_handler(self, name: str | None, handler: HandlerDefinition | None) -> None:
        self._run.check_may_act("set an update handler")
        _update.set_handler(self._run, name, handler)

    async def sleep(self, seconds: float, summary: str | None) -> None:
        self._run.check_may_act("sleep")
        future = self._run.loop.create_future()
        token = TIMER_SUMMARY.set(summary)
        try:
            timer = self._run.loop.call_later(seconds, _wake, future, context=self._run.own_context)
        finally:
            TIMER_SUMMARY.reset(token)
        future.add_done_callback(lambda woken: timer.cancel() if woken.cancelled() else None)
        await future

    async def wait_condition(
        self, condition: Callable[[], bool], timeout: float | None, timeout_summary: str | None
    ) -> None:
        self._run.check_may_act("wait for a condition")
        future = self._run.loop.wait_for_condition(condition)
        if timeout is None:
            await future
            return
        token = TIMER_SUMMARY.set(timeout_summary)
        try:
            await asyncio.wait_for(future, timeout)
        finally:
            with suppress(ValueError):  # of another context: Python's garbage collector ends the code
                TIMER_SUMMARY.reset(token)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
