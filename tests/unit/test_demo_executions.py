"""The log of executions: one line each, whoever writes at the same time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tsuzuki.demo._executions import Execution, note_execution, read_executions


def test_each_execution_is_a_line_and_runs_are_told_apart(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    note_execution(log, "run 1", 3, 1)
    note_execution(log, "run 2", 3, 1)
    note_execution(log, "run 1", 3, 2)
    assert read_executions(log, "run 1") == [
        Execution("run 1", 3, 1, os.getpid()),
        Execution("run 1", 3, 2, os.getpid()),
    ]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: note_execution(log, "run", number, 1), range(200)))
    assert sorted(execution.search for execution in read_executions(log, "run")) == list(range(200))


def test_without_a_log_nothing_is_written_and_nothing_is_read(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    note_execution("", "run", 1, 1)
    assert list(tmp_path.iterdir()) == []
    assert read_executions("", "run") == []
    assert read_executions(str(tmp_path / "none"), "run") == []
