"""The chain of interceptors around one run: made of the worker's classes, with the run at both ends.

Made when the run's code first runs, inside its loop; without interceptors there is none, and nothing here is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tsuzuki.activity import name_and_result_type as activity_name_and_result_type
from tsuzuki.workflow import (
    ActivityConfig,
    ActivityHandle,
    ChildWorkflowConfig,
    ChildWorkflowHandle,
    ContinueAsNewError,
    HandlerDefinition,
    Info,
    LocalActivityConfig,
)
from tsuzuki.workflow import name_and_result_type as workflow_name_and_result_type

from ._code_runtime import CodeRuntime
from ._handler_arguments import call_handler
from ._machines._activity import start_activity
from ._machines._activity_options import schedule_template
from ._machines._child import new_id, start_child
from ._machines._child_options import start_command
from ._machines._external_signal import signal_other
from ._machines._local_activity import start_local_activity
from ._machines._local_activity_options import local_activity_options
from ._source import skip_code_of
from ._workflow_interceptor import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

if TYPE_CHECKING:
    from ._workflow_run import WorkflowRun

_ACTIVITY_OPTIONS: Final = tuple(ActivityConfig.__annotations__)
_LOCAL_OPTIONS: Final = tuple(LocalActivityConfig.__annotations__)
_CHILD_OPTIONS: Final = tuple(name for name in ChildWorkflowConfig.__annotations__ if name != "id")
_CONTINUE_OPTIONS: Final = (
    "task_queue",
    "run_timeout",
    "task_timeout",
    "backoff_start_interval",
    "retry_policy",
    "memo",
    "search_attributes",
)


def chain_of(classes: Sequence[type[WorkflowInboundInterceptor]]) -> Callable[[WorkflowRun], None]:
    """Return what puts a chain of these classes around a run, the first of them outermost."""

    def intercept(run: WorkflowRun) -> None:
        runtime = InterceptedRuntime(run)
        inbound: WorkflowInboundInterceptor = _Inbound(run, runtime)
        for interceptor in reversed(classes):
            inbound = interceptor(inbound)
        inbound.init(_Outbound(run))
        _look_through(runtime.outbound)
        run.loop.workflow_runtime = runtime
        run.inbound = inbound

    return intercept


def _look_through(outbound: WorkflowOutboundInterceptor) -> None:
    link: Any = outbound
    while link is not None:
        skip_code_of(type(link))
        link = getattr(link, "next", None)


class InterceptedRuntime(CodeRuntime):
    """`CodeRuntime` with the outgoing links before it."""

    __slots__ = ("outbound",)

    outbound: WorkflowOutboundInterceptor

    @property
    def info(self) -> Info:
        return self.outbound.info()

    def start_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ActivityHandle[Any]:
        self._run.check_may_act("start an activity")
        name, hint = activity_name_and_result_type(activity)
        if not options.keys() <= ActivityConfig.__annotations__.keys():
            schedule_template(name, self._run.task_queue, options)  # says what is wrong
        ret_type = hint if result_type is None else result_type
        return self.outbound.start_activity(StartActivityInput(name, args, ret_type=ret_type, **options))

    def start_local_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ActivityHandle[Any]:
        self._run.check_may_act("start a local activity")
        name, hint = activity_name_and_result_type(activity)
        if not options.keys() <= LocalActivityConfig.__annotations__.keys():
            local_activity_options(name, options)  # says what is wrong
        ret_type = hint if result_type is None else result_type
        return self.outbound.start_local_activity(StartLocalActivityInput(name, args, ret_type=ret_type, **options))

    async def start_child_workflow(
        self, workflow: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> ChildWorkflowHandle[Any]:
        run = self._run
        run.check_may_act("start a child workflow")
        name, hint = workflow_name_and_result_type(workflow)
        given = dict(options)
        workflow_id = given.pop("id", None) or str(new_id(run))
        if not given.keys() <= ChildWorkflowConfig.__annotations__.keys():
            start_command(name, workflow_id, run.task_queue, given, run.payload_converter)  # says what is wrong
        ret_type = hint if result_type is None else result_type
        return await self.outbound.start_child_workflow(
            StartChildWorkflowInput(name, args, workflow_id, ret_type=ret_type, **given)
        )

    async def signal_workflow(
        self, workflow_id: str, run_id: str | None, signal: str, args: Sequence[Any], *, child: bool
    ) -> None:
        run = self._run
        run.check_may_act("signal a workflow")
        if child:
            await self.outbound.signal_child_workflow(SignalChildWorkflowInput(signal, args, workflow_id))
        else:
            await self.outbound.signal_external_workflow(
                SignalExternalWorkflowInput(signal, args, run.namespace, workflow_id, run_id)
            )

    def continue_as_new(self, asked: ContinueAsNewError) -> NoReturn:
        self._run.check_may_act("continue as new")
        self.outbound.continue_as_new(ContinueAsNewInput(asked.workflow, asked.arguments, **asked.options))
        raise AssertionError("a continue_as_new of an interceptor returned; it must call the next one")


class _Inbound(WorkflowInboundInterceptor):
    """The inner end: calls the user's code."""

    def __init__(self, run: WorkflowRun, runtime: InterceptedRuntime) -> None:
        self._run = run
        self._runtime = runtime

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._runtime.outbound = outbound

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        run = self._run
        bound = (run.workflow,) if run.definition.cls is not None else ()
        return await input.run_fn(*bound, *input.args)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        handler = self._handler(self._run.signal_handlers, input.signal)
        result = self._call(handler, input.signal, input.args)
        if inspect.isawaitable(result):
            await result

    async def handle_query(self, input: HandleQueryInput) -> Any:
        handler = self._handler(self._run.query_handlers, input.query)
        result = self._call(handler, input.query, input.args)
        return await result if inspect.iscoroutine(result) else result

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        handler = self._handler(self._run.update_handlers, input.update)
        if handler.validator is not None:
            bound = (self._run.workflow,) if handler.bound else ()
            handler.validator(*bound, *_arguments(handler, input.update, input.args))

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        handler = self._handler(self._run.update_handlers, input.update)
        result = self._call(handler, input.update, input.args)
        return await result if inspect.isawaitable(result) else result

    def _handler(self, handlers: Mapping[str | None, HandlerDefinition], name: str) -> HandlerDefinition:
        handler = handlers.get(name) or handlers.get(None)
        assert handler is not None, f"an interceptor changed a name to {name!r}, which has no handler"
        return handler

    def _call(self, handler: HandlerDefinition, name: str, args: Sequence[Any]) -> Any:
        return call_handler(handler, self._run.workflow, _arguments(handler, name, args))


