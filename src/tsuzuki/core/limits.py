"""The limits of an engine, and their messages. The numbers are Temporal's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .refusal import InvalidInput
from .times import SECOND

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one execution may hold. Sizes in bytes, times in nanoseconds."""

    payload_bytes_max: int = 2 * MIB
    memo_bytes_max: int = 2 * MIB
    id_characters_max: int = 1000
    search_attributes_max: int = 100
    search_attribute_bytes_max: int = 2 * KIB
    search_attributes_bytes_max: int = 40 * KIB
    history_events_max: int = 51_200
    history_bytes_max: int = 50 * MIB
    history_events_suggest: int = 4_096
    history_bytes_suggest: int = 4 * MIB
    pending_activities_max: int = 2_000
    pending_children_max: int = 2_000
    signals_max: int = 10_000
    updates_in_flight_max: int = 10
    updates_max: int = 2_000
    updates_suggest: int = 1_800
    buffered_events_max: int = 100
    buffered_bytes_max: int = 2 * MIB
    stream_events_max: int = 200_000
    stream_bytes_max: int = 64 * MIB
    log_bytes_max: int = 8 * MIB
    workflow_task_timeout_default_ns: int = 10 * SECOND
    workflow_task_timeout_max_ns: int = 120 * SECOND
    workflow_task_heartbeats_max_ns: int = 1800 * SECOND
    workflow_task_backoff_max_ns: int = 10 * SECOND
    continue_as_new_interval_min_ns: int = SECOND


def check_id(name: str, value: str, limits: Limits) -> None:
    """Refuse an id that is empty, holds NUL or is longer than the limit."""
    if not value:
        raise InvalidInput(f"{name} is empty; give it a value of 1 to {limits.id_characters_max} characters.")
    if len(value) > limits.id_characters_max:
        raise InvalidInput(
            f"{name} has {len(value)} characters ('{value[:40]}...'), the limit is {limits.id_characters_max}. "
            "Shorten it."
        )
    if "\0" in value:
        raise InvalidInput(f"{name} holds a NUL character: {value!r}. Remove it.")


def check_text(name: str, value: str, limits: Limits) -> None:
    """Refuse a text beside ids (a reason, an identity) that is longer than the limit for them."""
    if len(value) > limits.id_characters_max:
        raise InvalidInput(
            f"{name} is too long: it has {len(value)} characters ('{value[:40]}...'), the limit is "
            f"{limits.id_characters_max}. Shorten it."
        )


def too_large(what: str, size: int, limit: int) -> str:
    return (
        f"{what} has {size:,} bytes, the limit is {limit:,}. "
        "Store the data elsewhere and pass a reference (a path, a key) instead."
    )
