"""What one run does to another: start a child, signal, cancel, tell a parent, close children.

Both sides change in the same turn of the event loop, so one commit has both and there is no state in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution

from tsuzuki.core import child_workflow, close, external_workflow, signal, start
from tsuzuki.core.execution import Execution
from tsuzuki.core.external_workflow import SIGNAL_LIMIT, SIGNAL_NOT_FOUND
from tsuzuki.core.id_policy import check_reuse
from tsuzuki.core.outgoing import CancelOther, CloseChild, SignalOther, StartChild, TellParent
from tsuzuki.core.refusal import AlreadyStarted, Refusal

if TYPE_CHECKING:
    from ._engine import Engine


def deliver(engine: Engine, run: Execution) -> None:
    """Carry out everything that transitions of `run` asked of other runs.

    What a run asks for in the workflow task that closes it is dropped, as by the real server: it could not be told
    of the outcome any more.
    """
    while run.outgoing:
        outgoing, run.outgoing = run.outgoing, []
        for each in outgoing:
            if run.is_open or type(each) in _OF_CLOSED_RUNS:
                _DELIVER[type(each)](engine, run, each)


def _start_child(engine: Engine, run: Execution, outgoing: StartChild) -> None:
    asked = outgoing.asked
    existing = engine.runs.find(run.namespace, asked.workflow_id, "")
    try:
        if existing is not None:
            if existing.is_open:
                raise AlreadyStarted("a run of this id is open", existing.run_id, existing.start_request_id)
            check_reuse(existing, asked.workflow_id_reuse_policy)
    except AlreadyStarted:
        child_workflow.child_start_failed(run, outgoing, engine.clock.now_ns())
        return
    request_id = f"{run.run_id}:{outgoing.initiated_event_id}:0"  # as the real server makes it; the last is a version
    child = engine.runs.create(run.namespace, asked.workflow_id, engine.new_id(), request_id)
    with engine.changing(child):
        start.start_child(child, run, outgoing, engine.clock.now_ns(), engine.limits_of(child.namespace))
    child_workflow.child_started(run, outgoing, child.run_id, engine.clock.now_ns())


def _find_other(engine: Engine, run: Execution, execution: WorkflowExecution, child_only: bool) -> Execution | None:
    """The run that is meant; None also if it is `run` itself, or should be a child of it and is not."""
    other = engine.runs.find(run.namespace, execution.workflow_id, execution.run_id)
    if other is None or other is run:
        return None
    if child_only and (other.parent_workflow_id, other.parent_run_id) != (run.workflow_id, run.run_id):
        return None
    return other


def _signal(engine: Engine, run: Execution, outgoing: SignalOther) -> None:
    asked, now_ns = outgoing.asked, engine.clock.now_ns()
    other = _find_other(engine, run, asked.workflow_execution, asked.child_workflow_only)
    if other is None or not other.is_open:
        external_workflow.signal_failed(run, outgoing, SIGNAL_NOT_FOUND, now_ns)
        return
    try:
        with engine.changing(other):
            signal.signal_from(
                other, run, asked, outgoing.initiated_event_id, now_ns, engine.limits_of(other.namespace)
            )
    except Refusal:
        external_workflow.signal_failed(run, outgoing, SIGNAL_LIMIT, now_ns)
        return
    external_workflow.signalled(run, outgoing, now_ns)


def _cancel(engine: Engine, run: Execution, outgoing: CancelOther) -> None:
    asked, now_ns = outgoing.asked, engine.clock.now_ns()
    other = _find_other(engine, run, asked.workflow_execution, asked.child_workflow_only)
    if other is None:
        external_workflow.cancel_failed(run, outgoing, now_ns)
        return
    if other.is_open:
        with engine.changing(other):
            signal.cancel_from(other, run, outgoing.initiated_event_id, asked.reason, now_ns)
    external_workflow.cancel_delivered(run, outgoing, now_ns)


def _tell_parent(engine: Engine, run: Execution, outgoing: TellParent) -> None:
    parent = engine.runs.find(run.namespace, run.parent_workflow_id, run.parent_run_id)
    if parent is not None and not parent.is_open:
        parent = engine.runs.find(run.namespace, run.parent_workflow_id, "")  # it was reset, and goes on as another run
    if parent is None or not parent.is_open:
        return
    with engine.changing(parent):
        child_workflow.child_closed(parent, run, outgoing.event, engine.clock.now_ns())


def _close_child(engine: Engine, run: Execution, outgoing: CloseChild) -> None:
    child = engine.runs.find(run.namespace, outgoing.workflow_id, "")
    if child is None or not child.is_open or child.started.first_execution_run_id != outgoing.run_id:
        return
    with engine.changing(child):
        if outgoing.terminate:
            close.terminate(child, "by parent close policy", None, "history-service", engine.moment(child.namespace))
        else:
            signal.cancel_from(child, run, 0, "", engine.clock.now_ns())


_DELIVER: Final[Mapping[type, Callable[[Engine, Execution, Any], None]]] = {
    StartChild: _start_child,
    SignalOther: _signal,
    CancelOther: _cancel,
    TellParent: _tell_parent,
    CloseChild: _close_child,
}
_OF_CLOSED_RUNS: Final = frozenset({TellParent, CloseChild})
