"""What is asked of a run that has a `Control`, `Approvals` or a `Budget`: signals, queries and updates by their names.

The names are those of `tsuzuki.agents`, which this package does not load; a test holds them together. Every call is
made for a caller, so that its permissions are those of the RPCs beneath.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RequestCancelWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionResponse,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
    UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
)

from tsuzuki.service import ServiceError, StatusCode

from ._answers import Caller
from ._foreign_json import encoded
from ._payload_json import to_json

PAUSE: Final = "pause"
RESUME: Final = "resume"
CANCEL: Final = "cancel"
ACTIONS: Final = (PAUSE, RESUME, CANCEL)
STATUS: Final = "get_status"
CONTROL_STATE: Final = "get_control_state"
APPROVALS: Final = "list_approvals"
DECIDE: Final = "decide_approval"
BUDGET: Final = "get_budget"
INCREASE: Final = "increase_budget"

RUNS_MAX: Final = 200
"""Open runs that are asked for their approvals, the newest first."""
_OPEN: Final = "(ExecutionStatus = 'Running' OR ExecutionStatus = 'Paused')"
_AT_ONCE: Final = 16
_ANSWER_S_MAX: Final = 5.0
"""How long one of many runs may take to say what it asks."""
_HEARD_S_MAX: Final = 2.0
"""How long a run may take to say that it has heard a signal."""


@dataclass(frozen=True, slots=True)
class AgentRun:
    """Which run is meant.

    Attributes:
        namespace: Its namespace.
        workflow_id: Its workflow id.
        run_id: Its run id; empty for the open run, else the newest.
    """

    namespace: str
    workflow_id: str
    run_id: str = ""

    @property
    def execution(self) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id)


class PausedRun(ServiceError):
    """The code of a run was not asked, for Temporal's own pause holds the run."""

    def __init__(self, run: AgentRun) -> None:
        super().__init__(
            StatusCode.FAILED_PRECONDITION,
            f"workflow '{run.workflow_id}' is paused (as by `tsuzuki workflow pause`): its code does not run and "
            "answers nothing. Unpause the workflow first.",
        )


class AgentCalls:
    """Calls of one run for one caller.

    Each raises `ServiceError`: what its RPC is refused with; FAILED_PRECONDITION when the workflow refuses, and
    `PausedRun`, one of these, when it cannot be asked.

    Args:
        caller: Who asks.
        run: Of which run.
        by: Whom the run is told of.
    """

    def __init__(self, caller: Caller, run: AgentRun, by: str = "") -> None:
        self._caller = caller
        self._run = run
        self._by = by

    async def control_state(self) -> Any:
        """Tell whether the run is paused or cancelled, since when, why, by whom, and what was asked of it."""
        return await self._query(CONTROL_STATE)

    async def control(self, action: str, reason: str = "") -> dict[str, str]:
        """Pause, resume or cancel the run; in its history on return. A cancelled run may clean up.

        Returns:
            Of pause and resume, which only code can act upon: `status`, as the code says; or `note`, why it says none.
        """
        announced = action == CANCEL
        await self._signal(action, {"reason": reason, "by": self._by, "announced": announced})
        if announced:
            request = RequestCancelWorkflowExecutionRequest(
                namespace=self._run.namespace,
                workflow_execution=self._run.execution,
                reason=reason,
                identity=self._by,
                request_id=str(uuid.uuid4()),
            )
            await self._caller.ask(request, RequestCancelWorkflowExecutionResponse)
            return {}
        return await self._heard()

    async def _heard(self) -> dict[str, str]:
        try:
            return {"status": str(await self._query(STATUS, wait_s=_HEARD_S_MAX))}
        except PausedRun:
            return {"note": "Recorded. The workflow is paused; its code acts upon this once it is unpaused."}
        except ServiceError as error:
            if error.status == StatusCode.DEADLINE_EXCEEDED:
                return {"note": "Recorded. No worker has answered yet; the code acts upon this once one is there."}
            if isinstance(error.detail, QueryFailedFailure):
                return {
                    "note": f"Recorded, but nothing in the code answers {STATUS} so far, so it may be that nothing "
                    f"comes of this: {error.message}. A run heeds this if its code enters a Control (tsuzuki.agents)."
                }
            return {"note": f"Recorded. Whether the code heeds this could not be asked: {error.message}"}

    async def approvals(self, *, wait_s: float | None = None) -> list[Any]:
        """Every question with its answer, oldest first."""
        asked = await self._query(APPROVALS, wait_s=wait_s)
        return asked if isinstance(asked, list) else [asked]

    async def decide(self, id: str, *, approved: bool, reason: str = "", edited: Any = None) -> Any:
        """Answer a question; the run refuses one that it did not ask, and one that was decided before."""
        decision = {"id": id, "approved": approved, "by": self._by, "reason": reason, "edited": edited}
        return await self._update(DECIDE, decision)

    async def budget(self) -> Any:
        """Tell which budget the run's calls are booked on, and whether some wait for more of it."""
        return await self._query(BUDGET)

    async def increase_budget(self, *, tokens: int = 0, micros: int = 0, reason: str = "") -> Any:
        """Raise the limits of the run's budget, and give its numbers. Calls that wait for more go on."""
        return await self._update(INCREASE, {"tokens": tokens, "micros": micros, "reason": reason, "by": self._by})

    async def _signal(self, name: str, value: Mapping[str, Any]) -> None:
        request = SignalWorkflowExecutionRequest(
            namespace=self._run.namespace,
            workflow_execution=self._run.execution,
            signal_name=name,
            input=Payloads(payloads=[_payload(value)]),
            identity=self._by,
            request_id=str(uuid.uuid4()),
        )
        await self._caller.ask(request, SignalWorkflowExecutionResponse)

    async def _query(self, name: str, *, wait_s: float | None = None) -> Any:
        request = QueryWorkflowRequest(namespace=self._run.namespace, execution=self._run.execution)
        request.query.query_type = name
        answer = await self._caller.ask(request, QueryWorkflowResponse, wait_s=wait_s)
        if answer.HasField("query_rejected"):
            raise PausedRun(self._run)
        return _value(answer.query_result)

    async def _update(self, name: str, value: Mapping[str, Any]) -> Any:
        request = UpdateWorkflowExecutionRequest(namespace=self._run.namespace, workflow_execution=self._run.execution)
        request.request.meta.update_id, request.request.meta.identity = str(uuid.uuid4()), self._by
        request.request.input.name = name
        request.request.input.args.payloads.append(_payload(value))
        request.wait_policy.lifecycle_stage = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
        answer = await self._caller.ask(request, UpdateWorkflowExecutionResponse)
        if answer.outcome.HasField("failure"):
            raise ServiceError(StatusCode.FAILED_PRECONDITION, answer.outcome.failure.message)
        if not answer.HasField("outcome"):
            raise ServiceError(StatusCode.DEADLINE_EXCEEDED, f"the workflow has not answered {name} yet; look again")
        return _value(answer.outcome.success)


