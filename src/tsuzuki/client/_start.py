"""Starting a workflow: the options, each with its row, and the request made of them.

An option is a name in `StartWorkflowOptions` and a writer in `_WRITERS`; only the options that were given
cost anything. A name that is neither is refused with the nearest match.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import urandom
from typing import Any, Final, Required, TypedDict

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

from ..common import (
    Priority,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from ..converter import encode_search_attributes, write_headers
from ..exceptions import WorkflowAlreadyStartedError
from ..service import WorkflowService
from ._context import ClientContext
from ._errors import InvalidArgumentError, RPCError
from ._handle import WorkflowHandle
from ._validation import UNSET, arguments, check_delay, check_name, check_timeout

_ALLOW_DUPLICATE: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE


class StartWorkflowOptions(TypedDict, total=False):
    """What `Client.start_workflow` takes besides the workflow and its arguments.

    Attributes:
        id: Workflow id, 1 to 1000 characters; at most one run with it is open in a namespace.
        task_queue: Where a worker polls for it.
        execution_timeout: Bound of the whole chain of runs (retries, continue-as-new, cron); no default.
        run_timeout: Bound of one run; the default is the execution timeout.
        task_timeout: Bound of one workflow task; the default is 10 s, the upper bound 120 s.
        id_reuse_policy: Whether the id of a closed run may be used again; the default is yes.
        id_conflict_policy: What happens when a run with this id is open; the default is to refuse.
        retry_policy: Runs a failed workflow again, in a new run; the default is not to.
        cron_schedule: Runs the workflow again and again, in new runs.
        memo: Values shown with the run, not searchable.
        search_attributes: Values to find the run by; their names must be registered.
        start_delay: Time until the first workflow task.
        request_id: Makes the start safe to send again from another process: the same id gives the same
            run, also after it closed. The default is a new random id.
        static_summary: One line for people.
        static_details: Several lines for people.
        priority: Which waiting tasks go first.
        start_signal: Name of a signal that reaches the open run of this id, or a run started with it in its
            history; never the run without the signal.
        start_signal_args: Arguments of that signal.
    """

    id: Required[str]
    task_queue: Required[str]
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    id_conflict_policy: WorkflowIDConflictPolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: SearchAttributes | TypedSearchAttributes | None
    start_delay: timedelta | None
    request_id: str | None
    static_summary: str | None
    static_details: str | None
    priority: Priority
    start_signal: str | None
    start_signal_args: Sequence[Any]


async def start_workflow(
    context: ClientContext,
    workflow_type: str,
    args: Sequence[Any],
    options: Mapping[str, Any],
    result_type: Any,
    headers: Mapping[str, Payload] | None = None,
) -> WorkflowHandle[Any, Any]:
    """Start a workflow, with a signal if the options say so; see `Client.start_workflow`."""
    request = start_request(context, workflow_type, args, options, headers)
    answer: StartWorkflowExecutionResponse | SignalWithStartWorkflowExecutionResponse
    start_signal = options.get("start_signal")
    if start_signal is None:
        answer = await send_start(context, request)
    else:
        signal_args = arguments(UNSET, options.get("start_signal_args") or ())
        answer = await send_signal_with_start(context, request, start_signal, signal_args)
    return WorkflowHandle(
        context,
        request.workflow_id,
        result_run_id=answer.run_id,
        first_execution_run_id=answer.first_execution_run_id or answer.run_id,
        result_type=result_type,
    )


def check_option_names(options: Mapping[str, Any]) -> None:
    """Refuse options that a start does not have, or has to have.

    Raises:
        TypeError: One is missing or unknown; the message says which.
    """
    for name in ("id", "task_queue"):
        if name not in options:
            raise _missing(name)
    for name in options:
        if name not in _WRITERS:
            _refuse(name)


def _missing(name: str) -> TypeError:
    return TypeError(f"start_workflow needs {name}=...")


def start_request(
    context: ClientContext,
    workflow_type: str,
    args: Sequence[Any],
    options: Mapping[str, Any],
    headers: Mapping[str, Payload] | None = None,
) -> StartWorkflowExecutionRequest:
    """Build the request that starts a workflow.

    Raises:
        InvalidArgumentError: An option is out of its bounds.
        PayloadEncodeError: An argument has no payload form.
        TypeError: An option is missing or unknown.
    """
    try:
        workflow_id, task_queue = options["id"], options["task_queue"]
    except KeyError as missing:
        raise _missing(missing.args[0]) from None
    check_name("the workflow type", workflow_type)
    check_name("the workflow id", workflow_id)
    check_name("the task queue", task_queue)
    request = StartWorkflowExecutionRequest()
    request.namespace = context.namespace
    request.workflow_id = workflow_id
    request.identity = context.identity
    request.workflow_id_reuse_policy = _ALLOW_DUPLICATE
    request.workflow_type.name = workflow_type
    request.task_queue.name = task_queue
    if args:
        context.payloads.write_payloads(args, request.input)
    if headers:
        write_headers(headers, request.header)
    if len(options) > 2:
        for name, value in options.items():
            write = _WRITERS.get(name) or _refuse(name)
            if value is not None:
                write(context, request, value)
    if not request.request_id:
        request.request_id = urandom(16).hex()  # as random as a UUID, in a tenth of the time
    return request


async def send_signal_with_start(
    context: ClientContext, request: StartWorkflowExecutionRequest, signal: str, args: Sequence[Any]
) -> SignalWithStartWorkflowExecutionResponse:
    """Send a start with a signal, again if need be with the same request id.

    Raises:
        WorkflowAlreadyStartedError: The id was used, and the reuse policy forbids another run.
        RPCError: The subclass that fits.
    """
    check_name("start_signal", signal)
    together = SignalWithStartWorkflowExecutionRequest(signal_name=signal)
    for descriptor, value in request.ListFields():
        if descriptor.message_type is None:
            setattr(together, descriptor.name, value)
        else:
            getattr(together, descriptor.name).MergeFrom(value)
    if args:
        together.signal_input.payloads.extend(context.payloads.to_payloads(args))
    try:
        return await context.calls.send(context.service.signal_with_start_workflow_execution, together)
    except RPCError as error:
        _raise_if_taken(request, error)
        raise


async def send_start(
    context: ClientContext, request: StartWorkflowExecutionRequest, service: WorkflowService | None = None
) -> StartWorkflowExecutionResponse:
    """Send a start, again if need be with the same request id; by default behind the client's codec.

    Raises:
        WorkflowAlreadyStartedError: The id is taken, as far as the policies say.
        RPCError: The subclass that fits.
    """
    try:
        return await context.calls.send((service or context.service).start_workflow_execution, request)
    except RPCError as error:
        _raise_if_taken(request, error)
        raise


def _raise_if_taken(request: StartWorkflowExecutionRequest, error: RPCError) -> None:
    """Name the run that has the id, when a start is refused for it."""
    if isinstance(error.detail, WorkflowExecutionAlreadyStartedFailure):
        raise WorkflowAlreadyStartedError(
            request.workflow_id,
            request.workflow_type.name,
            run_id=error.detail.run_id,
            first_run_id=error.detail.first_execution_run_id or None,
        ) from error


def _refuse(name: str) -> Callable[..., None]:
    near = difflib.get_close_matches(name, StartWorkflowOptions.__annotations__, n=1)
    suggestion = f"; did you mean {near[0]!r}?" if near else ""
    raise TypeError(f"start_workflow has no option {name!r}{suggestion}")


_Writer = Callable[[ClientContext, StartWorkflowExecutionRequest, Any], None]


def _already_written(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    pass


def _timeout(option: str, field: str) -> _Writer:
    def write(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
        check_timeout(option, value)
        getattr(request, field).FromTimedelta(value)

    return write


def _plain(field: str) -> _Writer:
    def write(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
        setattr(request, field, value)

    return write


def _start_delay(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    check_delay("start_delay", value)
    request.workflow_start_delay.FromTimedelta(value)


def _request_id(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    check_name("request_id", value)
    request.request_id = value


def _retry_policy(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    try:
        value.apply_to_proto(request.retry_policy)
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from error


def _memo(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    for name, item in value.items():
        request.memo.fields[name].CopyFrom(context.payloads.to_payload(item))


def _search_attributes(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    try:
        encode_search_attributes(value, request.search_attributes)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(str(error)) from error


def _user_metadata(field: str) -> _Writer:
    def write(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
        getattr(request.user_metadata, field).CopyFrom(context.payloads.to_payload(value))

    return write


def _priority(context: ClientContext, request: StartWorkflowExecutionRequest, value: Any) -> None:
    request.priority.CopyFrom(value.to_proto())


_WRITERS: Final[Mapping[str, _Writer]] = {
    "id": _already_written,
    "task_queue": _already_written,
    "execution_timeout": _timeout("execution_timeout", "workflow_execution_timeout"),
    "run_timeout": _timeout("run_timeout", "workflow_run_timeout"),
    "task_timeout": _timeout("task_timeout", "workflow_task_timeout"),
    "id_reuse_policy": _plain("workflow_id_reuse_policy"),
    "id_conflict_policy": _plain("workflow_id_conflict_policy"),
    "retry_policy": _retry_policy,
    "cron_schedule": _plain("cron_schedule"),
    "memo": _memo,
    "search_attributes": _search_attributes,
    "start_delay": _start_delay,
    "request_id": _request_id,
    "static_summary": _user_metadata("summary"),
    "static_details": _user_metadata("details"),
    "priority": _priority,
    "start_signal": _already_written,
    "start_signal_args": _already_written,
}
