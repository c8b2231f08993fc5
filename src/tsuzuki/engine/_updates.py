"""The RPCs of updates: ask, wait for acceptance or outcome, ask for either later.

An update waits in memory until the run's code has accepted it; a client whose engine died before that hears
UNAVAILABLE and asks again with the same id. What is told of acceptance and outcome is on disk.
"""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.update.v1 import Outcome
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowExecutionUpdateResponse,
    UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
)

from tsuzuki.core import update
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import NotFound, WrongState
from tsuzuki.core.signal import closed_message
from tsuzuki.core.times import SECOND
from tsuzuki.core.update import Update, UpdateState
from tsuzuki.service import ServiceError, StatusCode

from ._engine import Engine
from ._history_pages import read_from
from ._lifecycle import check_first_run, not_found_message
from ._news import tell_news, wait_for_news
from ._refusals import refusals_as_errors

LONG_POLL_NS: Final = 20 * SECOND
"""How long a client waits for one answer; it asks again after that."""

Stage = UpdateWorkflowExecutionLifecycleStage
_ADMITTED: Final = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED
_ACCEPTED: Final = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
_COMPLETED: Final = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
_UPDATE_COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
_UPDATE_ACCEPTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED


class Updates:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ---- asked -------------------------------------------------------------------------------------

    async def update(
        self, request: UpdateWorkflowExecutionRequest, *, wait_ns: int = LONG_POLL_NS
    ) -> UpdateWorkflowExecutionResponse:
        self._engine.check_writable()
        self._engine.check_namespace(request.namespace)
        with refusals_as_errors():
            check_id("the workflow id", request.workflow_execution.workflow_id, self._engine.limits)
            update.check_update(request.request, self._engine.limits_of(request.namespace))
            run = self._find(request.namespace, request.workflow_execution)
            check_first_run(run, request.first_execution_run_id)
            known = self.known_or_admitted(run, request)
        return await self.answer(run, known, request, wait_ns)

    def known_or_admitted(self, run: Execution, request: UpdateWorkflowExecutionRequest) -> Update:
        """The update of this id, which may have been asked before.

        Raises:
            Refusal: It is not known, and the run takes no more.
        """
        known, now_ns = self._known(run, request.request.meta.update_id), self._engine.clock.now_ns()
        if known is None:
            with self._engine.asked_to_change(run):
                known = update.admit(run, request.request, now_ns, self._engine.limits_of(run.namespace))
        elif known.state == UpdateState.ADMITTED:
            with self._engine.changing(run):  # of one from a reset, code may have had its say before a restart
                update.ask_for_task(run, now_ns)
        return known

    async def answer(
        self, run: Execution, known: Update, request: UpdateWorkflowExecutionRequest, wait_ns: int
    ) -> UpdateWorkflowExecutionResponse:
        """Wait as long as asked, and word the answer."""
        stage, outcome = await self._wait(run, known, request.wait_policy.lifecycle_stage, wait_ns)
        response = UpdateWorkflowExecutionResponse(stage=stage, outcome=outcome)
        ref = response.update_ref
        ref.update_id = known.update_id
        ref.workflow_execution.workflow_id = run.workflow_id
        ref.workflow_execution.run_id = run.run_id
        return response

    async def poll(
        self, request: PollWorkflowExecutionUpdateRequest, *, wait_ns: int = LONG_POLL_NS
    ) -> PollWorkflowExecutionUpdateResponse:
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        ref = request.update_ref
        with refusals_as_errors():
            check_id("the workflow id", ref.workflow_execution.workflow_id, engine.limits)
            check_id("the update id", ref.update_id, engine.limits)
            run = self._find(request.namespace, ref.workflow_execution)
            known = self._known(run, ref.update_id)
            if known is None:
                raise NotFound(
                    f"run {run.run_id} of workflow '{run.workflow_id}' knows no update '{ref.update_id}': it was "
                    "never asked, was rejected, or was not accepted before the engine started anew."
                )
        stage, outcome = await self._wait(run, known, request.wait_policy.lifecycle_stage, wait_ns)
        response = PollWorkflowExecutionUpdateResponse(stage=stage, outcome=outcome)
        response.update_ref.CopyFrom(ref)
        response.update_ref.workflow_execution.run_id = run.run_id
        return response

    def _find(self, namespace: str, execution: WorkflowExecution) -> Execution:
        run = self._engine.runs.find(namespace, execution.workflow_id, execution.run_id)
        if run is None:
            raise NotFound(not_found_message(execution))
        return run

    def _known(self, run: Execution, update_id: str) -> Update | None:
        """An update by its id; that of a closed run is looked up in its history."""
        known = run.updates.get(update_id)
        if known is not None or run.is_open:
            return known
        for event in self._events(run, 1, run.next_event_id - 1):
            if event.event_type == _UPDATE_ACCEPTED:
                if event.workflow_execution_update_accepted_event_attributes.protocol_instance_id == update_id:
                    known = Update(update_id, UpdateState.ACCEPTED, accepted_event_id=event.event_id)
            elif event.event_type == _UPDATE_COMPLETED and known is not None:
                completed = event.workflow_execution_update_completed_event_attributes
                if completed.meta.update_id == update_id:
                    known.state, known.completed_event_id = UpdateState.COMPLETED, event.event_id
        return known

    # ---- waiting -----------------------------------------------------------------------------------

    async def _wait(
        self, run: Execution, known: Update, stage: Stage.ValueType, wait_ns: int
    ) -> tuple[Stage.ValueType, Outcome | None]:
        """Wait for a stage, for a bounded time. Gives the stage that was reached, and the outcome if there is one."""
        engine = self._engine
        deadline_ns = engine.clock.now_ns() + wait_ns
        while not _has_reached(run, known, stage) and engine.clock.now_ns() < deadline_ns:
            await wait_for_news(engine, run, deadline_ns)
            engine.check_writable()
            if not run.is_open:
                break
            again = engine.runs.get(run.key)
            if again is not run and again is not None:  # the engine has started over from the store
                found = self._known(again, known.update_id)
                if found is None:
                    raise ServiceError(
                        StatusCode.UNAVAILABLE,
                        f"update '{known.update_id}' was not accepted before the engine started anew; send it again.",
                    )
                run, known = again, found
        await engine.durable_if_writable()
        told_event_id = known.completed_event_id or known.accepted_event_id if run.is_open else run.next_event_id - 1
        if told_event_id > run.durable_event_id:
            raise ServiceError(StatusCode.UNAVAILABLE, "the engine started anew; send the update again.")
        return self._state(run, known)

    def workflow_task_ended(self, run: Execution) -> None:
        """Some updates may be rejected, which no event tells."""
        if run.waiters and run.is_open:
            tell_news(run)

    def _state(self, run: Execution, known: Update) -> tuple[Stage.ValueType, Outcome | None]:
        match known.state:
            case UpdateState.COMPLETED:
                [event] = self._events(run, known.completed_event_id, known.completed_event_id)
                return _COMPLETED, event.workflow_execution_update_completed_event_attributes.outcome
            case UpdateState.GIVEN_UP:
                with refusals_as_errors():
                    raise WrongState(update.PAUSED_MESSAGE)
            case UpdateState.REJECTED:
                return _COMPLETED, Outcome(failure=known.rejection)
            case UpdateState.ACCEPTED if run.is_open:
                return _ACCEPTED, None
            case UpdateState.ACCEPTED:
                return _COMPLETED, Outcome(failure=update.outcome_of_unfinished())
            case _ if run.is_open:
                return _ADMITTED, None
            case _:
                with refusals_as_errors():
                    raise NotFound(closed_message(run))

    def _events(self, run: Execution, first: int, last: int) -> list[HistoryEvent]:
        frames = read_from(self._engine.store, run, first)
        return [event for event in History.FromString(frames).events if event.event_id <= last]


def _has_reached(run: Execution, known: Update, stage: Stage.ValueType) -> bool:
    if not run.is_open or known.state >= UpdateState.COMPLETED:
        return True
    if known.state == UpdateState.ACCEPTED:
        return stage <= _ACCEPTED
    return stage <= _ADMITTED
