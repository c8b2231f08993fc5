"""Polls: slot first, as many as the service is near, through outages, and none lost at the end."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from scripted_service import ScriptedService, VirtualPace, activities_running, activity_task, settle, values
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki import activity
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.worker._pollers import Slots, TaskSource

_LONG = timedelta(hours=1)
AWAY = ServiceError(StatusCode.UNAVAILABLE, "away")


class Gate:
    """An activity that runs until it is let go."""

    def __init__(self) -> None:
        self.running = 0
        self.open = asyncio.Event()

    @activity.defn
    async def work(self) -> None:
        self.running += 1
        await self.open.wait()


async def test_local_service_sees_each_free_slot() -> None:
    gate = Gate()
    async with activities_running(gate.work, slots=7) as setting:
        await settle()
        assert setting.service.polls_open == 7
        setting.service.give(*(activity_task("work") for _ in range(3)))
        await settle()
        assert (gate.running, setting.service.polls_open) == (3, 4)
        gate.open.set()
        await settle()
        assert setting.service.polls_open == 7


async def test_no_task_is_taken_without_a_slot() -> None:
    gate = Gate()
    async with activities_running(gate.work, slots=2) as setting:
        setting.service.give(*(activity_task("work") for _ in range(5)))
        await settle()
        assert (gate.running, setting.service.polls_open) == (2, 0)
        gate.open.set()
        for _ in range(5):
            await setting.service.received()
        assert gate.running == 5


async def test_remote_service_is_polled_five_times_at_once() -> None:
    gate = Gate()
    async with activities_running(gate.work, slots=20, local=False) as setting:
        await settle()
        assert setting.service.polls_open == 5
        setting.service.give(*(activity_task("work") for _ in range(18)))
        for _ in range(5):
            await settle()
        assert (gate.running, setting.service.polls_open) == (18, 2)
        gate.open.set()


async def test_empty_answer_is_followed_by_another_poll() -> None:
    gate = Gate()
    async with activities_running(gate.work, slots=1) as setting:
        await settle()
        setting.service.give(PollActivityTaskQueueResponse())
        await settle()
        assert setting.service.polls_open == 1
        assert len(setting.service.poll_requests) == 2


async def test_outage_backs_off_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gate = Gate()
    async with activities_running(gate.work, slots=3) as setting:
        setting.service.give(*[AWAY] * 3)
        await settle()
        await setting.time.sleepers(3)
        assert setting.service.polls_open == 0
        setting.service.give(*[AWAY] * 3)
        await setting.time.advance(0.05)
        assert setting.time.slept == [0.05] * 3 + [0.1] * 3
        await setting.time.advance(0.1)
        assert setting.service.polls_open == 3
        setting.service.give(activity_task("work"))
        await settle()
        assert gate.running == 1
        gate.open.set()
    messages = [record.getMessage() for record in caplog.records if "Polling" in record.getMessage()]
    assert len(messages) == 2
    assert "got no answer (UNAVAILABLE: away)" in messages[0]
    assert "is answered again" in messages[1]


async def test_refusal_for_good_is_fatal() -> None:
    gate = Gate()
    async with activities_running(gate.work, slots=1) as setting:
        refusal = ServiceError(StatusCode.PERMISSION_DENIED, "no")
        setting.service.give(refusal)
        await settle()
        assert setting.fatal == [refusal]
        assert setting.service.polls_open == 0


async def test_task_handed_over_as_polling_ends_is_run() -> None:
    """The answer is there, but the slot has not been resumed with it yet when the worker shuts down."""

    @activity.defn
    async def work() -> str:
        return "not lost"

    async with activities_running(work, slots=3) as setting:
        await settle()
        setting.service.give(activity_task("work"))
        setting.worker._slots._source.close()  # in this very step: the slot has not been resumed yet
        stopping = asyncio.ensure_future(setting.worker.stop(grace=_LONG))
        assert values((await setting.service.received()).result) == ["not lost"]
        await stopping


async def test_poll_that_answers_its_own_cancellation_with_a_task_is_run() -> None:
    handed: list[Any] = []
    task = activity_task("any")

    async def poll(request: object) -> PollActivityTaskQueueResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return task
        raise AssertionError

    async def execute(it: PollActivityTaskQueueResponse) -> None:
        await asyncio.sleep(0)
        handed.append(it)

    source = TaskSource(poll, None, polls_max=None, on_fatal=handed.append, pace=VirtualPace().pace, what="test")
    slots = Slots(source, execute, renew=True, on_fatal=handed.append)
    slots.open(1)
    await settle()
    await slots.close()
    assert handed == [task]


async def test_close_without_a_poll_answered_ends_every_slot() -> None:
    gate = Gate()
    async with activities_running(gate.work, slots=20, local=False) as setting:
        await settle()
        await setting.worker.stop(grace=_LONG)
        assert setting.service.polls_open == 0
        assert len(asyncio.all_tasks()) == 1


async def test_error_that_escapes_is_fatal_not_silent(caplog: pytest.LogCaptureFixture) -> None:
    service, fatal = ScriptedService(), []

    async def execute(it: PollActivityTaskQueueResponse) -> None:
        raise AssertionError("a bug")

    source = TaskSource(
        service.poll_activity_task_queue,
        None,  # type: ignore[arg-type]
        polls_max=None,
        on_fatal=fatal.append,
        pace=VirtualPace().pace,
        what="test",
    )
    slots = Slots(source, execute, renew=True, on_fatal=fatal.append)
    slots.open(1)
    service.give(activity_task("any"))
    await settle()
    assert [str(error) for error in fatal] == ["a bug"]
    assert "A worker slot failed" in caplog.text
    await slots.close()
