"""Schedules and batch operations in processes that are killed: nothing fires twice, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_schedules_and_batches_survive_sigkill(tmp_path: Path) -> None:
    """Invariants 4 and 40, at each commit."""
    program = Path(__file__).with_name("schedule_scenario.py")
    done = subprocess.run([sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=False)
    *findings, kills = done.stdout.splitlines() or [done.stderr]
    assert findings == []
    assert int(kills) >= 30, "the scenario has too few moments to say much"
