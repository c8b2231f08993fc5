"""Alarms: in order, never early, and no trace of those that were cancelled."""

from __future__ import annotations

import asyncio

from scripted_service import VirtualPace, settle

from tsuzuki.worker._alarms import Alarms


async def test_they_ring_in_order_and_never_early() -> None:
    time, rung = VirtualPace(), []
    alarms = Alarms(time.pace)
    for at_s in (5.0, 2.0, 9.0, 2.0):
        alarms.set(at_s, lambda at_s=at_s: rung.append((at_s, time.now_s)))  # type: ignore[misc]
    await settle()
    await time.advance(1.999)
    assert rung == []
    await time.advance(0.001)
    await time.advance(7)
    assert rung == [(2.0, 2.0), (2.0, 2.0), (5.0, 9.0), (9.0, 9.0)]
    alarms.close()


async def test_one_that_another_sets_rings_too() -> None:
    time, rung = VirtualPace(), []
    alarms = Alarms(time.pace)
    alarms.set(1.0, lambda: alarms.set(3.0, lambda: rung.append(time.now_s)))
    await settle()
    await time.advance(1)
    assert rung == []
    await time.advance(2)
    assert rung == [3.0]
    alarms.close()


async def test_a_cancelled_one_never_rings_and_is_forgotten_long_before_its_time() -> None:
    time, rung = VirtualPace(), []
    alarms = Alarms(time.pace)
    for number in range(10_000):
        alarms.set(3600.0, lambda: rung.append("cancelled")).cancel()
        assert len(alarms._set) <= 128, number
    alarms.set(3600.0, lambda: rung.append("kept"))
    await settle()
    await time.advance(3600)
    assert rung == ["kept"]
    alarms.close()


async def test_an_earlier_one_wakes_the_sleeper_earlier() -> None:
    time, rung = VirtualPace(), []
    alarms = Alarms(time.pace)
    alarms.set(100.0, lambda: rung.append(100))
    await settle()
    alarms.set(1.0, lambda: rung.append(1))
    await settle()
    await time.advance(1)
    assert rung == [1]
    await time.advance(99)
    assert rung == [1, 100]
    alarms.close()
    await asyncio.sleep(0)
