"""The RPC that deletes a run, with all that is stored of it."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, DeleteWorkflowExecutionResponse

from tsuzuki.core import close
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import NotFound
from tsuzuki.core.workflow_task import ENGINE_IDENTITY

from ._engine import Engine
from ._lifecycle import not_found_message
from ._refusals import refusals_as_errors

_REASON = "the workflow execution is deleted"


class Deletion:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def delete(self, request: DeleteWorkflowExecutionRequest) -> DeleteWorkflowExecutionResponse:
        """An open run is terminated first, so its parent and its children learn of it; both are one commit.

        Other runs of the workflow id stay, but without a run id the id is not found until a new run is started.
        """
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        execution = request.workflow_execution
        with refusals_as_errors():
            check_id("the workflow id", execution.workflow_id, engine.limits)
            run = engine.runs.find(request.namespace, execution.workflow_id, execution.run_id)
            if run is None:
                raise NotFound(not_found_message(execution))
        delete_run(engine, run)
        await engine.durable()
        return DeleteWorkflowExecutionResponse()


def delete_run(engine: Engine, run: Execution) -> None:
    """Delete a run with the next commit; an open one is terminated first."""
    if run.is_open:
        with engine.changing(run):
            close.terminate(run, _REASON, None, ENGINE_IDENTITY, engine.moment(run.namespace))
    engine.runs.delete(run.key)
