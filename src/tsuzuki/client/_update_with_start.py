"""An update to a workflow that is started for it, if it is not open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar, Unpack, cast

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.errordetails.v1 import MultiOperationExecutionFailure, WorkflowExecutionAlreadyStartedFailure
from temporalio.api.failure.v1 import MultiOperationExecutionAborted
from temporalio.api.workflowservice.v1 import ExecuteMultiOperationRequest

from ..exceptions import WorkflowAlreadyStartedError
from ..service import ServiceError, StatusCode
from ..workflow import name_and_result_type
from ._context import ClientContext
from ._errors import InvalidArgumentError, RPCError, WorkflowNotFoundError, client_error
from ._handle import WorkflowHandle
from ._interceptor import (
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartStartWorkflowInput,
    UpdateWithStartUpdateWorkflowInput,
)
from ._start import StartWorkflowOptions, check_option_names, start_request
from ._update import WorkflowUpdateHandle, WorkflowUpdateStage, update_request
from ._validation import UNSET, arguments

_OPTIONS: Final = tuple(
    name for name in StartWorkflowOptions.__annotations__ if name not in ("start_signal", "start_signal_args")
)

SelfType = TypeVar("SelfType")
ReturnType = TypeVar("ReturnType")


class WithStartWorkflowOperation(Generic[SelfType, ReturnType]):
    """The start that goes with an update; for one call.

    Args:
        workflow: See `Client.start_workflow`.
        arg: See `Client.start_workflow`.
        args: See `Client.start_workflow`.
        result_type: See `Client.start_workflow`.
        options: See `StartWorkflowOptions`; `id_conflict_policy` is required: `USE_EXISTING` updates the open run,
            `FAIL` refuses if there is one.

    Raises:
        InvalidArgumentError: No conflict policy, or a start signal.
    """

    def __init__(
        self,
        workflow: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        result_type: Any = None,
        **options: Unpack[StartWorkflowOptions],
    ) -> None:
        if not options.get("id_conflict_policy"):
            raise InvalidArgumentError(
                "id_conflict_policy is missing; say what happens when the workflow is open: USE_EXISTING or FAIL"
            )
        if options.get("start_signal") is not None:
            raise InvalidArgumentError("start_signal cannot be combined with an update; send one of the two")
        self._workflow = workflow
        self._args = arguments(arg, args)
        self._result_type = result_type
        self._options = options
        self._handle: asyncio.Future[WorkflowHandle[Any, Any]] | None = None
        self._used = False

    async def workflow_handle(self) -> WorkflowHandle[SelfType, ReturnType]:
        """Wait for the start and give the handle of the workflow, new or not.

        Raises:
            WorkflowAlreadyStartedError: And whatever else the start failed by.
        """
        return cast("WorkflowHandle[SelfType, ReturnType]", await asyncio.shield(self._future()))

    def _future(self) -> asyncio.Future[WorkflowHandle[Any, Any]]:
        if self._handle is None:
            self._handle = asyncio.get_running_loop().create_future()
        return self._handle

    async def send(
        self, context: ClientContext, update: UpdateWithStartUpdateWorkflowInput
    ) -> WorkflowUpdateHandle[Any]:
        """Send it together with an update; see `Client.start_update_with_start_workflow`."""
        if self._used:
            raise InvalidArgumentError("this WithStartWorkflowOperation was used before; make another one")
        self._used = True
        started = self._future()
        try:
            start = self._start_input()
            if context.outbound is None:
                return await self.perform(context, start, update)
            return await context.outbound.start_update_with_start_workflow(
                StartWorkflowUpdateWithStartInput(start, update, self)
            )
        except BaseException as error:
            if not started.done():
                started.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                started.exception()  # whoever waits for it hears of it; if nobody does, that is fine
            raise

    def _start_input(self) -> UpdateWithStartStartWorkflowInput:
        check_option_names(self._options)
        workflow_type, hint = name_and_result_type(self._workflow)
        options: dict[str, Any] = {name: value for name, value in self._options.items() if name in _OPTIONS}
        ret_type = hint if self._result_type is None else self._result_type
        return UpdateWithStartStartWorkflowInput(workflow_type, self._args, ret_type=ret_type, **options)

    async def perform(
        self,
        context: ClientContext,
        started: UpdateWithStartStartWorkflowInput,
        updated_by: UpdateWithStartUpdateWorkflowInput,
    ) -> WorkflowUpdateHandle[Any]:
        """Send both, and tell whoever waits for the workflow's handle."""
        workflow_type = started.workflow
        options = {name: value for name in _OPTIONS if (value := getattr(started, name)) is not None}
        start = start_request(context, workflow_type, started.args, options, started.headers)
        execution = WorkflowExecution(workflow_id=start.workflow_id)
        stage = updated_by.wait_for_stage
        update = update_request(
            context,
            execution,
            updated_by.update,
            updated_by.args,
            update_id=updated_by.update_id,
            stage=stage,
            headers=updated_by.headers,
        )
        request = ExecuteMultiOperationRequest(namespace=context.namespace)
        request.operations.add().start_workflow.CopyFrom(start)
        request.operations.add().update_workflow.CopyFrom(update)
        while True:
            try:
                answer = await context.calls.send(context.service.execute_multi_operation, request)
            except RPCError as error:
                raise _translated(error, start.workflow_id, workflow_type) from error
            began, updated = answer.responses[0].start_workflow, answer.responses[1].update_workflow
            if not self._future().done():
                handle: WorkflowHandle[Any, Any] = WorkflowHandle(
                    context,
                    start.workflow_id,
                    result_run_id=began.run_id,
                    first_execution_run_id=began.first_execution_run_id or began.run_id,
                    result_type=started.ret_type,
                )
                self._future().set_result(handle)
            if updated.stage >= Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:
                break
        result: WorkflowUpdateHandle[Any] = WorkflowUpdateHandle(
            context,
            update.request.meta.update_id,
            start.workflow_id,
            workflow_run_id=began.run_id,
            result_type=updated_by.ret_type,
            known_outcome=updated.outcome if updated.HasField("outcome") else None,
        )
        if stage == WorkflowUpdateStage.COMPLETED:
            await result.wait_for_outcome()
        return result


def _translated(error: RPCError, workflow_id: str, workflow_type: str) -> Exception:
    """The refusal of the operation that failed, in place of that of both."""
    if not isinstance(error.detail, MultiOperationExecutionFailure):
        return error
    for status in error.detail.statuses:
        aborted = status.details and status.details[0].Is(MultiOperationExecutionAborted.DESCRIPTOR)
        if status.code == 0 or aborted:
            continue
        taken = WorkflowExecutionAlreadyStartedFailure()
        if status.details and status.details[0].Unpack(taken):
            return WorkflowAlreadyStartedError(
                workflow_id, workflow_type, run_id=taken.run_id, first_run_id=taken.first_execution_run_id or None
            )
        return client_error(ServiceError(StatusCode(status.code), status.message), WorkflowNotFoundError)
    return error
