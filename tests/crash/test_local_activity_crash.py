"""A process that dies around a local activity: run again if no marker is on disk, never again once it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("local_activity_program.py")
SECONDS_MAX = 180


def run(folder: Path, dies: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), f"sqlite:///{folder}/calls.db", str(folder / "log"), dies]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)


@pytest.mark.parametrize(
    ("dies", "executions"),
    [
        # Both in one workflow task, which was not answered: both run again.
        ("second", {"first": 2, "second": 2, "ordinary": 1}),
        # A heartbeat has recorded the first one; the second was on its way.
        ("second:late", {"first": 1, "second": 2, "ordinary": 1}),
        # Both are recorded with the command that scheduled the third.
        ("ordinary", {"first": 1, "second": 1, "ordinary": 2}),
    ],
)
def test_only_what_was_not_recorded_runs_again(tmp_path: Path, dies: str, executions: dict[str, int]) -> None:
    killed = run(tmp_path, dies)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(tmp_path, dies)
    assert resumed.stdout == "['first', 'second', 'ordinary']\n", resumed.stderr
    assert Counter((tmp_path / "log").read_text().split()) == executions
