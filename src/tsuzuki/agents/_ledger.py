"""The book of budgets: what is allowed, reserved and billed, in one SQLite file that all processes of a machine share.

Why a ledger beside the engine, and not a workflow that holds the budget: money is spent in activities, so it is
booked there, in the process and at the moment of the call, by two local transactions. A budget workflow would cost
two updates a call (six events each, all in one history, one at a time, and its end as new again and again), and a
workflow that is terminated, reset or replayed must not change what was spent. The price: workers on several machines
need a ledger each, or a shared file system that SQLite can lock.

Each call is booked under the identity of its activity, which is the same for all attempts. That is what makes billing
exactly-once:

- An attempt that finds its call billed is given the recorded result and makes no second call.
- An attempt that finds a reservation of a dead process takes it over. A reservation that nobody takes over (the
  workflow was terminated) stays: that call may have been made, and a budget that forgets it would be overdrawn.

Invariants, held by every transaction: `used` and `reserved` of a budget are the sums over its calls and those of its
parts; no reservation is granted that would bring their sum over a limit. So bills can exceed a limit only by what
calls that were running at the time cost more than was reserved for them.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from os import PathLike
from typing import Final

from ._ledger_records import SCHEMA, CallRecord, Grant, RateLimit
from ._usage import NOTHING, BudgetExhaustedError, BudgetState, Exhausted, Limit, RateLimitedError, Usage

DEPTH_MAX: Final = 16
"""Budgets above one another."""
BUSY_TIMEOUT_S: Final = 30.0


class Ledger:
    """The book; safe to use from threads and from several processes.

    Args:
        path: The SQLite file, created if missing.
        rates: How fast providers may be called, by name.
        now_ns: The time, in nanoseconds since the epoch.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        rates: Mapping[str, RateLimit] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._rates = dict(rates or {})
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # ---- budgets -----------------------------------------------------------------------------------------

    def open_budget(
        self,
        id: str,
        limit: Limit,
        *,
        parent: str | None = None,
        soft: float = 1.0,
        delay_s_max: float = 5.0,
    ) -> BudgetState:
        """Create a budget; one that exists stays as it is, with what was used of it and its increases.

        Args:
            id: Its id.
            limit: What it allows.
            parent: The budget that it is a part of: what is used here is used there too.
            soft: Share of the limit at which calls begin to be delayed, 0 to 1.
            delay_s_max: The delay of a call when nothing is left; between the two it grows evenly.

        Raises:
            KeyError: There is no such parent.
            ValueError: `soft` is out of its bounds, or the budgets would be too deep.
        """
        if not 0 <= soft <= 1:
            raise ValueError(f"soft is {soft}; it is a share of the limit, from 0 to 1")
        with self._transaction() as db:
            if parent is not None and len(self._chain(db, parent)) >= DEPTH_MAX:
                raise ValueError(f"budget {id!r} would have more than {DEPTH_MAX - 1} budgets above it")
            db.execute(
                "INSERT INTO budgets (id, parent, limit_tokens, limit_micros, soft, delay_s_max) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (id, parent, limit.tokens, limit.micros, soft, delay_s_max),
            )
            return self._state(db, id)

    def join(self, namespace: str, workflow_id: str, budget: str) -> None:
        """Have the calls of a workflow booked on a budget; its earlier ones stay where they are."""
        with self._transaction() as db:
            self._state(db, budget)
            db.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", (namespace, workflow_id, budget))

    def budget_of(self, namespace: str, workflow_id: str) -> str | None:
        """The budget of a workflow's calls."""
        with self._lock:
            row = self._db.execute(
                "SELECT budget FROM members WHERE namespace = ? AND workflow_id = ?", (namespace, workflow_id)
            ).fetchone()
        return None if row is None else str(row[0])

    def increase(self, budget: str, by: Usage, *, key: str, reason: str = "", who: str = "") -> BudgetState:
        """Raise a budget's limit; a bound that it does not have stays away.

        Args:
            budget: Which.
            by: How much; negative to lower it.
            key: Identity of this increase: a second one with the same key changes nothing.
            reason: Why, for the audit trail.
            who: Who did it, for the audit trail.

        Raises:
            KeyError: There is no such budget.
        """
        with self._transaction() as db:
            self._state(db, budget)
            new = db.execute(
                "INSERT INTO increases VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (key, budget, by.tokens, by.micros, reason, who, self._now_ns()),
            )
            if new.rowcount:
                db.execute(
                    "UPDATE budgets SET limit_tokens = limit_tokens + ?, limit_micros = limit_micros + ? WHERE id = ?",
                    (by.tokens, by.micros, budget),
                )
            return self._state(db, budget)

    def state(self, budget: str) -> BudgetState:
        """Return a budget as it is.

        Raises:
            KeyError: There is no such budget.
        """
        with self._lock:
            return self._state(self._db, budget)

    def budgets(self) -> list[BudgetState]:
        """Return every budget as it is, by id."""
        with self._lock:
            ids = [row[0] for row in self._db.execute("SELECT id FROM budgets ORDER BY id")]
            return [self._state(self._db, id) for id in ids]

    def calls(self, budget: str | None = None) -> list[CallRecord]:
        """Return the calls of a budget, without those of its parts; of None: all calls."""
        where = "" if budget is None else "WHERE budget = ?"
        with self._lock:
            rows = self._db.execute(
                "SELECT key, budget, name, provider, state, attempt, estimate_tokens, estimate_micros, used_tokens, "
                f"used_micros, repeated_tokens, repeated_micros FROM calls {where} ORDER BY at_ns, key",
                () if budget is None else (budget,),
            ).fetchall()
        return [CallRecord(*row[:6], *(Usage(*row[i : i + 2]) for i in (6, 8, 10))) for row in rows]

    # ---- calls -------------------------------------------------------------------------------------------

    def reserve(
        self, key: str, *, budget: str | None, estimate: Usage, name: str = "", provider: str = "", attempt: int = 1
    ) -> Grant:
        """Set aside what a call may cost, before it is made.

        Args:
            key: Identity of the call, the same for all attempts.
            budget: Whose; None to write the call down without a bound. A call stays on the budget of its first attempt.
            estimate: What it may cost; more may be billed, and is then an overrun.
            name: What is called, for people.
            provider: Whose rate counts.
            attempt: Which attempt, from 1.

        Raises:
            BudgetExhaustedError: The budget, or one above it, has not as much left. Nothing is reserved.
            RateLimitedError: The provider's rate would have it wait too long. Nothing is reserved.
            ValueError: The estimate is negative.
        """
        if estimate.tokens < 0 or estimate.micros < 0:
            raise ValueError(f"the estimate of call {key!r} is {estimate}; a call costs nothing or more")
        with self._transaction() as db:
            call = db.execute("SELECT state, result, budget FROM calls WHERE key = ?", (key,)).fetchone()
            if call is not None and call[0] == "done":
                return Grant(billed=True, result=call[1])
            delay = 0.0
            if call is not None:
                budget = call[2]  # what its failed attempts used is booked there
            if call is None or call[0] == "failed":
                delay = self._set_aside(db, budget, estimate)
            delay = max(delay, self._take_turn(db, provider, estimate))
            db.execute(
                "INSERT INTO calls (key, budget, name, provider, state, attempt, estimate_tokens, estimate_micros, "
                "at_ns) VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?) ON CONFLICT DO UPDATE SET attempt = excluded.attempt, "
                "state = 'open', "
                "estimate_tokens = iif(state = 'open', estimate_tokens, excluded.estimate_tokens), "
                "estimate_micros = iif(state = 'open', estimate_micros, excluded.estimate_micros)",
                (key, budget, name, provider, attempt, estimate.tokens, estimate.micros, self._now_ns()),
            )
            return Grant(delay)

    def commit(self, key: str, used: Usage, *, result: bytes | None = None) -> bool:
        """Bill a call that was made, in place of its reservation.

        Args:
            key: Which call.
            used: What it cost, however much that is.
            result: What a later attempt is given in place of a second call.

        Returns:
            False when it was billed before: what was used again is written down, and not billed.

        Raises:
            KeyError: It was never reserved.
        """
        with self._transaction() as db:
            state, budget, estimate, _ = self._call(db, key)
            if state == "done":
                db.execute(
                    "UPDATE calls SET repeated_tokens = repeated_tokens + ?, repeated_micros = repeated_micros + ? "
                    "WHERE key = ?",
                    (used.tokens, used.micros, key),
                )
                return False
            self._book(db, budget, used=used, reserved=NOTHING - estimate if state == "open" else NOTHING)
            db.execute(
                "UPDATE calls SET state = 'done', result = ?, used_tokens = used_tokens + ?, "
                "used_micros = used_micros + ? WHERE key = ?",
                (result, used.tokens, used.micros, key),
            )
            return True

    def fail(self, key: str, used: Usage = NOTHING, *, attempt: int) -> None:
        """Give back what is reserved for a call whose attempt failed; what it cost until then is billed.

        Args:
            key: Which call.
            used: What the attempt is known to have cost.
            attempt: Which attempt; an older one than the last gives nothing back.
        """
        with self._transaction() as db:
            state, budget, estimate, last_attempt = self._call(db, key)
            if state == "done":
                return
            ends = state == "open" and attempt == last_attempt
            self._book(db, budget, used=used, reserved=NOTHING - estimate if ends else NOTHING)
            db.execute(
                "UPDATE calls SET state = ?, used_tokens = used_tokens + ?, used_micros = used_micros + ? "
                "WHERE key = ?",
                ("failed" if ends else state, used.tokens, used.micros, key),
            )

    def drop_results(self, older_than: timedelta) -> int:
        """Forget the results of calls that were reserved longer ago than this; their bills stay.

        Results are kept for attempts that come after the bill, so this may be as short as the longest life of an
        activity. An attempt that comes after that all the same makes the call again, which is noted as repeated.

        Returns:
            How many were dropped.
        """
        with self._transaction() as db:
            before_ns = self._now_ns() - round(older_than.total_seconds() * 1e9)
            dropped = db.execute(
                "UPDATE calls SET result = NULL WHERE result IS NOT NULL AND state = 'done' AND at_ns < ?", (before_ns,)
            )
            return dropped.rowcount

    def check(self) -> None:
        """Compare every budget with its calls.

        Raises:
            AssertionError: A sum is wrong: a bug.
        """
        with self._transaction() as db:
            for (id,) in db.execute("SELECT id FROM budgets").fetchall():
                sums = db.execute(
                    "WITH RECURSIVE parts(id) AS (VALUES (?) UNION ALL SELECT b.id FROM budgets b JOIN parts p "
                    "ON b.parent = p.id) SELECT coalesce(sum(used_tokens), 0), coalesce(sum(used_micros), 0), "
                    "coalesce(sum(iif(state = 'open', estimate_tokens, 0)), 0), "
                    "coalesce(sum(iif(state = 'open', estimate_micros, 0)), 0) FROM calls "
                    "WHERE budget IN (SELECT id FROM parts)",
                    (id,),
                ).fetchone()
                state = self._state(db, id)
                assert (Usage(*sums[:2]), Usage(*sums[2:])) == (state.used, state.reserved), f"{state}, calls: {sums}"

    # ---- inside a transaction ----------------------------------------------------------------------------

    def _set_aside(self, db: sqlite3.Connection, budget: str | None, estimate: Usage) -> float:
        delay = 0.0
        chain = [] if budget is None else self._chain(db, budget)
        for state in chain:
            total = state.used + state.reserved + estimate
            if state.limit.refuses(total):
                raise BudgetExhaustedError(Exhausted(state.id, state.limit, state.used, state.reserved, estimate))
            share = state.limit.share_of(total)
            if share > state.soft:
                delay = max(delay, state.delay_s_max * (share - state.soft) / (1 - state.soft))
        self._book(db, budget, used=NOTHING, reserved=estimate)
        return delay

    def _take_turn(self, db: sqlite3.Connection, provider: str, estimate: Usage) -> float:
        """Put a call in the line of its provider; seconds until its turn."""
        rate = self._rates.get(provider)
        if rate is None:
            return 0.0
        now = self._now_ns()
        row = db.execute("SELECT requests_ns, tokens_ns FROM rates WHERE provider = ?", (provider,)).fetchone()
        free, wait = [], 0
        burst = round(rate.burst.total_seconds() * 1e9)
        for free_ns, amount, per_minute in zip(
            row or (0, 0), (1, estimate.tokens), (rate.requests_per_minute, rate.tokens_per_minute), strict=True
        ):
            begin = max(free_ns, now)
            free.append(begin if per_minute is None else begin + round(amount * 60e9 / per_minute))
            if per_minute is not None:
                wait = max(wait, begin - now - burst)
        if wait > rate.wait_max.total_seconds() * 1e9:
            raise RateLimitedError(provider, timedelta(microseconds=wait // 1000))
        db.execute("INSERT OR REPLACE INTO rates VALUES (?, ?, ?)", (provider, *free))
        return wait / 1e9

    def _book(self, db: sqlite3.Connection, budget: str | None, *, used: Usage, reserved: Usage) -> None:
        for state in [] if budget is None else self._chain(db, budget):
            db.execute(
                "UPDATE budgets SET used_tokens = used_tokens + ?, used_micros = used_micros + ?, "
                "reserved_tokens = reserved_tokens + ?, reserved_micros = reserved_micros + ? WHERE id = ?",
                (used.tokens, used.micros, reserved.tokens, reserved.micros, state.id),
            )

    def _chain(self, db: sqlite3.Connection, budget: str) -> list[BudgetState]:
        """A budget and those above it."""
        chain = [self._state(db, budget)]
        while (parent := chain[-1].parent) is not None:
            chain.append(self._state(db, parent))
        return chain

    def _state(self, db: sqlite3.Connection, budget: str) -> BudgetState:
        row = db.execute(
            "SELECT id, parent, limit_tokens, limit_micros, used_tokens, used_micros, reserved_tokens, "
            "reserved_micros, soft, delay_s_max FROM budgets WHERE id = ?",
            (budget,),
        ).fetchone()
        if row is None:
            raise KeyError(f"the ledger has no budget {budget!r}; open it first")
        return BudgetState(row[0], row[1], Limit(*row[2:4]), Usage(*row[4:6]), Usage(*row[6:8]), row[8], row[9])

    def _call(self, db: sqlite3.Connection, key: str) -> tuple[str, str | None, Usage, int]:
        row = db.execute(
            "SELECT state, budget, estimate_tokens, estimate_micros, attempt FROM calls WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            raise KeyError(f"the ledger has no call {key!r}; reserve before you bill")
        return row[0], row[1], Usage(*row[2:4]), row[4]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction, or nothing of it. The exception that cancels a thread's activity may come at any line."""
        with self._lock:
            if self._db.in_transaction:  # of a thread that was cancelled on its way out
                self._db.execute("ROLLBACK")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
