"""The state of a recorded run at one of its events, on the code at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tsuzuki.client import WorkflowHistory
from tsuzuki.converter import DataConverter
from tsuzuki.worker import Interceptor
from tsuzuki.worker.past import Rebuilder, RunState, look_at

from ._histories import decoded_events
from ._replayer import NAMESPACE


async def state_at_event(
    history: WorkflowHistory,
    workflows: Sequence[Any],
    event_id: int = 0,
    *,
    masks: Sequence[str] = (),
    data_converter: DataConverter = DataConverter.default,
    interceptors: Sequence[Interceptor] = (),
) -> RunState:
    """Replay a history up to an event and look at what the code waits for there.

    Args:
        history: From a client, or from JSON by `WorkflowHistory.from_json`.
        workflows: The code at hand.
        event_id: The event; 0 for the newest.
        masks: Regular expressions for names of variables, beside the common ones, that are not to be shown.
        data_converter: How the history was encoded.
        interceptors: Of the worker and its client: what they make workflow code do is part of the history.

    Raises:
        NondeterminismError: The code does not fit the history up to there.
        UnknownWorkflowError: The code at hand has no workflow of this type.
        ValueError: There is no such event, or a mask is no regular expression.
    """
    last = len(history.events)
    if not 0 <= event_id <= last:
        raise ValueError(f"there is no event {event_id}: the history has events 1 to {last}")
    try:
        patterns = [re.compile(mask) for mask in masks]
    except re.error as error:
        raise ValueError(f"{error.pattern!r} is no regular expression: {error}") from error
    event_id = event_id or last
    rebuilder = Rebuilder(workflows, namespace=NAMESPACE, data_converter=data_converter, interceptors=interceptors)
    events = await decoded_events(history, data_converter)
    run = rebuilder.rebuild(events, workflow_id=history.workflow_id, run_id=history.run_id, until_event_id=event_id)
    try:
        return look_at(run, events, event_id, patterns)
    finally:
        run.evict()
