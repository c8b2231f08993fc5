"""The RPC that resets a run: everything is read and checked first, then the old run ends and the new one begins.

Both are one turn of the event loop and so one commit: after a crash there is the old run as it was, or the new one.
"""

from __future__ import annotations

from collections.abc import Iterator

from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest, ResetWorkflowExecutionResponse

from tsuzuki.core import close, reset
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.outgoing import CloseChild, TellParent
from tsuzuki.core.refusal import InvalidInput, NotFound

from ._engine import Engine
from ._history_pages import read_from
from ._lifecycle import not_found_message
from ._refusals import refusals_as_errors

_CHAIN_MAX = 100
"""Runs that went on from the old one, of which input is applied again."""


class Reset:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def reset(self, request: ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse:
        """Begin a new run of the workflow id from a workflow task of an old one.

        The run that is open ends, whichever it is. What that task's run had started since (children, activities) is
        left to itself. The same request id gives the same run.
        """
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            run_id = reset_run(engine, request)
        await engine.durable()
        return ResetWorkflowExecutionResponse(run_id=run_id)


def reset_run(engine: Engine, request: ResetWorkflowExecutionRequest) -> str:
    """The id of the new run, which is there with the next commit; see `Reset.reset`.

    Raises:
        Refusal: There is no such run, or it cannot be reset to there.
    """
    execution = request.workflow_execution
    check_id("the workflow id", execution.workflow_id, engine.limits)
    base = engine.runs.find(request.namespace, execution.workflow_id, execution.run_id)
    if base is None:
        raise NotFound(not_found_message(execution))
    current = engine.runs.find(request.namespace, execution.workflow_id, "") or base
    if request.request_id and current.start_request_id == request.request_id:
        return current.run_id
    history = _history(engine, base)
    reset.check(request, history)
    taken = history[: request.workflow_task_finish_event_id - 1]
    later = [*history[len(taken) :], *base.buffered]
    reapplied = reset.events_to_reapply(request, taken, later, _of_successors(engine, base, history))
    if current.is_open:
        with engine.changing(current):
            close.terminate(current, request.reason, None, reset.TERMINATED_BY, engine.moment(current.namespace))
            # The new run goes on with its children and for its parent, to whom they are one execution.
            current.outgoing = [each for each in current.outgoing if not isinstance(each, (CloseChild, TellParent))]
    run = engine.runs.create(request.namespace, base.workflow_id, engine.new_id(), request.request_id)
    with engine.changing(run):
        reset.carry_out(run, base.run_id, taken, reapplied, request, engine.moment(run.namespace))
    return run.run_id


def _history(engine: Engine, run: Execution) -> list[HistoryEvent]:
    return list(History.FromString(read_from(engine.store, run, 1)).events)


def _of_successors(engine: Engine, run: Execution, history: list[HistoryEvent]) -> Iterator[HistoryEvent]:
    """The events of the runs that continued this one."""
    for _ in range(_CHAIN_MAX):
        last = history[-1]
        attributes = getattr(last, str(last.WhichOneof("attributes")))
        following = str(getattr(attributes, "new_execution_run_id", ""))
        found = engine.runs.find(run.namespace, run.workflow_id, following) if following else None
        if found is None:
            return
        history = _history(engine, found)
        yield from history
        yield from found.buffered
    raise InvalidInput(f"more than {_CHAIN_MAX} runs went on from run {run.run_id}; reset a later one.")
