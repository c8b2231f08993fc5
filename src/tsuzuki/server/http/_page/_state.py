"""Where the code of a run stood at an event: asked of a worker, which rebuilds the run up to there.

The worker has the code; this server need not, and neither need the run be open.
"""

from __future__ import annotations

from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse

from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from .._foreign_json import read_json
from ._run import Run

STATE_QUERY: Final = "__tsuzuki_state"
"""The reserved query of Tsuzuki's workers; its argument is the event."""
WAIT_S: Final = 10.0
_UNSERVED: Final = frozenset({StatusCode.DEADLINE_EXCEEDED, StatusCode.FAILED_PRECONDITION, StatusCode.UNAVAILABLE})


async def state_at(caller: Caller, run: Run, event_id: int, task_queue: str) -> Any:
    """The state at an event as the worker gives it, see `tsuzuki.worker.past.RunState`.

    Raises:
        ServiceError: No worker with the code answers, or its code does not fit the history.
    """
    asked = QueryWorkflowRequest(namespace=run.namespace, execution=run.execution)
    asked.query.query_type = STATE_QUERY
    argument = Payload(metadata={"encoding": b"json/plain"}, data=str(event_id).encode())
    asked.query.query_args.payloads.append(argument)
    try:
        answer = await caller.ask(asked, QueryWorkflowResponse, wait_s=WAIT_S)
    except ServiceError as error:
        if error.status not in _UNSERVED:
            raise
        message = (
            f"No worker answers for it. Start one that has this workflow on the task queue '{task_queue}': it rebuilds "
            f"the run from its history, also when the run is closed. ({error.message})"
        )
        raise ServiceError(error.status, message) from None
    if not answer.query_result.payloads:
        raise ServiceError(StatusCode.UNIMPLEMENTED, "The worker is none of Tsuzuki's; it cannot show past states.")
    try:
        return read_json(answer.query_result.payloads[0].data)
    except ValueError as error:
        raise ServiceError(StatusCode.FAILED_PRECONDITION, f"The worker's answer cannot be shown: {error}.") from None
