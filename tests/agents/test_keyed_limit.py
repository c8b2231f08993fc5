"""At most so many at a time, and so often, for each key: in activities, and durably in workflows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from virtual_run import QUEUE, virtual_site

from tsuzuki import workflow
from tsuzuki.agents import ConcurrencyLimitError, DisplacedError, KeyedLimit, KeyedRate, WhenFull


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_too_many_waits_for_its_turn_in_order() -> None:
    limit = KeyedLimit(2)
    may_end = [asyncio.Event() for _ in range(5)]
    entered: list[int] = []

    async def work(number: int) -> None:
        async with limit.place("a"):
            entered.append(number)
            await may_end[number].wait()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(number)) for number in range(5)]
        await turns()
        assert entered == [0, 1]
        async with limit.place("another key"):
            pass
        tasks[2].cancel()  # one that waits
        await turns()
        may_end[1].set()
        await turns()
        assert entered == [0, 1, 3]
        for event in may_end:
            event.set()
    assert entered == [0, 1, 3, 4]


async def test_one_too_many_is_rejected() -> None:
    limit = KeyedLimit(1, WhenFull.REJECT)
    async with limit.place("a"):
        with pytest.raises(ConcurrencyLimitError, match="1 at a time are at work for 'a'"):
            async with limit.place("a"):
                pass
    async with limit.place("a"):
        pass


async def test_the_oldest_is_cancelled_for_a_newer_one() -> None:
    limit = KeyedLimit(2, WhenFull.CANCEL_OLDEST)
    ends: dict[int, str] = {}
    may_end = asyncio.Event()

    async def work(number: int) -> None:
        try:
            async with limit.place("a"):
                await may_end.wait()
            ends[number] = "done"
        except DisplacedError:
            ends[number] = "displaced"

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(work(number))
            await turns()
        assert ends == {0: "displaced", 1: "displaced"}
        may_end.set()
    assert ends == {0: "displaced", 1: "displaced", 2: "done", 3: "done"}


async def test_a_cancel_from_outside_stays_a_cancel() -> None:
    limit = KeyedLimit(1, WhenFull.CANCEL_OLDEST)

    async def work() -> None:
        async with limit.place("a"):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("when_full", WhenFull)
async def test_there_are_never_more_and_no_place_is_lost(when_full: WhenFull, seed: int) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")
    limit = KeyedLimit(3, when_full)
    inside: Counter[str] = Counter()

    async def work(key: str) -> None:
        async with limit.place(key):
            inside[key] += 1
            try:
                assert inside[key] <= 3
                for _ in range(chance.randint(0, 6)):
                    await asyncio.sleep(0)
                if chance.random() < 0.3:  # just before this place is given back
                    chance.choice(tasks).cancel()
            finally:
                inside[key] -= 1

    tasks: list[asyncio.Task[None]] = []
    for _ in range(60):
        tasks.append(asyncio.create_task(work(chance.choice("ab"))))
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        for _ in range(chance.randint(0, 2)):
            await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [it for it in outcomes if isinstance(it, AssertionError)]
    assert not limit._keys  # every place was given back


@workflow.defn
class Polite:
    """Six calls, two at a time, one a second after a burst of two."""

    @workflow.run
    async def run(self) -> list[int]:
        limit, rate = KeyedLimit(2), KeyedRate(60, burst=2)
        began = workflow.time()
        times: list[int] = []

        async def call() -> None:
            async with limit.place("provider"):
                await rate.turn("provider")
                times.append(round(workflow.time() - began))

        await asyncio.gather(*(call() for _ in range(6)))
        return times


async def test_in_a_workflow_both_are_durable() -> None:
    async with virtual_site() as site, site.worker([Polite]):
        handle = await site.client.start_workflow(Polite.run, id="w", task_queue=QUEUE)
        await site.advance(30)
        assert await handle.result() == [0, 0, 1, 2, 3, 4]


async def test_keys_whose_turn_is_over_are_forgotten() -> None:
    rate = KeyedRate(60_000_000)
    for number in range(10_000):
        await rate.turn(number)
    assert len(rate._next_s) <= 1001


def test_bounds_are_checked() -> None:
    with pytest.raises(ValueError, match="at_most is 0"):
        KeyedLimit(0)
    with pytest.raises(ValueError, match="per_minute is 0"):
        KeyedRate(0)
