"""Histories as the code at hand needs them: with their payloads decoded."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.history.v1 import History, HistoryEvent

from tsuzuki.client import WorkflowHistory
from tsuzuki.converter import DataConverter
from tsuzuki.service import decoded


async def decoded_events(history: WorkflowHistory, data_converter: DataConverter) -> Sequence[HistoryEvent]:
    """Give the events of a history as workflow code sees them.

    Raises:
        Exception: What the codec raises for a payload that it cannot decode.
    """
    codec = data_converter.payload_codec
    if codec is None:
        return history.events
    return (await decoded(codec, History(events=history.events))).events
