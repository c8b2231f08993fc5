"""A budget under 200 concurrent calls and kill -9: over by no more than running calls, and no call billed twice.

Half of the lives have calls that cost no more than their estimates, so that nothing excuses an overrun.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tsuzuki.agents import Ledger, Usage

PROGRAM = Path(__file__).with_name("budget_scenario.py")
CALLS, SLOTS, LIMIT, ESTIMATE = 200, 50, 3000, 30
"""As in the program."""


def run(folder: Path, die_at: int, times: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), str(die_at), str(times)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def cost_of(number: int, times: int) -> int:
    return times * (10 + zlib.crc32(str(number).encode()) % 21)


def check_book(folder: Path, overrun: int) -> Ledger:
    """What must hold at any time, a crash or not; `overrun` is what running calls may cost beyond their estimates."""
    ledger = Ledger(folder / "budgets.db")
    ledger.check()
    if ledger.calls("all"):
        state = ledger.state("all")
        assert state.used.tokens + state.reserved.tokens <= LIMIT + overrun
    return ledger


@pytest.mark.parametrize("seed", range(4))
def test_a_budget_is_kept_and_no_call_is_billed_twice(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")
    times = 1 + seed % 2
    killed = 0
    while True:
        die_at = chance.choice([1, 2, 3, chance.randint(4, 60), chance.randint(60, 200)]) if killed < 5 else 0
        done = run(tmp_path, die_at, times)
        overrun = (times - 1) * ESTIMATE * SLOTS * (killed + 1)  # and those that a dead process has left open
        ledger = check_book(tmp_path, overrun)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        ledger.close()
    refused = [int(number) for number in done.stdout.split()]
    calls = ledger.calls("all")
    assert {call.state for call in calls} == {"done"}
    assert len(calls) + len(refused) == CALLS
    assert sorted(call.used.tokens for call in calls) == sorted(
        cost_of(number, times) for number in range(CALLS) if number not in refused
    )
    assert all(call.repeated == Usage() for call in calls)
    state = ledger.state("all")
    assert state.reserved == Usage()
    assert LIMIT - SLOTS * ESTIMATE < state.used.tokens <= LIMIT + overrun
    assert (state.overrun == Usage()) == (times == 1)
    # A call is made again only when its process died between the call and the bill.
    made = Counter((tmp_path / "provider.log").read_text().split())
    assert sum(made.values()) - len(calls) <= killed * SLOTS
    assert {int(number) for number in made} >= set(range(CALLS)) - set(refused)
    ledger.close()
