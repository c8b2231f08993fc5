"""Asking an engine of this package for a fork: a start with a reserved header, so that it is durable, answered once per
request id, and works through a server too. No other engine knows the header, so it is asked who it is first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetSystemInfoRequest,
    ResetWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from ..service import StatusCode, WorkflowService
from ._context import ClientContext
from ._errors import RPCError
from ._start import send_start
from ._validation import check_name

HEADER: Final = "__tsuzuki_fork"
RESULT_HEADER: Final = "__tsuzuki_fork_result/"
_OURS: Final = "tsuzuki-"


async def send_fork(
    context: ClientContext,
    service: WorkflowService,
    workflow_id: str,
    run_id: str,
    event_id: int,
    *,
    new_id: str,
    results: Mapping[str, Any],
    signals: Sequence[tuple[str, Sequence[Any]]],
    request_id: str | None,
) -> str:
    """Fork a run.

    Args:
        context: Of the client.
        service: The client's, not behind its codec: what is encoded here is not to be encoded again.
        workflow_id: Of the old run.
        run_id: The old run; empty for the current one.
        event_id: Where to fork.
        new_id: Workflow id of the new run.
        results: Of activities, by their ids.
        signals: Names and arguments.
        request_id: Makes it safe to send again.

    Returns:
        The run id of the new run.
    """
    check_name("the workflow id of the fork", new_id)
    about = await context.calls.send(context.service.get_system_info, GetSystemInfoRequest())
    if not about.server_version.startswith(_OURS):
        raise RPCError(
            f"this server (version {about.server_version or 'unknown'}) cannot fork a run: that takes the engine of "
            "this package. A Temporal cluster can reset one, which ends the old run: temporal workflow reset",
            StatusCode.UNIMPLEMENTED,
        )
    describe = DescribeWorkflowExecutionRequest(namespace=context.namespace)
    describe.execution.workflow_id, describe.execution.run_id = workflow_id, run_id
    source = (await context.calls.send(service.describe_workflow_execution, describe)).workflow_execution_info
    request = StartWorkflowExecutionRequest(
        namespace=context.namespace,
        workflow_id=new_id,
        workflow_type=source.type,
        identity=context.identity,
        request_id=request_id or str(uuid4()),
    )
    request.task_queue.name = source.task_queue
    asked = ResetWorkflowExecutionRequest(workflow_execution=source.execution, workflow_task_finish_event_id=event_id)
    for name, args in signals:
        check_name("the signal name", name)
        injected = asked.post_reset_operations.add().signal_workflow
        injected.signal_name = name
        injected.input.payloads.extend(await _encoded(context, args))
    request.header.fields[HEADER].data = asked.SerializeToString()
    for activity_id, result in results.items():
        [payload] = await _encoded(context, [result])
        request.header.fields[RESULT_HEADER + activity_id].CopyFrom(payload)
    return (await send_start(context, request, service)).run_id


async def _encoded(context: ClientContext, values: Sequence[Any]) -> list[Payload]:
    payloads = context.payloads.to_payloads(values)
    codec = context.data_converter.payload_codec
    return list(payloads if codec is None else await codec.encode(payloads))
