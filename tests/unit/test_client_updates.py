"""Updates as the client sends them: asked until accepted, waited for until done."""

from __future__ import annotations

from typing import Any

import pytest
from answering_service import AnsweringService
from temporalio.api.update.v1 import Outcome
from temporalio.api.workflowservice.v1 import (
    ExecuteMultiOperationResponse,
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowExecutionUpdateResponse,
    UpdateWorkflowExecutionResponse,
)

from tsuzuki import workflow
from tsuzuki.client import (
    Client,
    InvalidArgumentError,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.converter import DataConverter
from tsuzuki.exceptions import ApplicationError

CONVERTER = DataConverter.default.payload_converter


@workflow.defn
class Account:
    @workflow.run
    async def run(self) -> None: ...

    @workflow.update(name="add up")
    async def add(self, amounts: tuple[int, ...]) -> tuple[int, ...]:
        return amounts


def success(value: object) -> Outcome:
    outcome = Outcome()
    outcome.success.payloads.extend(CONVERTER.to_payloads([value]))
    return outcome


def updated(stage: int, outcome: Outcome | None = None) -> UpdateWorkflowExecutionResponse:
    response = UpdateWorkflowExecutionResponse(stage=stage, outcome=outcome)  # type: ignore[arg-type]
    response.update_ref.workflow_execution.run_id = "r"
    return response


def client_and(*answers: Any) -> tuple[Client, AnsweringService]:
    service = AnsweringService(*answers)
    return Client(service.service, identity="me"), service


async def test_it_is_sent_until_accepted_and_waited_for_until_done() -> None:
    client, service = client_and(
        updated(1),
        updated(2),
        PollWorkflowExecutionUpdateResponse(stage=2),
        PollWorkflowExecutionUpdateResponse(stage=3, outcome=success([1, 2])),
    )
    result = await client.get_workflow_handle("w").execute_update(Account.add, (1, 2))  # type: ignore[arg-type]
    assert result == (1, 2)
    first, second, third, fourth = service.requests
    assert first == second
    assert first.request.meta.update_id
    assert first.request.meta.identity == "me"
    assert first.request.input.name == "add up"
    assert first.wait_policy.lifecycle_stage == 3
    assert isinstance(third, PollWorkflowExecutionUpdateRequest)
    assert third == fourth
    assert third.update_ref.update_id == first.request.meta.update_id
    assert third.update_ref.workflow_execution.run_id == "r"


async def test_accepted_is_enough_for_a_handle() -> None:
    client, service = client_and(updated(2), PollWorkflowExecutionUpdateResponse(stage=3, outcome=success("yes")))
    handle = client.get_workflow_handle("w")
    update = await handle.start_update("change", wait_for_stage=WorkflowUpdateStage.ACCEPTED, id="u")
    assert (update.id, update.workflow_id, update.workflow_run_id) == ("u", "w", "r")
    assert len(service.requests) == 1
    assert await update.result() == "yes"
    assert await update.result() == "yes"
    assert len(service.requests) == 2


async def test_a_failed_update_has_its_cause() -> None:
    outcome = Outcome()
    outcome.failure.message = "no"
    outcome.failure.application_failure_info.type = "Refused"
    client, _ = client_and(updated(3, outcome))
    with pytest.raises(WorkflowUpdateFailedError, match="no") as caught:
        await client.get_workflow_handle("w").execute_update("change", 1)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "Refused"


async def test_a_handle_by_id_costs_no_call() -> None:
    client, service = client_and(PollWorkflowExecutionUpdateResponse(stage=3, outcome=success([3])))
    update = client.get_workflow_handle("w", run_id="r").get_update_handle_for(Account.add, "u")
    assert not service.requests
    assert await update.result() == (3,)


async def test_update_with_start_gives_both_handles() -> None:
    answer = ExecuteMultiOperationResponse()
    answer.responses.add().start_workflow.run_id = "r"
    answer.responses.add().update_workflow.CopyFrom(updated(3, success([1])))
    client, service = client_and(answer)
    operation: WithStartWorkflowOperation[Account, None] = WithStartWorkflowOperation(
        Account.run, id="w", task_queue="q", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    result = await client.execute_update_with_start_workflow(Account.add, (1,), start_workflow_operation=operation)
    assert result == (1,)
    assert (await operation.workflow_handle()).result_run_id == "r"
    start, update = service.requests[0].operations
    assert start.start_workflow.workflow_id == update.update_workflow.workflow_execution.workflow_id == "w"
    with pytest.raises(InvalidArgumentError, match="was used before"):
        await client.execute_update_with_start_workflow(Account.add, (1,), start_workflow_operation=operation)


async def test_what_is_refused_before_it_is_sent() -> None:
    client, _ = client_and()
    handle = client.get_workflow_handle("w")
    with pytest.raises(InvalidArgumentError, match="ADMITTED, which cannot be waited for"):
        await handle.start_update("change", wait_for_stage=WorkflowUpdateStage.ADMITTED)
    with pytest.raises(TypeError, match=r"Account.run is no update handler"):
        await handle.execute_update(Account.run)  # type: ignore[call-overload]
    with pytest.raises(InvalidArgumentError, match="id_conflict_policy is missing"):
        WithStartWorkflowOperation("W", id="w", task_queue="q")