async def pending_approvals(caller: Caller, namespace: str, query: str) -> dict[str, Any]:
    """Ask open runs for their open questions: at most 200 runs, the newest first, each for at most five seconds.

    Args:
        caller: Who asks.
        namespace: Of which namespace.
        query: A list filter that narrows the runs down, such as `WorkflowType = 'Research'`.

    Returns:
        `approvals`, each with its run; `asked`, the number of runs; `unanswered`, the workflow ids of those without
        a worker that answers; `paused`, of those whose code cannot be asked while the workflow is paused; `more`,
        whether there are further open runs.
    """
    narrowed = f"({query}) AND {_OPEN}" if query else _OPEN
    request = ListWorkflowExecutionsRequest(namespace=namespace, query=narrowed, page_size=RUNS_MAX)
    found = await caller.ask(request, ListWorkflowExecutionsResponse)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(info: WorkflowExecutionInfo) -> list[Any] | ServiceError:
        run = AgentRun(namespace, info.execution.workflow_id, info.execution.run_id)
        async with turns:
            try:
                return await AgentCalls(caller, run).approvals(wait_s=_ANSWER_S_MAX)
            except ServiceError as error:
                if error.status in (StatusCode.DEADLINE_EXCEEDED, StatusCode.FAILED_PRECONDITION):
                    return error  # no worker, or none whose code fits, or held
                return []  # closed meanwhile, or a workflow that asks nobody

    answers = list(zip(found.executions, await asyncio.gather(*(ask(info) for info in found.executions)), strict=True))
    silent = [(info.execution.workflow_id, it) for info, it in answers if isinstance(it, ServiceError)]
    return {
        "approvals": [
            {**_named(info), "approval": approval}
            for info, answer in answers
            if isinstance(answer, list)
            for approval in answer
            if isinstance(approval, Mapping) and approval.get("decision") is None
        ],
        "asked": len(answers),
        "unanswered": [id for id, why in silent if not isinstance(why, PausedRun)],
        "paused": [id for id, why in silent if isinstance(why, PausedRun)],
        "more": bool(found.next_page_token),
    }


def _named(info: WorkflowExecutionInfo) -> dict[str, str]:
    return {
        "workflowId": info.execution.workflow_id,
        "runId": info.execution.run_id,
        "workflowType": info.type.name,
    }


def _payload(value: Any) -> Payload:
    data = encoded(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


def _value(payloads: Payloads) -> Any:
    """The JSON that a workflow answered with; one that is encrypted, or no JSON, as its payload is written out."""
    shown = to_json(payloads)
    values = shown if isinstance(shown, list) else shown["payloads"]
    return values[0] if values else None