def _arguments(handler: HandlerDefinition, name: str, args: Sequence[Any]) -> Sequence[Any]:
    return (name, args) if handler.name is None else args


class _Outbound(WorkflowOutboundInterceptor):
    """The outer end: produces the commands."""

    def __init__(self, run: WorkflowRun) -> None:
        self._run = run

    def info(self) -> Info:
        return self._run.facts.info

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        self._run.check_may_act("start an activity")
        options = _given(input, _ACTIVITY_OPTIONS)
        return start_activity(self._run, input.activity, input.args, input.ret_type, options, input.headers)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        self._run.check_may_act("start a local activity")
        options = _given(input, _LOCAL_OPTIONS)
        return start_local_activity(self._run, input.activity, input.args, input.ret_type, options, input.headers)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
        self._run.check_may_act("start a child workflow")
        options = {"id": input.id, **_given(input, _CHILD_OPTIONS)}
        return await start_child(self._run, input.workflow, input.args, input.ret_type, options, input.headers)

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        self._run.check_may_act("signal a workflow")
        await signal_other(
            self._run, input.child_workflow_id, None, input.signal, input.args, child=True, headers=input.headers
        )

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        self._run.check_may_act("signal a workflow")
        await signal_other(
            self._run,
            input.workflow_id,
            input.workflow_run_id,
            input.signal,
            input.args,
            child=False,
            headers=input.headers,
        )

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        raise ContinueAsNewError(input.workflow, input.args, _given(input, _CONTINUE_OPTIONS), input.headers)


def _given(input: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(input, name)) is not None}
