"""The book of budgets, by itself: sums, limits, one bill a call, lines at providers, several processes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tsuzuki.agents import BudgetExhaustedError, Ledger, Limit, RateLimit, RateLimitedError, Usage


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    rates = {
        "slow": RateLimit(requests_per_minute=60, burst=timedelta(0)),
        "wordy": RateLimit(tokens_per_minute=6000, burst=timedelta(seconds=2), wait_max=timedelta(seconds=4)),
    }
    ledger = Ledger(tmp_path / "budgets.db", rates=rates, now_ns=clock)
    yield ledger
    ledger.check()
    ledger.close()


def reserve(ledger: Ledger, key: str, tokens: int, budget: str | None = "b", attempt: int = 1) -> float:
    return ledger.reserve(key, budget=budget, estimate=Usage(tokens), attempt=attempt).delay_s


def test_a_call_is_reserved_then_billed_what_it_used(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    reserve(ledger, "1", 60)
    assert ledger.state("b").reserved == Usage(60)
    with pytest.raises(BudgetExhaustedError, match="'b' has no room for a call of 41 tokens") as refused:
        reserve(ledger, "2", 41)
    assert refused.value.exhausted.reserved == Usage(60)
    assert ledger.commit("1", Usage(30)) is True
    assert (ledger.state("b").used, ledger.state("b").reserved) == (Usage(30), Usage(0))
    reserve(ledger, "2", 70)  # to the limit


def test_what_a_cancelled_thread_has_left_open_is_undone(ledger: Ledger) -> None:
    """Its exception may come at any line, also between the end of a transaction and the release of the lock."""
    ledger.open_budget("b", Limit(tokens=100))
    ledger._db.execute("BEGIN IMMEDIATE")
    ledger._db.execute("UPDATE budgets SET used_tokens = 99")
    reserve(ledger, "1", 60)
    assert (ledger.state("b").used, ledger.state("b").reserved) == (Usage(0), Usage(60))


def test_money_counts_as_tokens_do(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(micros=Usage.of(cost="0.10").micros))
    ledger.reserve("1", budget="b", estimate=Usage.of(tokens=10**9, cost="0.10"))
    with pytest.raises(BudgetExhaustedError, match=r"limit 0\.1"):
        ledger.reserve("2", budget="b", estimate=Usage.of(cost="0.000001"))


def test_an_overrun_is_recorded_not_capped(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    reserve(ledger, "1", 100)
    ledger.commit("1", Usage(170))
    assert ledger.state("b").used == Usage(170)
    assert ledger.state("b").overrun == Usage(70)
    with pytest.raises(BudgetExhaustedError):
        reserve(ledger, "2", 1)


def test_what_was_billed_is_not_billed_again_and_its_result_is_given_back(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    reserve(ledger, "1", 50)
    ledger.commit("1", Usage(40), result=b"answer")
    grant = ledger.reserve("1", budget="b", estimate=Usage(50), attempt=2)
    assert (grant.billed, grant.result) == (True, b"answer")
    assert ledger.commit("1", Usage(40)) is False
    assert ledger.state("b").used == Usage(40)
    assert ledger.calls("b")[0].repeated == Usage(40)


def test_results_can_be_dropped_and_bills_stay(ledger: Ledger, clock: Clock) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    for key in ("old", "new"):
        reserve(ledger, key, 10)
        ledger.commit(key, Usage(10), result=b"answer")
        clock.now += 3600 * 10**9
    assert ledger.drop_results(timedelta(hours=1, minutes=30)) == 1
    assert ledger.drop_results(timedelta(hours=1, minutes=30)) == 0
    assert [ledger.reserve(key, budget="b", estimate=Usage(10)).result for key in ("old", "new")] == [None, b"answer"]
    assert ledger.commit("old", Usage(10)) is False
    assert ledger.state("b").used == Usage(20)
    ledger.check()


def test_a_reservation_of_a_dead_process_is_taken_over(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    reserve(ledger, "1", 80)
    reserve(ledger, "1", 80, attempt=2)
    assert ledger.state("b").reserved == Usage(80)
    ledger.fail("1", attempt=1)  # a late word of the first attempt gives nothing back
    assert ledger.state("b").reserved == Usage(80)
    ledger.commit("1", Usage(10))
    assert ledger.state("b").used == Usage(10)


def test_a_failed_attempt_gives_back_the_rest_and_bills_what_it_used(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    reserve(ledger, "1", 80)
    ledger.fail("1", Usage(30), attempt=1)
    assert (ledger.state("b").used, ledger.state("b").reserved) == (Usage(30), Usage(0))
    with pytest.raises(BudgetExhaustedError):
        reserve(ledger, "1", 80, attempt=2)
    reserve(ledger, "1", 70, attempt=3)
    ledger.commit("1", Usage(60))
    assert ledger.state("b").used == Usage(90)
    assert ledger.calls("b")[0].used == Usage(90)


def test_a_call_stays_on_the_budget_of_its_first_attempt(ledger: Ledger) -> None:
    """Whatever its workflow has joined meanwhile: the sums of both budgets are those of their calls."""
    for name in ("first", "second"):
        ledger.open_budget(name, Limit(tokens=100))
    reserve(ledger, "1", 50, "first")
    ledger.fail("1", Usage(20), attempt=1)
    reserve(ledger, "1", 50, "second", attempt=2)
    ledger.check()
    ledger.commit("1", Usage(40))
    ledger.check()
    assert [ledger.state(name).used.tokens for name in ("first", "second")] == [60, 0]


def test_a_part_is_bounded_by_those_above_it_and_counts_there(ledger: Ledger) -> None:
    ledger.open_budget("tenant", Limit(tokens=100))
    ledger.open_budget("run", Limit(tokens=1000), parent="tenant")
    ledger.open_budget("agent", Limit(tokens=50), parent="run")
    ledger.open_budget("other", Limit(), parent="tenant")
    reserve(ledger, "1", 50, "agent")
    with pytest.raises(BudgetExhaustedError, match="'agent'"):
        reserve(ledger, "2", 1, "agent")
    reserve(ledger, "3", 50, "other")
    with pytest.raises(BudgetExhaustedError, match="'tenant'"):
        reserve(ledger, "4", 1, "run")
    ledger.commit("1", Usage(20))
    reserve(ledger, "4", 30, "run")
    assert [ledger.state(id).used for id in ("tenant", "run", "agent", "other")] == [
        Usage(20),
        Usage(20),
        Usage(20),
        Usage(0),
    ]


def test_an_increase_counts_once_and_is_kept_when_the_budget_is_opened_again(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    for _ in range(2):
        ledger.increase("b", Usage(50), key="k1", reason="more", who="ann")
    ledger.increase("b", Usage(1), key="k2")
    assert ledger.open_budget("b", Limit(tokens=100)).limit == Limit(tokens=151)


def test_calls_are_delayed_from_the_soft_limit_on(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100), soft=0.5, delay_s_max=10)
    assert [reserve(ledger, str(number), 25) for number in range(4)] == [0, 0, 5, 10]


def test_unknown_names_are_said(ledger: Ledger) -> None:
    with pytest.raises(KeyError, match="no budget 'x'"):
        reserve(ledger, "1", 1, "x")
    with pytest.raises(KeyError, match="no budget 'x'"):
        ledger.open_budget("y", Limit(), parent="x")
    with pytest.raises(KeyError, match="no call '1'"):
        ledger.commit("1", Usage(1))


def test_bounds_are_checked(ledger: Ledger) -> None:
    ledger.open_budget("b", Limit(tokens=100))
    with pytest.raises(ValueError, match="estimate of call '1' is Usage"):
        reserve(ledger, "1", -1)
    with pytest.raises(ValueError, match="requests_per_minute is 0; it must be more than 0, or None"):
        RateLimit(requests_per_minute=0)
    with pytest.raises(ValueError, match="tokens_per_minute is -1"):
        RateLimit(tokens_per_minute=-1)


def test_a_call_without_a_budget_is_written_down(ledger: Ledger) -> None:
    reserve(ledger, "1", 5, None)
    ledger.commit("1", Usage(7))
    assert [(call.budget, call.used) for call in ledger.calls()] == [(None, Usage(7))]


def test_a_provider_serves_at_its_rate(ledger: Ledger, clock: Clock) -> None:
    def call(key: str, provider: str, tokens: int = 1) -> float:
        return ledger.reserve(key, budget=None, estimate=Usage(tokens), provider=provider).delay_s

    assert [call(f"s{number}", "slow") for number in range(4)] == [0, 1, 2, 3]
    clock.now += 10**9 * 3600
    assert [call(f"t{number}", "slow") for number in range(2)] == [0, 1]
    # 100 tokens a second, two seconds of them at once, at most four seconds of waiting
    assert [call(f"w{number}", "wordy", 200) for number in range(4)] == [0, 0, 2, 4]
    with pytest.raises(RateLimitedError) as refused:
        call("w4", "wordy", 200)
    assert refused.value.next_retry_delay == timedelta(seconds=6)
    clock.now += 10**9 * 2
    assert call("w4", "wordy", 200) == 4
    assert call("free", "nobody", 10**9) == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_lives_keep_the_invariants(seed: int, tmp_path: Path) -> None:
    """Every sum after each step, the limits after each new grant, and the bills by a list of our own."""
    chance = random.Random(seed)
    print(f"seed {seed}")
    ledger = Ledger(tmp_path / "random.db")
    limits = {"top": 500, "left": 300, "right": 10_000}
    ledger.open_budget("top", Limit(tokens=500))
    for part in ("left", "right"):
        ledger.open_budget(part, Limit(tokens=limits[part]), parent="top")
    attempts: dict[str, int] = {}
    billed: dict[str, int] = {}
    for _ in range(300):
        key = str(chance.randrange(30))
        budget = "left" if int(key) % 2 else "right"
        match chance.choice(["reserve", "commit", "fail", "fail late"]):
            case "reserve":
                attempts[key] = attempts.get(key, 0) + 1
                before = ledger.state("top").reserved
                try:
                    grant = ledger.reserve(
                        key, budget=budget, estimate=Usage(chance.randint(1, 60)), attempt=attempts[key]
                    )
                except BudgetExhaustedError:
                    continue
                assert grant.billed == (key in billed)
                for state in (ledger.state("top"), ledger.state(budget)):
                    if ledger.state("top").reserved != before:  # not one that was taken over
                        assert state.used.tokens + state.reserved.tokens <= limits[state.id]
            case "commit" if any(call.key == key for call in ledger.calls()):
                used = chance.randint(0, 80)
                if ledger.commit(key, Usage(used)):
                    assert key not in billed
                    billed[key] = used
            case "fail" | "fail late" as deed if any(call.key == key for call in ledger.calls()):
                ledger.fail(key, attempt=attempts[key] - (deed == "fail late"))
        ledger.check()
    assert ledger.state("top").used.tokens == sum(billed.values())


PROCESS = """
import sys
from tsuzuki.agents import BudgetExhaustedError, Ledger, Usage
ledger = Ledger(sys.argv[1])
granted = 0
for number in range(100):
    key = f"{sys.argv[2]}-{number}"
    try:
        ledger.reserve(key, budget="b", estimate=Usage(3))
    except BudgetExhaustedError:
        continue
    granted += 1
    ledger.commit(key, Usage(3))
print(granted)
"""


def test_processes_share_a_budget_to_the_last_token(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    ledger = Ledger(path)
    ledger.open_budget("b", Limit(tokens=300))
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(path), str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    granted = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sum(granted) == 100
    assert ledger.state("b").used == Usage(300)
    ledger.check()
    ledger.close()
