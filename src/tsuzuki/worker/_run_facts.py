"""What a run knows about itself from its first event: read when somebody asks, and then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes

from tsuzuki.common import TypedSearchAttributes
from tsuzuki.converter import PayloadConverter, decode_typed_search_attributes
from tsuzuki.workflow import Info

from ._run_logs import RunLogs
from ._run_settings import RunSettings
from ._workflow_info import build_info


class RunFacts:
    """The facts of one run.

    Args:
        settings: What all runs of the worker share.
        event: The run's first event.
        workflow_id: Its workflow id.
        run_id: Its run id; not the one in the event, after a reset.
    """

    __slots__ = (
        "_event",
        "_info",
        "_memo",
        "_run_id",
        "_search_attributes",
        "_settings",
        "_workflow_id",
        "first_task_started_ns",
    )

    def __init__(self, settings: RunSettings, event: HistoryEvent, workflow_id: str, run_id: str) -> None:
        self._settings = settings
        self._event = event
        self._workflow_id = workflow_id
        self._run_id = run_id
        self._info: Info | None = None
        self._memo: Mapping[str, Any] | None = None
        self._search_attributes: dict[str, Payload] | None = None
        self.first_task_started_ns = 0  # 0 until the code has run

    @property
    def started(self) -> WorkflowExecutionStartedEventAttributes:
        """What the run was started with."""
        return self._event.workflow_execution_started_event_attributes

    @property
    def info(self) -> Info:
        """Facts about the run."""
        if self._info is None:
            self._info = build_info(
                self._event,
                namespace=self._settings.namespace,
                workflow_id=self._workflow_id,
                run_id=self._run_id,
                task_queue=self._settings.task_queue,
                first_task_started_ns=self.first_task_started_ns,
            )
        return self._info

    @property
    def logs(self) -> RunLogs | None:
        """Where what it logs is kept, besides `logging`."""
        return self._settings.logs

    @property
    def memo(self) -> Mapping[str, Any]:
        """The memo, decoded."""
        if self._memo is None:
            fields = self.info.raw_memo
            self._memo = {key: self._converter.from_payload(fields[key]) for key in fields}
        return self._memo

    def memo_value(self, key: str, default: Any, type_hint: Any) -> Any:
        """One value of the memo."""
        fields = self.info.raw_memo
        if key not in fields:
            return default
        return self._converter.from_payload(fields[key], type_hint)

    def forget_memo(self) -> None:
        """The decoded memo is out of date."""
        self._memo = None

    @property
    def search_attributes(self) -> dict[str, Payload]:
        """The search attributes as they are now, encoded."""
        if self._search_attributes is None:
            self._search_attributes = dict(sorted(self.started.search_attributes.indexed_fields.items()))
        return self._search_attributes

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """The search attributes as they are now."""
        return decode_typed_search_attributes(self.search_attributes)

    @property
    def _converter(self) -> PayloadConverter:
        return self._settings.data_converter.payload_converter
