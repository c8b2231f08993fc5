"""What happens when the service does not take an outcome at once."""

from __future__ import annotations

import asyncio
import logging

import pytest
from scripted_service import activities_running, activity_task, settle, values
from temporalio.api.workflowservice.v1 import RespondActivityTaskFailedRequest

from tsuzuki import activity
from tsuzuki.exceptions import ApplicationError
from tsuzuki.service import ServiceError, StatusCode

AWAY = ServiceError(StatusCode.UNAVAILABLE, "reopening the store")


@activity.defn
async def work() -> str:
    return "done"


async def test_outage_is_waited_out_with_the_same_request() -> None:
    async with activities_running(work) as setting:
        setting.service.refuse("completed", AWAY, AWAY, AWAY)
        first = await setting.run(activity_task("work"))
        for delay_s in (0.05, 0.1, 0.2):
            await setting.time.sleepers()
            assert setting.service.nothing_received()
            await setting.time.advance(delay_s)
            assert await setting.service.received() is first


async def test_delays_double_up_to_fifteen_seconds() -> None:
    async with activities_running(work) as setting:
        setting.service.refuse("completed", *[AWAY] * 12)
        await setting.run(activity_task("work", start_to_close_s=600))
        for _ in range(12):
            await setting.time.sleepers()
            await setting.time.advance(15)
            await setting.service.received()
        assert setting.time.slept[:3] == [0.05, 0.1, 0.2]
        assert setting.time.slept[-1] == 15


async def test_it_ends_when_the_attempt_has_timed_out(caplog: pytest.LogCaptureFixture) -> None:
    async with activities_running(work, slots=1) as setting:
        setting.service.refuse("completed", *[AWAY] * 8)
        await setting.run(activity_task("work", start_to_close_s=3))
        for _ in range(5):  # after 0.05, 0.15, 0.35, 0.75 and 1.55 s; the next would come after 3 s
            await setting.time.sleepers()
            await setting.time.advance(setting.time.slept[-1])
            await setting.service.received()
        await settle()
        assert setting.service.polls_open == 1  # the slot has moved on
    assert "could not be recorded (UNAVAILABLE" in caplog.text


async def test_outcome_of_an_attempt_that_is_over_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with activities_running(work, slots=1) as setting:
        setting.service.refuse("completed", ServiceError(StatusCode.NOT_FOUND, "other attempt"))
        await setting.run(activity_task("work"))
        await settle()
        assert setting.service.nothing_received()
        assert setting.service.polls_open == 1
    assert [record.levelno for record in caplog.records if "was dropped" in record.getMessage()] == [logging.DEBUG]


@pytest.mark.parametrize(
    "refusal",
    [
        ServiceError(StatusCode.INVALID_ARGUMENT, "result of 3000000 bytes exceeds the limit of 2097152 bytes"),
        ServiceError(StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (5 vs. 4)"),
    ],
)
async def test_result_too_large_fails_the_activity_and_names_the_way_out(refusal: ServiceError) -> None:
    async with activities_running(work) as setting:
        setting.service.refuse("completed", refusal)
        refused = await setting.run(activity_task("work"))
        sent = await setting.service.received()
    assert isinstance(sent, RespondActivityTaskFailedRequest)
    info = sent.failure.application_failure_info
    assert (info.type, info.non_retryable) == ("PayloadsTooLarge", True)
    assert refusal.message in sent.failure.message
    assert f"{refused.ByteSize()} bytes" in sent.failure.message
    assert "return a reference" in sent.failure.message


async def test_failure_too_large_is_cut() -> None:
    @activity.defn
    async def fail() -> None:
        raise ApplicationError("x" * 10_000, type="Big", non_retryable=False)

    async with activities_running(fail) as setting:
        setting.service.refuse("failed", ServiceError(StatusCode.INVALID_ARGUMENT, "failure too large"))
        await setting.run(activity_task("fail"))
        sent = await setting.service.received()
    assert sent.failure.message == "x" * 2_000
    info = sent.failure.application_failure_info
    assert (info.type, info.non_retryable) == ("Big", False)


async def test_rate_limit_is_no_limit_of_size() -> None:
    async with activities_running(work) as setting:
        setting.service.refuse(
            "completed", ServiceError(StatusCode.RESOURCE_EXHAUSTED, "namespace rate limit exceeded")
        )
        first = await setting.run(activity_task("work"))
        await setting.time.sleepers()
        await setting.time.advance(1)
        assert await setting.service.received() is first


async def test_cancel_during_the_response_changes_nothing() -> None:
    async with activities_running(work) as setting:
        setting.service.refuse("completed", AWAY)
        task = activity_task("work")
        setting.service.give(task)
        await setting.service.received()
        await setting.time.sleepers()
        assert task.task_token not in setting.service.watching
        await setting.time.advance(1)
        assert values((await setting.service.received()).result) == ["done"]
        await asyncio.sleep(0)
