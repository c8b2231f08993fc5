"""Asking a workflow: one call, whose answer is a value, an error of the query's code, or a rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import QueryRejectCondition as QueryRejectConditionProto
from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest

from ..common import QueryRejectCondition
from ..converter import write_headers
from ._context import ClientContext
from ._errors import RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError
from ._execution import WorkflowExecutionStatus


async def query_workflow(
    context: ClientContext,
    execution: WorkflowExecution,
    name: str,
    args: Sequence[Any],
    *,
    reject_condition: QueryRejectCondition | None,
    result_type: Any,
    headers: Mapping[str, Payload] | None = None,
) -> Any:
    """Send a query and give its answer; a query changes nothing, so it may be sent again.

    Raises:
        WorkflowQueryFailedError: The code knows no such query, or its handler raised.
        WorkflowQueryRejectedError: The run's status meets the condition.
        RPCError: The subclass that fits.
    """
    request = QueryWorkflowRequest(namespace=context.namespace, execution=execution)
    request.query.query_type = name
    if args:
        request.query.query_args.payloads.extend(context.payloads.to_payloads(args))
    if headers:
        write_headers(headers, request.query.header)
    if reject_condition is not None:
        request.query_reject_condition = QueryRejectConditionProto.ValueType(reject_condition)
    try:
        answer = await context.calls.send(context.service.query_workflow, request)
    except RPCError as error:
        if isinstance(error.detail, QueryFailedFailure):
            failed = WorkflowQueryFailedError(error.message)
            if error.detail.HasField("failure"):
                raise failed from context.exception_from(error.detail.failure)
            raise failed from None
        raise
    if answer.HasField("query_rejected"):
        status = answer.query_rejected.status
        raise WorkflowQueryRejectedError(WorkflowExecutionStatus(status) if status else None)
    payloads = answer.query_result.payloads
    return context.payloads.from_payloads(payloads[:1], (result_type,))[0] if payloads else None
