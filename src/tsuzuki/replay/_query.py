"""A query of a recorded run, answered by the code at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from temporalio.api.enums.v1 import EventType, QueryResultType
from temporalio.api.query.v1 import WorkflowQuery

from tsuzuki.client import WorkflowHistory, WorkflowQueryFailedError
from tsuzuki.converter import DataConverter
from tsuzuki.worker import Interceptor
from tsuzuki.worker.past import Rebuilder, answer

from ._histories import decoded_events
from ._replayer import NAMESPACE

_TASK_COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


async def query_history(
    history: WorkflowHistory,
    workflows: Sequence[Any],
    query: str,
    args: Sequence[Any] = (),
    *,
    data_converter: DataConverter = DataConverter.default,
    interceptors: Sequence[Interceptor] = (),
    result_type: Any = None,
) -> Any:
    """Replay a history and ask the run, as it was after its last workflow task, a query.

    Args:
        history: From a client, or from JSON by `WorkflowHistory.from_json`.
        workflows: The code at hand.
        query: Its name; `__stack_trace` for where the code waits.
        args: Its arguments.
        data_converter: How the history was encoded.
        interceptors: Of the worker and its client: what they make workflow code do is part of the history.
        result_type: What the answer is; None for plain values.

    Raises:
        WorkflowQueryFailedError: There is no such query, or its handler raised.
        NondeterminismError: The code does not fit the history.
        UnknownWorkflowError: The code at hand has no workflow of this type.
    """
    rebuilder = Rebuilder(workflows, namespace=NAMESPACE, data_converter=data_converter, interceptors=interceptors)
    events = await decoded_events(history, data_converter)
    request = WorkflowQuery(query_type=query)
    request.query_args.payloads.extend(data_converter.payload_converter.to_payloads(args))
    run = rebuilder.rebuild(events, workflow_id=history.workflow_id, run_id=history.run_id)
    try:
        if not any(event.event_type == _TASK_COMPLETED for event in events):
            raise WorkflowQueryFailedError("no workflow task of this run has completed: its code has not run yet")
        result = answer(run, request)
    finally:
        run.evict()
    if result.result_type != QueryResultType.QUERY_RESULT_TYPE_ANSWERED:
        raise WorkflowQueryFailedError(result.error_message)
    payloads = result.answer.payloads
    return data_converter.payload_converter.from_payload(payloads[0], result_type) if payloads else None
