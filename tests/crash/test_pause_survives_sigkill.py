"""A pause that was acknowledged holds after a SIGKILL, and what it held goes on when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tsuzuki.store import check_store

PROGRAM = Path(__file__).with_name("paused_program.py")
SECONDS_MAX = 180


@pytest.mark.parametrize("pauses", ["activity", "workflow"])
def test_what_was_paused_waits_for_the_next_process_and_its_word(tmp_path: Path, pauses: str) -> None:
    """The attempt that ran has died with its process; while paused it is followed by another, whatever its policy."""
    database = tmp_path / "works.db"

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROGRAM), f"sqlite:///{database}", pauses]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)

    killed = run()
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not check_store(database)
    resumed = run()
    assert resumed.stdout == "waits\nattempt 2\n", resumed.stderr
    assert not check_store(database)
