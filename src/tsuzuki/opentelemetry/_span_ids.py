"""Ids of spans in workflows that are the same whenever the same step of a run is taken.

A workflow task that fails, or is lost with its worker, is run again, and what it did before is no replay: its spans
are made again. With these ids they are the same spans, which a tracing backend keeps once.
"""

from __future__ import annotations

from contextvars import ContextVar
from hashlib import sha256
from typing import Final

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

_next_ids: Final[ContextVar[tuple[int, int] | None]] = ContextVar("tsuzuki_next_span", default=None)


class WorkflowSpanIds(RandomIdGenerator):
    """For `TracerProvider(id_generator=WorkflowSpanIds())`: random ids, but for spans of workflows."""

    def generate_span_id(self) -> int:
        """The id of the next span."""
        ids = _next_ids.get()
        return super().generate_span_id() if ids is None else ids[1]

    def generate_trace_id(self) -> int:
        """The id of the next trace; only asked for a span without a parent."""
        ids = _next_ids.get()
        return super().generate_trace_id() if ids is None else ids[0]


def set_next_ids(run_id: str, number: int) -> None:
    """Say which span of a run is made next, in this context."""
    _next_ids.set((_hash(run_id, 16), _hash(f"{run_id}/{number}", 8)))


def unset_next_ids() -> None:
    """No span of a run is made next."""
    _next_ids.set(None)


def _hash(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:size], "big") or 1
