"""Histories as text: one line an event, nothing in it that may differ between two runs of one program.

Left out: times, event and server versions, identities, build and SDK metadata, sizes. Replaced: workflow and
run ids, request ids, task queues, stack traces (that one is there counts, not what it says). Kept: everything
else, in the words of the messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType, TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue

LEFT_OUT = frozenset(
    {
        "identity",
        "binary_checksum",
        "sdk_metadata",
        "metering_metadata",
        "worker_version",
        "worker_deployment_name",
        "worker_deployment_version",
        "deployment_version",
        "history_size_bytes",
        "source",  # of a failure: names the SDK
        "inherited_build_id",
        "namespace_id",
        "parent_workflow_namespace_id",
        "prev_auto_reset_points",  # of builds
    }
)
_RESTS = frozenset({"first_workflow_task_backoff", "backoff_start_interval"})
"""Continued runs start a second apart: how much of it was left depends on the machine."""
_BACKOFF = "first_workflow_task_backoff"
"""On a cron schedule it depends on the time of day; `test_cron_schedules` compares these alone."""
_TIMES = frozenset({"complete_time", "original_schedule_time"})
"""Times in the JSON of a local activity's marker."""
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


class Notation:
    """Writes the histories of one scenario; the same id has the same name throughout."""

    def __init__(self, workflow_ids: dict[str, str], queue: str) -> None:
        self._replaced = {**workflow_ids, queue: "<queue>"}
        self._runs: dict[str, str] = {}

    def lines(self, events: Iterable[HistoryEvent]) -> Iterator[str]:
        for event in events:
            kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
            which = event.WhichOneof("attributes")
            assert which is not None
            fields = self._fields(getattr(event, which))
            if event.HasField("user_metadata"):
                fields += f" user_metadata={self._message(event.user_metadata)}"
            if event.worker_may_ignore:
                fields += " worker_may_ignore"
            yield f"{event.event_id:3} {kind} {fields}".rstrip()

    def mask(self, text: str) -> str:
        """Free text with every id replaced."""
        for original, name in self._replaced.items():
            text = text.replace(original, name)
        return _UUID.sub("<id>", text)

    def _fields(self, message: Message) -> str:
        shown = []
        for descriptor, value in message.ListFields():
            name = descriptor.name
            if name in LEFT_OUT:
                continue
            text = self._value(name, value, descriptor)
            if name == _BACKOFF and getattr(message, "cron_schedule", ""):
                text = "<until the next time>"
            if text:
                shown.append(f"{name}={text}")
        return " ".join(sorted(shown))

    def _value(self, name: str, value: Any, descriptor: Any) -> str:
        if name in ("stack_trace", "encoded_attributes"):
            return "<there>"
        if name.endswith("request_id"):
            return "<request>"
        if name.endswith("run_id"):
            return self._runs.setdefault(value, f"<run {len(self._runs) + 1}>")
        if name in _RESTS and isinstance(value, Duration) and timedelta() < value.ToTimedelta() <= timedelta(seconds=1):
            return "<rest of the second>"
        if isinstance(value, Message):
            return self._message(value)
        if isinstance(value, str):
            return self._text(value)
        if descriptor.enum_type is not None and hasattr(value, "append"):
            return "[" + ", ".join(descriptor.enum_type.values_by_number[item].name for item in value) + "]"
        if descriptor.enum_type is not None:
            return str(descriptor.enum_type.values_by_number[value].name)
        if hasattr(value, "items"):
            return "{" + ", ".join(f"{key}: {self._item(item)}" for key, item in sorted(value.items())) + "}"
        if hasattr(value, "append"):
            return "[" + ", ".join(self._item(item) for item in value) + "]"
        return str(value)

    def _item(self, item: Any) -> str:
        return self._message(item) if isinstance(item, Message) else self._text(str(item))

    def _message(self, message: Message) -> str:
        match message:
            case Timestamp():
                return "<time>"
            case Duration():
                return f"{message.ToTimedelta().total_seconds():g}s"
            case Payload():
                return self.mask(_payload(message))
            case Payloads():
                return "[" + ", ".join(self._message(payload) for payload in message.payloads) + "]"
            case TaskQueue(kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY):
                return f"(sticky of {self._text(message.normal_name)})"
            case _:
                inside = self._fields(message)
                return f"({inside})" if inside else ""

    def _text(self, text: str) -> str:
        text = self.mask(text)
        return repr(text) if " " in text or not text else text


def _payload(payload: Payload) -> str:
    encoding = payload.metadata["encoding"].decode()
    extra = {key: value.decode() for key, value in sorted(payload.metadata.items()) if key != "encoding"}
    content = payload.data.decode() if payload.data else ""
    if encoding.startswith("json"):
        value = json.loads(payload.data)
        if isinstance(value, dict):
            value = {key: "<time>" if key in _TIMES and value[key] else value[key] for key in value}
        content = json.dumps(value, sort_keys=True)
    return f"{encoding}:{content}" + (f"{extra}" if extra else "")
