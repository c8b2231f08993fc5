"""Payloads and failures as a person reads them: short, in one line, or whole and indented."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from .._foreign_json import encoded

PREVIEW_CHARACTERS: Final = 200
WHOLE_CHARACTERS_MAX: Final = 200_000
_CAUSES_MAX: Final = 20
_KINDS: Final = {
    "timeout_failure_info": "Timeout",
    "canceled_failure_info": "Cancelled",
    "terminated_failure_info": "Terminated",
    "server_failure_info": "Server",
    "reset_workflow_failure_info": "Reset",
    "activity_failure_info": "Activity",
    "child_workflow_execution_failure_info": "Child workflow",
    "nexus_operation_execution_failure_info": "Nexus operation",
    "nexus_handler_failure_info": "Nexus handler",
}


def preview(payloads: Iterable[Payload]) -> str:
    """Payloads in one line of at most `PREVIEW_CHARACTERS`."""
    shown: list[str] = []
    for payload in payloads:
        shown.append(_short(payload))
        if sum(map(len, shown)) > PREVIEW_CHARACTERS:
            break
    text = ", ".join(shown)
    return text if len(text) <= PREVIEW_CHARACTERS else text[: PREVIEW_CHARACTERS - 1] + "…"


def _short(payload: Payload) -> str:
    if _is_text(payload):
        return payload.data[: PREVIEW_CHARACTERS * 4].decode("utf-8", "replace")[: PREVIEW_CHARACTERS + 1]
    return _opaque(payload)


def _is_text(payload: Payload) -> bool:
    return payload.metadata.get("encoding", b"").startswith(b"json/")


def _opaque(payload: Payload) -> str:
    encoding = payload.metadata.get("encoding", b"").decode("utf-8", "replace")
    return "null" if encoding == "binary/null" else f"({encoding or 'no encoding'}, {len(payload.data):,} bytes)"


def whole(payloads: Iterable[Payload]) -> str:
    """Payloads indented, one below the other, at most `WHOLE_CHARACTERS_MAX`."""
    text = "\n".join(map(_indented, payloads))
    if len(text) <= WHOLE_CHARACTERS_MAX:
        return text
    return text[:WHOLE_CHARACTERS_MAX] + f"\n… {len(text) - WHOLE_CHARACTERS_MAX:,} more characters: see the download"


def _indented(payload: Payload) -> str:
    if not _is_text(payload):
        return _opaque(payload)
    try:
        return encoded(json.dumps(json.loads(payload.data), indent=2, ensure_ascii=False)).decode()
    except (ValueError, RecursionError):
        return payload.data.decode("utf-8", "replace")


def failure_line(failure: Failure) -> str:
    """A failure in one line, with what is at the bottom of it."""
    line = f"{failure_kind(failure)}: {failure.message}" if failure.message else failure_kind(failure)
    last = failure
    for _ in range(_CAUSES_MAX):
        if not last.HasField("cause"):
            break
        last = last.cause
    if last is not failure:
        line += f" ← {failure_kind(last)}: {last.message}"
    return line if len(line) <= PREVIEW_CHARACTERS * 2 else line[: PREVIEW_CHARACTERS * 2 - 1] + "…"


def failure_kind(failure: Failure) -> str:
    """The class of what was raised, or what kind of failure it is."""
    info = failure.WhichOneof("failure_info")
    if info == "application_failure_info":
        return failure.application_failure_info.type or "Error"
    return _KINDS.get(info or "", "Failure")


def failure_text(failure: Failure) -> str:
    """A failure with its stack and its causes."""
    parts: list[str] = []
    current = failure
    for _ in range(_CAUSES_MAX):
        parts.append(f"{failure_kind(current)}: {current.message}\n{current.stack_trace}".rstrip())
        if not current.HasField("cause"):
            break
        current = current.cause
    return "\n\ncaused by\n\n".join(parts)[:WHOLE_CHARACTERS_MAX]
