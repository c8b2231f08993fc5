"""What workers keep beside the engine: the log of agent executions, and the ledger of budgets. Files of theirs.

Only read here. A file is opened when somebody first asks for it, and never before a worker has made it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from tsuzuki.service import ServiceError, StatusCode

if TYPE_CHECKING:
    from tsuzuki.agents import ExecutionLog, ExecutionTotals, Ledger, RecordedExecution

EXECUTIONS_MAX: Final = 1000
"""Executions in one answer, the newest."""

File = TypeVar("File")
GroupBy = Literal["agent_id", "model", "workflow_id"]


class AgentRecords:
    """Reads these files, in threads.

    Args:
        executions: The file of an `ExecutionLog`; None if the server was told of none.
        ledger: The file of a `Ledger`; None if the server was told of none.
    """

    def __init__(self, executions: str | None, ledger: str | None) -> None:
        self._files = {"executions": executions, "ledger": ledger}
        self._log: ExecutionLog | None = None
        self._ledger: Ledger | None = None
        self._opening = threading.Lock()

    @property
    def has_ledger(self) -> bool:
        """True if the server was told of a ledger."""
        return self._files["ledger"] is not None

    @property
    def has_executions(self) -> bool:
        """True if the server was told of a log of executions."""
        return self._files["executions"] is not None

    async def executions(self, namespace: str, workflow_id: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest executions of a namespace, or of a workflow in it, oldest of them first."""

        def read() -> list[RecordedExecution]:
            return self._open_log().read(workflow_id, namespace=namespace, newest=limit)

        return [
            {
                "workflowId": it.workflow_id,
                "runId": it.run_id,
                "recordedAt": it.recorded_at.isoformat(),
                "execution": asdict(it.execution),
            }
            for it in await asyncio.to_thread(read)
        ]

    async def totals(self, namespace: str, workflow_id: str | None, by: GroupBy) -> list[dict[str, Any]]:
        """What the executions of a namespace, or of a workflow in it, came to, the most expensive first."""

        def total() -> list[ExecutionTotals]:
            return self._open_log().totals(by, workflow_id=workflow_id, namespace=namespace)

        try:
            found = await asyncio.to_thread(total)
        except ValueError as error:
            raise ServiceError(StatusCode.INVALID_ARGUMENT, str(error)) from None
        return [asdict(it) for it in found]

    async def budget_of(self, namespace: str, workflow_id: str) -> list[dict[str, Any]]:
        """The numbers of a workflow's budget, then of those above it; empty if it has none in the ledger."""

        def read() -> list[dict[str, Any]]:
            ledger, chain = self._open_ledger(), []
            id = ledger.budget_of(namespace, workflow_id)
            while id is not None:
                state = ledger.state(id)
                chain.append(asdict(state))
                id = state.parent
            return chain

        return await asyncio.to_thread(read)

    def _open_log(self) -> ExecutionLog:
        from tsuzuki.agents import ExecutionLog

        with self._opening:
            if self._log is None:
                self._log = self._opened("executions", ExecutionLog)
            return self._log

    def _open_ledger(self) -> Ledger:
        from tsuzuki.agents import Ledger

        with self._opening:
            if self._ledger is None:
                self._ledger = self._opened("ledger", Ledger)
            return self._ledger

    def _opened(self, kind: str, open: Callable[[str], File]) -> File:
        file = self._files[kind]
        if file is None:
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION,
                f"this server was not told of a file of {kind}; start it with --agent-{kind} FILE.",
            )
        if not Path(file).exists():
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION, f"there is no file {file} (yet); a worker makes it when it starts."
            )
        try:
            return open(file)
        except sqlite3.Error as error:
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION,
                f"{file} cannot be read: {error}. --agent-{kind} is to name the file that the workers write.",
            ) from None
