"""Signalling a workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest

from ..converter import write_headers
from ._context import ClientContext


async def send_signal(
    context: ClientContext,
    execution: WorkflowExecution,
    name: str,
    args: Sequence[Any],
    request_id: str | None,
    headers: Mapping[str, Payload] | None = None,
) -> None:
    """Send a signal, again if need be with the same request id.

    Raises:
        RPCError: The subclass that fits.
    """
    request = SignalWorkflowExecutionRequest(
        namespace=context.namespace,
        workflow_execution=execution,
        signal_name=name,
        input=context.payloads.to_payloads_wrapper(args) if args else None,
        identity=context.identity,
        request_id=request_id or str(uuid4()),
    )
    if headers:
        write_headers(headers, request.header)
    await context.calls.send(context.service.signal_workflow_execution, request)
