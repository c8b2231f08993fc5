"""What the ledger keeps, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ._usage import Usage

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS budgets (
    id TEXT PRIMARY KEY, parent TEXT REFERENCES budgets(id), limit_tokens INTEGER, limit_micros INTEGER,
    soft REAL NOT NULL, delay_s_max REAL NOT NULL, used_tokens INTEGER NOT NULL DEFAULT 0,
    used_micros INTEGER NOT NULL DEFAULT 0, reserved_tokens INTEGER NOT NULL DEFAULT 0,
    reserved_micros INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    namespace TEXT, workflow_id TEXT, budget TEXT NOT NULL REFERENCES budgets(id),
    PRIMARY KEY (namespace, workflow_id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, budget TEXT, name TEXT NOT NULL, provider TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL, estimate_tokens INTEGER NOT NULL, estimate_micros INTEGER NOT NULL,
    used_tokens INTEGER NOT NULL DEFAULT 0, used_micros INTEGER NOT NULL DEFAULT 0,
    repeated_tokens INTEGER NOT NULL DEFAULT 0, repeated_micros INTEGER NOT NULL DEFAULT 0,
    result BLOB, at_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_of_budget ON calls (budget);
CREATE TABLE IF NOT EXISTS increases (
    key TEXT PRIMARY KEY, budget TEXT NOT NULL, tokens INTEGER NOT NULL, micros INTEGER NOT NULL,
    reason TEXT NOT NULL, by TEXT NOT NULL, at_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rates (
    provider TEXT PRIMARY KEY, requests_ns INTEGER NOT NULL, tokens_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class RateLimit:
    """How fast a provider may be called, by all processes that share a ledger.

    Attributes:
        requests_per_minute: Calls, more than 0; None for no bound.
        tokens_per_minute: Tokens, by the estimates of the calls, more than 0; None for no bound.
        burst: How much may come at once, as the time in which it would come evenly.
        wait_max: A call that would wait longer fails its attempt, and is tried again after that time.

    Raises:
        ValueError: A rate is 0 or less.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst: timedelta = timedelta(seconds=1)
    wait_max: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            rate = getattr(self, name)
            if rate is not None and not rate > 0:
                raise ValueError(f"{name} is {rate}; it must be more than 0, or None for no bound")


@dataclass(frozen=True)
class Grant:
    """The answer to a reservation.

    Attributes:
        delay_s: Seconds to wait before the call: backpressure of a budget that runs short, or a provider's rate.
        billed: True when this call was made and billed by an earlier attempt.
        result: What that attempt recorded; None when it recorded nothing.
    """

    delay_s: float = 0.0
    billed: bool = False
    result: bytes | None = None


@dataclass(frozen=True)
class CallRecord:
    """A call in the book.

    Attributes:
        key: Identity of its activity.
        budget: Whose; None for a workflow without one.
        name: Type of the activity.
        provider: Whom it calls.
        state: `open` (running, or its process died), `done`, or `failed`.
        attempt: The last attempt that was seen.
        estimate: What is (or was) reserved for it.
        used: What was billed.
        repeated: What further attempts used after it was billed; shown, not billed.
    """

    key: str
    budget: str | None
    name: str
    provider: str
    state: str
    attempt: int
    estimate: Usage
    used: Usage
    repeated: Usage
