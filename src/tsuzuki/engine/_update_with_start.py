"""The RPC that starts a run unless it is open, and updates it: in one transition, never the one without the other."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message
from temporalio.api.errordetails.v1 import MultiOperationExecutionFailure
from temporalio.api.failure.v1 import MultiOperationExecutionAborted
from temporalio.api.workflowservice.v1 import (
    ExecuteMultiOperationRequest,
    ExecuteMultiOperationResponse,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)

from tsuzuki.core import start, update
from tsuzuki.core.execution import Execution
from tsuzuki.core.refusal import InvalidInput, Refusal
from tsuzuki.core.update import Update
from tsuzuki.service import ServiceError, StatusCode

from ._engine import Engine
from ._lifecycle import Lifecycle
from ._refusals import refusals_as_errors, service_error
from ._updates import LONG_POLL_NS, Updates

_START: Final = 0
_UPDATE: Final = 1


class UpdateWithStart:
    def __init__(self, engine: Engine, lifecycle: Lifecycle, updates: Updates) -> None:
        self._engine = engine
        self._lifecycle = lifecycle
        self._updates = updates

    async def execute(
        self, request: ExecuteMultiOperationRequest, *, wait_ns: int = LONG_POLL_NS
    ) -> ExecuteMultiOperationResponse:
        self._engine.check_writable()
        self._engine.namespaces.check_start(request.namespace)
        with refusals_as_errors():
            asked, wanted = _operations(request)
        run, known, started = self._begin(asked, wanted)
        answer = await self._updates.answer(run, known, wanted, wait_ns)
        response = ExecuteMultiOperationResponse()
        began = response.responses.add().start_workflow
        began.run_id, began.started, began.status = run.run_id, started, run.status
        response.responses.add().update_workflow.CopyFrom(answer)
        return response

    def _begin(
        self, asked: StartWorkflowExecutionRequest, wanted: UpdateWorkflowExecutionRequest
    ) -> tuple[Execution, Update, bool]:
        """Start a run or find the one that is open, and admit the update. True when it was started."""
        engine, failing = self._engine, _UPDATE
        try:
            update.check_update(wanted.request, engine.limits_of(asked.namespace))
            failing = _START
            existing = self._lifecycle.existing_for(asked)
            failing = _UPDATE
            if existing is not None:
                return existing, self._updates.known_or_admitted(existing, wanted), False
        except Refusal as refusal:
            raise _failure(service_error(refusal), failing) from None
        run = engine.runs.create(asked.namespace, asked.workflow_id, engine.new_id(), asked.request_id)
        with engine.asked_to_change(run):
            now_ns = engine.clock.now_ns()
            start.start(run, asked, now_ns, engine.limits_of(run.namespace))
            known = update.admit(run, wanted.request, now_ns, engine.limits_of(run.namespace))
        return run, known, True


def _operations(
    request: ExecuteMultiOperationRequest,
) -> tuple[StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest]:
    kinds = [operation.WhichOneof("operation") for operation in request.operations]
    if kinds != ["start_workflow", "update_workflow"]:
        raise InvalidInput(f"the operations are {kinds}; expected exactly a start and then an update.")
    asked, wanted = request.operations[0].start_workflow, request.operations[1].update_workflow
    if asked.namespace != request.namespace or wanted.namespace not in ("", request.namespace):
        raise InvalidInput(
            f"the start is in namespace '{asked.namespace}', the update in '{wanted.namespace}' and the request in "
            f"'{request.namespace}'; they must be the same."
        )
    if asked.workflow_id != wanted.workflow_execution.workflow_id:
        raise InvalidInput(
            f"the start is of workflow '{asked.workflow_id}' and the update of "
            f"'{wanted.workflow_execution.workflow_id}'; they must be the same."
        )
    if wanted.workflow_execution.run_id:
        raise InvalidInput("the update names a run id; with a start it must not, for the run may be new.")
    return asked, wanted


def _failure(error: ServiceError, failing: int) -> ServiceError:
    """The refusal of one operation, with the other one aborted."""
    detail = MultiOperationExecutionFailure()
    for position in (_START, _UPDATE):
        status = detail.statuses.add()
        if position == failing:
            status.code, status.message = int(error.status), error.message
            packed: Message | None = error.detail
        else:
            status.code, status.message = int(StatusCode.ABORTED), "Operation was aborted."
            packed = MultiOperationExecutionAborted()
        if packed is not None:
            status.details.add().Pack(packed)
    return ServiceError(error.status, f"update-with-start could not be executed: {error.message}", detail)
