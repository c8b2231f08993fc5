"""The RPCs by which people hold a run, let it go on, and change its options."""

from __future__ import annotations

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    PauseWorkflowExecutionResponse,
    UnpauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionResponse,
    UpdateWorkflowExecutionOptionsRequest,
    UpdateWorkflowExecutionOptionsResponse,
)

from tsuzuki.core import workflow_options, workflow_pause
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import NotFound

from ._engine import Engine
from ._lifecycle import not_found_message
from ._refusals import refusals_as_errors


class WorkflowControl:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def pause(self, request: PauseWorkflowExecutionRequest) -> PauseWorkflowExecutionResponse:
        engine = self._engine
        with refusals_as_errors():
            run = self._find(request.namespace, request.workflow_id, request.run_id)
            with engine.asked_to_change(run):
                workflow_pause.pause(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))
        await engine.durable()
        return PauseWorkflowExecutionResponse()

    async def unpause(self, request: UnpauseWorkflowExecutionRequest) -> UnpauseWorkflowExecutionResponse:
        engine = self._engine
        with refusals_as_errors():
            run = self._find(request.namespace, request.workflow_id, request.run_id)
            with engine.asked_to_change(run):
                workflow_pause.unpause(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))
        await engine.durable()
        return UnpauseWorkflowExecutionResponse()

    async def update_options(
        self, request: UpdateWorkflowExecutionOptionsRequest
    ) -> UpdateWorkflowExecutionOptionsResponse:
        engine, execution = self._engine, request.workflow_execution
        with refusals_as_errors():
            run = self._find(request.namespace, execution.workflow_id, execution.run_id)
            with engine.asked_to_change(run):
                workflow_options.update_options(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))
            answer = UpdateWorkflowExecutionOptionsResponse(workflow_execution_options=workflow_options.options_of(run))
        await engine.durable()
        return answer

    def _find(self, namespace: str, workflow_id: str, run_id: str) -> Execution:
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(namespace)
        check_id("the workflow id", workflow_id, engine.limits)
        run = engine.runs.find(namespace, workflow_id, run_id)
        if run is None:
            raise NotFound(not_found_message(WorkflowExecution(workflow_id=workflow_id, run_id=run_id)))
        return run
