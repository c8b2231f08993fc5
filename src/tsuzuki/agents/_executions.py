"""Writing down what agents did, beside the main flow: nothing waits for it, and nothing fails by it.

Owns the record, the fire-and-forget call, and a SQLite table for the records. The call starts an activity with five
seconds and one attempt; a workflow closes after the last of them, which takes no longer than their bound.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from os import PathLike
from typing import Any, Final, Literal, get_args

from tsuzuki import activity, workflow
from tsuzuki.common import RetryPolicy

from ._activity_key import key_of

PERSIST_AGENT_EXECUTION: Final = "persist_agent_execution"
GATE: Final = "agent_persistence_v1"
_Group = Literal["agent_id", "model", "workflow_id"]
ATTEMPT: Final = timedelta(seconds=5)
DRAIN: Final = timedelta(seconds=10)

_COLUMNS: Final = (
    "key TEXT PRIMARY KEY, workflow_id TEXT NOT NULL, run_id TEXT NOT NULL, recorded_at TEXT NOT NULL, "
    "agent_id TEXT NOT NULL, input TEXT NOT NULL, output TEXT NOT NULL, tokens_used INTEGER NOT NULL, "
    "micros INTEGER NOT NULL, model TEXT NOT NULL, error TEXT NOT NULL"
)


@dataclass(frozen=True)
class AgentExecution:
    """What an agent was asked, and what came of it.

    Attributes:
        agent_id: Which agent.
        input: What it was asked.
        output: What it answered; empty when it failed.
        tokens_used: What it used.
        micros: What it cost, in millionths, as in `Usage`.
        model: The model that it used.
        error: Why it failed; empty when it did not.
    """

    agent_id: str
    input: str
    output: str
    tokens_used: int = 0
    micros: int = 0
    model: str = ""
    error: str = ""


@dataclass(frozen=True)
class RecordedExecution:
    """An execution as it was written down.

    Attributes:
        workflow_id: Whose agent.
        run_id: In which run.
        recorded_at: When it was written, in UTC.
        execution: What was written.
    """

    workflow_id: str
    run_id: str
    recorded_at: datetime
    execution: AgentExecution


@dataclass(frozen=True)
class ExecutionTotals:
    """What several executions came to.

    Attributes:
        of: The agent, model or workflow id that they have in common.
        executions: How many.
        failed: How many of them failed.
        tokens_used: What they used.
        micros: What they cost, in millionths.
    """

    of: str
    executions: int
    failed: int
    tokens_used: int
    micros: int


def persist_agent_execution(execution: AgentExecution, *, drain: timedelta = DRAIN) -> None:
    """Have an execution written down; for workflow code.

    Returns at once. One attempt of at most five seconds; that it failed is logged and changes nothing. The workflow,
    however it ends, closes after it, within `drain`. A run that began before this call was put in does not make it.

    Args:
        execution: What to write.
        drain: Bound from this call to its end, waiting for a worker included.
    """
    if workflow.get_version(GATE, workflow.DEFAULT_VERSION, 1) < 1:
        return
    writing = workflow.execute_activity(
        PERSIST_AGENT_EXECUTION,
        execution,
        start_to_close_timeout=min(ATTEMPT, drain),
        schedule_to_close_timeout=drain,
        retry_policy=RetryPolicy(maximum_attempts=1),
        summary=f"write down what {execution.agent_id} did"[:200],
    )
    workflow.fire_and_forget(workflow.shield(writing))


class ExecutionLog:
    """A SQLite table of executions, safe to use from threads and processes: give `log.activities` to the worker.

    Args:
        path: The file, created if missing.
        now: The time.
    """

    def __init__(self, path: str | PathLike[str], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=ATTEMPT.total_seconds(), check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"CREATE TABLE IF NOT EXISTS agent_executions ({_COLUMNS}) STRICT, WITHOUT ROWID")
        self._db.execute("CREATE INDEX IF NOT EXISTS agent_executions_of ON agent_executions (workflow_id)")

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """What a worker must know."""
        return [self.persist]

    @activity.defn(name=PERSIST_AGENT_EXECUTION)
    def persist(self, execution: AgentExecution) -> None:
        """Write one down; the same one twice is one row."""
        info = activity.info()
        row = {
            "key": key_of(info),
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            "recorded_at": self._now().isoformat(),
            **asdict(execution),
        }
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        with self._lock:
            self._db.execute(f"INSERT OR IGNORE INTO agent_executions ({names}) VALUES ({marks})", row)

    def read(
        self, workflow_id: str | None = None, *, namespace: str | None = None, newest: int | None = None
    ) -> list[RecordedExecution]:
        """Give executions, in the order in which they were written.

        Args:
            workflow_id: Those of a workflow, of all its runs; None for all.
            namespace: Those of a namespace; None for all.
            newest: So many of the newest; None for all.
        """
        names = [field.name for field in fields(AgentExecution)]
        where, given = _filter(workflow_id, namespace)
        with self._lock:
            rows = self._db.execute(
                f"SELECT workflow_id, run_id, recorded_at, {', '.join(names)} FROM agent_executions {where} "
                "ORDER BY recorded_at DESC, key DESC LIMIT ?",
                (*given, -1 if newest is None else newest),
            ).fetchall()
        return [
            RecordedExecution(
                row[0], row[1], datetime.fromisoformat(row[2]), AgentExecution(**dict(zip(names, row[3:], strict=True)))
            )
            for row in reversed(rows)
        ]

    def totals(
        self,
        by: _Group = "agent_id",
        *,
        workflow_id: str | None = None,
        namespace: str | None = None,
    ) -> list[ExecutionTotals]:
        """Sum executions up, the most expensive first.

        Args:
            by: What those of one sum have in common.
            workflow_id: Those of a workflow, of all its runs; None for all.
            namespace: Those of a namespace; None for all.

        Raises:
            ValueError: `by` is something else.
        """
        if by not in get_args(_Group):
            raise ValueError(f"executions cannot be summed up by {by!r}; expected one of {', '.join(get_args(_Group))}")
        where, given = _filter(workflow_id, namespace)
        with self._lock:
            rows = self._db.execute(
                f"SELECT {by}, count(*), sum(error <> ''), sum(tokens_used), sum(micros) FROM agent_executions {where} "
                f"GROUP BY {by} ORDER BY sum(micros) DESC, sum(tokens_used) DESC, {by}",
                given,
            ).fetchall()
        return [ExecutionTotals(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _filter(workflow_id: str | None, namespace: str | None) -> tuple[str, tuple[str, ...]]:
    """The WHERE clause of some executions, and what it is given; a key begins with its namespace."""
    clauses = [("workflow_id = ?", workflow_id), ("key GLOB ?", namespace and f"{_literally(namespace)}/*")]
    used = [(clause, given) for clause, given in clauses if given is not None]
    where = f"WHERE {' AND '.join(clause for clause, _ in used)}" if used else ""
    return where, tuple(given for _, given in used)


def _literally(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
