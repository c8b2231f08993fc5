"""The RPCs by which clients start runs and act on them: start, signal, cancel, terminate."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RequestCancelWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionResponse,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
    TerminateWorkflowExecutionRequest,
    TerminateWorkflowExecutionResponse,
)

from tsuzuki.core import close, fork, signal, start
from tsuzuki.core.execution import Execution
from tsuzuki.core.id_policy import check_reuse
from tsuzuki.core.limits import check_id
from tsuzuki.core.links import check_links
from tsuzuki.core.refusal import AlreadyStarted, InvalidInput, NotFound, Refusal
from tsuzuki.core.workflow_options import attach_start
from tsuzuki.core.workflow_task import ENGINE_IDENTITY

from ._answers import refer_to_attached, signal_answer, start_answer
from ._engine import Engine
from ._fork import planned
from ._matching import Poll
from ._refusals import refusals_as_errors, service_error

_REJECT_DUPLICATE: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
_TERMINATE_IF_RUNNING: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
_TERMINATE_EXISTING: Final = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING


class Lifecycle:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ---- start -------------------------------------------------------------------------------------

    async def start(self, request: StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse:
        engine = self._engine
        engine.check_writable()
        engine.namespaces.check_start(request.namespace)
        try:
            start.check_request(
                request,
                engine.limits_of(request.namespace),
                engine.clock.now_ns(),
                engine.search_attributes.kinds(request.namespace),
            )
            _check_policies(request)
            plan = planned(engine, request)
            existing = engine.runs.find(request.namespace, request.workflow_id, "")
            answer = None if existing is None else self._meet_existing(existing, request)
        except Refusal as refusal:
            raise service_error(refusal) from None
        if answer is None:
            run = engine.runs.create(request.namespace, request.workflow_id, engine.new_id(), request.request_id)
            with engine.asked_to_change(run):
                if plan is None:
                    eager = request.request_eager_execution
                    start.start(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace), eager=eager)
                else:
                    fork.carry_out(run, plan, engine.moment(run.namespace), request.identity)
            answer = start_answer(run, started=True)
            if run.started.eager_execution_accepted and plan is None:
                answer.eager_workflow_task.CopyFrom(await self._first_task(run, request.identity))
        await engine.durable()
        return answer

    async def _first_task(self, run: Execution, identity: str) -> PollWorkflowTaskQueueResponse:
        """The first workflow task, for a worker beside the client that started the run; once it is on disk."""
        future: asyncio.Future[object] = self._engine.loop.create_future()
        self._engine.ready_tasks.hand_workflow_task(run, Poll(future, identity, False, PollWorkflowTaskQueueResponse()))
        return cast("PollWorkflowTaskQueueResponse", await future)

    def existing_for(self, request: StartWorkflowExecutionRequest) -> Execution | None:
        """The run that a start which goes on to something else is to go on with; None to make a new one.

        Raises:
            Refusal: The request is malformed, or the id policies forbid a new run.
        """
        engine = self._engine
        kinds = engine.search_attributes.kinds(request.namespace)
        start.check_request(request, engine.limits_of(request.namespace), engine.clock.now_ns(), kinds)
        _check_policies(request)
        existing = self._engine.runs.find(request.namespace, request.workflow_id, "")
        if existing is None or self._meet_existing(existing, request) is None:
            return None
        return existing

    def _meet_existing(
        self, existing: Execution, request: StartWorkflowExecutionRequest
    ) -> StartWorkflowExecutionResponse | None:
        """Apply the id policies: an answer without a new run, or None to start one.

        Raises:
            AlreadyStarted: The policies forbid a new run.
        """
        if request.request_id and existing.start_request_id == request.request_id:
            return start_answer(existing, started=True)
        if existing.is_open:
            return self._meet_open(existing, request)
        check_reuse(existing, request.workflow_id_reuse_policy)
        return None

    def _meet_open(
        self, existing: Execution, request: StartWorkflowExecutionRequest
    ) -> StartWorkflowExecutionResponse | None:
        conflict = request.workflow_id_conflict_policy
        if conflict == WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
            return self._use(existing, request)
        if conflict == _TERMINATE_EXISTING or request.workflow_id_reuse_policy == _TERMINATE_IF_RUNNING:
            with self._engine.asked_to_change(existing):
                close.terminate(
                    existing,
                    "a new run was started under TERMINATE_EXISTING",
                    None,
                    ENGINE_IDENTITY,
                    self._engine.moment(existing.namespace),
                )
            return None
        raise AlreadyStarted(
            f"workflow '{request.workflow_id}' is already running, as run {existing.run_id}. Use another id, wait for "
            "it, or choose a conflict policy (USE_EXISTING, TERMINATE_EXISTING).",
            existing.run_id,
            existing.start_request_id,
        )

    def _use(self, existing: Execution, request: StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse:
        """The start meets an open run and goes on with it; the run may be told of that."""
        answer = start_answer(existing, started=False)
        if not request.HasField("on_conflict_options"):
            return answer
        request_id = request.request_id if request.on_conflict_options.attach_request_id else ""
        if not self.answered_before(existing, request_id):
            now_ns = self._engine.clock.now_ns()
            with self._engine.asked_to_change(existing):
                attach_start(existing, request, now_ns, self._engine.limits_of(existing.namespace))
        if request_id:
            refer_to_attached(answer, request_id)
        return answer

    # ---- acting on a run ---------------------------------------------------------------------------

    def _find(self, namespace: str, execution: WorkflowExecution) -> Execution:
        self._engine.check_writable()
        self._engine.check_namespace(namespace)
        check_id("the workflow id", execution.workflow_id, self._engine.limits)
        run = self._engine.runs.find(namespace, execution.workflow_id, execution.run_id)
        if run is None:
            raise NotFound(not_found_message(execution))
        return run

    def answered_before(self, run: Execution, request_id: str) -> bool:
        return bool(request_id) and (
            request_id in run.request_ids or self._engine.store.has_request_id(run.key, request_id)
        )

    async def signal(self, request: SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse:
        with refusals_as_errors():
            run = self._find(request.namespace, request.workflow_execution)
            if not self.answered_before(run, request.request_id):
                with self._engine.asked_to_change(run):
                    signal.signal(run, request, self._engine.clock.now_ns(), self._engine.limits_of(run.namespace))
        await self._engine.durable()
        return signal_answer(run, request.request_id)

    async def request_cancel(
        self, request: RequestCancelWorkflowExecutionRequest
    ) -> RequestCancelWorkflowExecutionResponse:
        with refusals_as_errors():
            run = self._find(request.namespace, request.workflow_execution)
            check_first_run(run, request.first_execution_run_id)
            if not self.answered_before(run, request.request_id):
                with self._engine.asked_to_change(run):
                    signal.request_cancel(
                        run, request, self._engine.clock.now_ns(), self._engine.limits_of(run.namespace)
                    )
        await self._engine.durable()
        return RequestCancelWorkflowExecutionResponse()

    async def terminate(self, request: TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse:
        with refusals_as_errors():
            run = self._find(request.namespace, request.workflow_execution)
            check_first_run(run, request.first_execution_run_id)
            if not run.is_open:
                raise NotFound(signal.closed_message(run))
            check_links(request.links)
            details = request.details if request.HasField("details") else None
            with self._engine.asked_to_change(run):
                moment = self._engine.moment(run.namespace)
                close.terminate(run, request.reason, details, request.identity, moment, request.links)
        await self._engine.durable()
        return TerminateWorkflowExecutionResponse()


def _check_policies(request: StartWorkflowExecutionRequest) -> None:
    reuse, conflict = request.workflow_id_reuse_policy, request.workflow_id_conflict_policy
    if reuse == _TERMINATE_IF_RUNNING and conflict:
        raise InvalidInput(
            "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be combined with a conflict policy; use "
            "the conflict policy TERMINATE_EXISTING alone."
        )
    if reuse == _REJECT_DUPLICATE and conflict == _TERMINATE_EXISTING:
        raise InvalidInput(
            "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be combined with the conflict policy TERMINATE_EXISTING: "
            "the one forbids the new run for which the other would end the old one."
        )


def check_first_run(run: Execution, first_execution_run_id: str) -> None:
    if first_execution_run_id and run.started.first_execution_run_id != first_execution_run_id:
        raise NotFound(
            f"the current run {run.run_id} of workflow '{run.workflow_id}' does not belong to the chain that began "
            f"with run {first_execution_run_id}."
        )


def not_found_message(execution: WorkflowExecution) -> str:
    run = f", run {execution.run_id}" if execution.run_id else ""
    return f"there is no workflow '{execution.workflow_id}'{run} in this store."
