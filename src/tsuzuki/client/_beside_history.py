"""What the readers of event streams and of logs have in common."""

from __future__ import annotations

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetSystemInfoRequest,
)

from ..common.stream_frames import OURS
from ._context import ClientContext


async def is_ours(context: ClientContext) -> bool:
    """Whether the server is one of this package, which keeps event streams and logs of runs."""
    about = await context.calls.send(context.service.get_system_info, GetSystemInfoRequest())
    return about.server_version.startswith(OURS)


async def run_meant(context: ClientContext, workflow_id: str, run_id: str) -> WorkflowExecution:
    """A run with its id; without one the newest of the workflow id.

    Raises:
        WorkflowNotFoundError: There is none.
    """
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    if not run_id:
        execution.run_id = (await described(context, execution)).workflow_execution_info.execution.run_id
    return execution


async def described(context: ClientContext, execution: WorkflowExecution) -> DescribeWorkflowExecutionResponse:
    """A run as the server describes it; payloads stay as they are."""
    request = DescribeWorkflowExecutionRequest(namespace=context.namespace, execution=execution)
    return await context.calls.send(context.service.describe_workflow_execution, request)
