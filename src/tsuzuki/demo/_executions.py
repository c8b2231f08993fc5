"""A log of every time a search was executed, written by the searches themselves.

It knows nothing of histories: one line for each execution, appended in one write, whatever happens later.
Held against the history it shows whether a search ran again after its result was recorded.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Execution:
    """One execution of a search: of which run, which search, which attempt, in which process."""

    run_id: str
    search: int
    attempt: int
    pid: int


def note_execution(log: str, run_id: str, search: int, attempt: int) -> None:
    """Append a line for this execution; does nothing if `log` is empty."""
    if not log:
        return
    line = json.dumps(asdict(Execution(run_id, search, attempt, os.getpid()))) + "\n"
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read_executions(log: str, run_id: str) -> list[Execution]:
    """The executions of one run, in order; none if there is no log."""
    path = Path(log)
    if not log or not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [execution for line in lines if (execution := Execution(**json.loads(line))).run_id == run_id]
