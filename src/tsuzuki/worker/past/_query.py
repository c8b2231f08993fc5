"""The reserved query for the state of a run at an event: what it is asked, and its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from temporalio.api.enums.v1 import QueryResultType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult

from tsuzuki.converter import PayloadConverter

from .._workflow_run import WorkflowRun
from ._state import look_at

STATE_QUERY = "__tsuzuki_state"
"""The reserved query that a worker answers with a `RunState`.

Its arguments, both optional: an event id, where 0 stands for the newest event; a list of regular expressions for
names of variables that are not to be shown.
"""


def read_state_query(
    query: WorkflowQuery, converter: PayloadConverter, last_event_id: int
) -> tuple[int, list[re.Pattern[str]]]:
    """Read the arguments of a state query.

    Returns:
        The event id that is meant, and the names to mask.

    Raises:
        ValueError: The event id is not one of the history, or a pattern is no regular expression.
        PayloadDecodeError: An argument is of another type.
    """
    given = query.query_args.payloads
    arguments = converter.from_payloads(given[:2], [int, list[str]][: len(given)])
    event_id = arguments[0] if arguments else 0
    if not 0 <= event_id <= last_event_id:
        raise ValueError(f"there is no event {event_id}: the history has events 1 to {last_event_id}")
    try:
        masks = [re.compile(pattern) for pattern in (arguments[1] if len(arguments) > 1 else ())]
    except re.error as error:
        raise ValueError(f"{error.pattern!r} is no regular expression: {error}") from error
    return event_id or last_event_id, masks


def state_answer(
    run: WorkflowRun, events: Sequence[HistoryEvent], event_id: int, masks: Sequence[re.Pattern[str]]
) -> WorkflowQueryResult:
    """Answer with the state of a run that stands at an event."""
    result = WorkflowQueryResult(result_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED)
    result.answer.payloads.extend(run.payload_converter.to_payloads((look_at(run, events, event_id, masks),)))
    return result
