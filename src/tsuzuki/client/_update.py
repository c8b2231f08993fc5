"""Updating a workflow: asked until it is accepted, waited for until it has an outcome.

An engine answers each call after a bounded time, with what has been reached by then; the loops here ask again, with
the same update id, which counts once in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Generic, TypeVar, cast
from uuid import uuid4

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.update.v1 import Outcome, UpdateRef
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    UpdateWorkflowExecutionRequest,
)

from ..converter import write_headers
from ._context import ClientContext
from ._errors import InvalidArgumentError, WorkflowUpdateFailedError
from ._validation import check_name

Answer = TypeVar("Answer")


class WorkflowUpdateStage(IntEnum):
    """How far an update has come."""

    ADMITTED = 1
    """The engine has it, in memory. Nothing can be waited for at this stage."""
    ACCEPTED = 2
    """The validator let it pass, and that is recorded."""
    COMPLETED = 3
    """Its handler has returned or failed, or the validator rejected it."""


class WorkflowUpdateHandle(Generic[Answer]):
    """One update, by its id. Made by a workflow's handle; costs no call.

    Attributes:
        id: Update id.
        workflow_id: Of the workflow.
        workflow_run_id: The run that has the update; None for the current one.
    """

    def __init__(
        self,
        context: ClientContext,
        id: str,
        workflow_id: str,
        *,
        workflow_run_id: str | None = None,
        result_type: Any = None,
        known_outcome: Outcome | None = None,
    ) -> None:
        self._context = context
        self.id = id
        self.workflow_id = workflow_id
        self.workflow_run_id = workflow_run_id
        self._result_type = result_type
        self._outcome = known_outcome

    def __repr__(self) -> str:
        return f"<WorkflowUpdateHandle {self.id!r} of {self.workflow_id!r}>"

    async def result(self) -> Answer:
        """Wait until the update is done, however long that takes, and give what its handler returned.

        Raises:
            WorkflowUpdateFailedError: It was rejected, or failed; `cause` says why.
            WorkflowNotFoundError: No such run, or it knows no such update.
            PayloadDecodeError: The result does not fit the expected type.
            ServiceUnavailableError: No answer for 10 s. Waiting again is safe.

        Source: `PollWorkflowExecutionUpdate`.
        """
        outcome = await self.wait_for_outcome()
        if outcome.HasField("failure"):
            raise WorkflowUpdateFailedError(self._context.exception_from(outcome.failure))
        payloads = outcome.success.payloads
        result = self._context.payloads.from_payloads(payloads[:1], (self._result_type,))[0] if payloads else None
        return cast("Answer", result)

    async def wait_for_outcome(self) -> Outcome:
        """Wait until the update is done; a second call costs nothing."""
        while self._outcome is None:
            request = PollWorkflowExecutionUpdateRequest(
                namespace=self._context.namespace,
                update_ref=UpdateRef(
                    workflow_execution=WorkflowExecution(
                        workflow_id=self.workflow_id, run_id=self.workflow_run_id or ""
                    ),
                    update_id=self.id,
                ),
                identity=self._context.identity,
            )
            request.wait_policy.lifecycle_stage = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
            answer = await self._context.calls.send(self._context.service.poll_workflow_execution_update, request)
            if answer.HasField("outcome"):
                self._outcome = answer.outcome
        return self._outcome


def update_request(
    context: ClientContext,
    execution: WorkflowExecution,
    name: str,
    args: Sequence[Any],
    *,
    update_id: str | None,
    stage: WorkflowUpdateStage,
    first_execution_run_id: str = "",
    headers: Mapping[str, Payload] | None = None,
) -> UpdateWorkflowExecutionRequest:
    """Build the request that asks for an update.

    Raises:
        InvalidArgumentError: A name is out of its bounds, or the stage cannot be waited for.
        PayloadEncodeError: An argument has no payload form.
    """
    check_name("the update name", name)
    if update_id is not None:
        check_name("the update id", update_id)
    if stage == WorkflowUpdateStage.ADMITTED:
        raise InvalidArgumentError("wait_for_stage is ADMITTED, which cannot be waited for; use ACCEPTED or COMPLETED")
    request = UpdateWorkflowExecutionRequest(
        namespace=context.namespace, workflow_execution=execution, first_execution_run_id=first_execution_run_id
    )
    request.request.meta.update_id = update_id or str(uuid4())
    request.request.meta.identity = context.identity
    request.request.input.name = name
    request.wait_policy.lifecycle_stage = Stage.ValueType(stage)
    if headers:
        write_headers(headers, request.request.input.header)
    if args:
        request.request.input.args.payloads.extend(context.payloads.to_payloads(args))
    return request


async def start_update(
    context: ClientContext,
    execution: WorkflowExecution,
    name: str,
    args: Sequence[Any],
    *,
    update_id: str | None,
    stage: WorkflowUpdateStage,
    first_execution_run_id: str,
    result_type: Any,
    headers: Mapping[str, Payload] | None = None,
) -> WorkflowUpdateHandle[Any]:
    """Ask for an update; see `WorkflowHandle.start_update`."""
    request = update_request(
        context,
        execution,
        name,
        args,
        update_id=update_id,
        stage=stage,
        first_execution_run_id=first_execution_run_id,
        headers=headers,
    )
    return await send_update(context, request, result_type)


async def send_update(
    context: ClientContext, request: UpdateWorkflowExecutionRequest, result_type: Any
) -> WorkflowUpdateHandle[Any]:
    """Ask until the update is accepted or done, and until it is done if that was asked.

    Raises:
        RPCError: The subclass that fits.
    """
    while True:
        answer = await context.calls.send(context.service.update_workflow_execution, request)
        if answer.stage >= Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:
            break
    handle: WorkflowUpdateHandle[Any] = WorkflowUpdateHandle(
        context,
        request.request.meta.update_id,
        request.workflow_execution.workflow_id,
        workflow_run_id=answer.update_ref.workflow_execution.run_id or None,
        result_type=result_type,
        known_outcome=answer.outcome if answer.HasField("outcome") else None,
    )
    if request.wait_policy.lifecycle_stage == Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED:
        await handle.wait_for_outcome()
    return handle
