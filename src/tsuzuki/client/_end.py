"""Ending a workflow from outside, asking it to stop, or holding it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)

from ._context import ClientContext


async def send_cancel(
    context: ClientContext, execution: WorkflowExecution, first_execution_run_id: str | None, reason: str
) -> None:
    """Ask a run to stop; asking again has no effect.

    Raises:
        RPCError: The subclass that fits.
    """
    await context.calls.send(
        context.service.request_cancel_workflow_execution,
        RequestCancelWorkflowExecutionRequest(
            namespace=context.namespace,
            workflow_execution=execution,
            identity=context.identity,
            request_id=str(uuid4()),
            first_execution_run_id=first_execution_run_id or "",
            reason=reason,
        ),
    )


async def send_terminate(
    context: ClientContext,
    execution: WorkflowExecution,
    first_execution_run_id: str | None,
    args: Sequence[Any],
    reason: str | None,
) -> None:
    """End a run at once.

    Raises:
        RPCError: The subclass that fits.
    """
    await context.calls.send_once(
        context.service.terminate_workflow_execution,
        TerminateWorkflowExecutionRequest(
            namespace=context.namespace,
            workflow_execution=execution,
            reason=reason or "",
            details=context.payloads.to_payloads_wrapper(args) if args else None,
            identity=context.identity,
            first_execution_run_id=first_execution_run_id or "",
        ),
    )


async def send_pause(context: ClientContext, execution: WorkflowExecution, reason: str) -> None:
    """Hold a run; sent again, the request has no further effect.

    Raises:
        RPCError: The subclass that fits.
    """
    await context.calls.send(
        context.service.pause_workflow_execution,
        PauseWorkflowExecutionRequest(
            namespace=context.namespace,
            workflow_id=execution.workflow_id,
            run_id=execution.run_id,
            identity=context.identity,
            reason=reason,
            request_id=str(uuid4()),
        ),
    )


async def send_unpause(context: ClientContext, execution: WorkflowExecution, reason: str) -> None:
    """Let a run go on.

    Raises:
        RPCError: The subclass that fits.
    """
    await context.calls.send_once(
        context.service.unpause_workflow_execution,
        UnpauseWorkflowExecutionRequest(
            namespace=context.namespace,
            workflow_id=execution.workflow_id,
            run_id=execution.run_id,
            identity=context.identity,
            reason=reason,
            request_id=str(uuid4()),
        ),
    )
