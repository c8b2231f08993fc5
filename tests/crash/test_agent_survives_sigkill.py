"""A process that dies in the middle of an agent of `pydantic-ai`: nothing that was answered is asked again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

PROGRAM = Path(__file__).with_name("agent_program.py")
SECONDS_MAX = 180
TURNS = 4
"""As in the program."""
DIES = "look-2"


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), f"sqlite:///{tmp_path}/runs.db", str(tmp_path / "log"), DIES]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert resumed.stdout == f"{2 * TURNS - 1} messages\n", resumed.stderr
    asked = Counter((tmp_path / "log").read_text().split())
    answered = {f"model-{turn}" for turn in range(1, TURNS + 1)}
    looked = {f"look-{sign * turn}" for turn in range(1, TURNS) for sign in (1, -1)}
    assert set(asked) == answered | looked
    # Its twin may have been under way too.
    assert {name for name, times in asked.items() if times > 1} <= {DIES, "look--2"}
    assert asked[DIES] == 2
