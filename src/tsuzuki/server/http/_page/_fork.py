"""A fork from the page: a new run that goes on from an event of this one, with another result or a signal.

What is asked of the engine is the same as from the client: a start with reserved headers.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

from tsuzuki.core.fork import HEADER, RESULT_HEADER
from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from .._foreign_json import encoded
from ._run import Run, describe


async def fork(caller: Caller, run: Run, asked: Mapping[str, Any]) -> Run:
    """Start the new run.

    Args:
        caller: Who asks.
        run: The old run, which is not touched.
        asked: `event`; `workflowId` of the new run; `results`, by activity id; `signals`, each with `name` and `input`.

    Raises:
        ServiceError: It makes no sense, or the run cannot be forked there; the message says why.
    """
    info = (await describe(caller, run)).workflow_execution_info
    source = ResetWorkflowExecutionRequest(workflow_execution=info.execution)
    request = StartWorkflowExecutionRequest(
        namespace=run.namespace, workflow_type=info.type, request_id=str(uuid.uuid4()), identity="the web page"
    )
    request.task_queue.name = info.task_queue
    try:
        source.workflow_task_finish_event_id = int(asked["event"])
        request.workflow_id = str(asked["workflowId"])
        for signal in asked.get("signals", ()):
            injected = source.post_reset_operations.add().signal_workflow
            injected.signal_name = str(signal["name"])
            injected.input.payloads.extend(map(_payload, signal.get("input", ())))
        for activity_id, result in asked.get("results", {}).items():
            request.header.fields[RESULT_HEADER + activity_id].CopyFrom(_payload(result))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"this is no request for a fork: {error!r}") from None
    request.header.fields[HEADER].data = source.SerializeToString()
    made = await caller.ask(request, StartWorkflowExecutionResponse)
    return Run(run.namespace, request.workflow_id, made.run_id)


def _payload(value: Any) -> Payload:
    data = encoded(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    return Payload(metadata={"encoding": b"json/plain"}, data=data)
