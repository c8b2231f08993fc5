"""A start that asks for a fork: its source is found and read before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from tsuzuki.core import fork
from tsuzuki.core.refusal import NotFound

from ._history_pages import read_from

if TYPE_CHECKING:
    from ._engine import Engine


def planned(engine: Engine, request: StartWorkflowExecutionRequest) -> fork.ForkPlan | None:
    """What the new run is made of, if the start asks for a fork.

    Raises:
        Refusal: The old run is not there, or cannot be forked so.
    """
    if not request.HasField("header") or fork.HEADER not in request.header.fields:
        return None
    execution = fork.source_of(request).workflow_execution
    source = engine.runs.find(request.namespace, execution.workflow_id, execution.run_id)
    if source is None:
        raise NotFound(f"there is no workflow '{execution.workflow_id}', run {execution.run_id}, to fork.")
    history = History.FromString(read_from(engine.store, source, 1))
    return fork.plan(request, history.events, engine.limits_of(request.namespace))
