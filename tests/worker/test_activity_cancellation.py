"""How an attempt is told to stop and what is reported then."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from scripted_service import activities_running, activity_task, settle, values
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki import activity
from tsuzuki.exceptions import CancelledError
from tsuzuki.service import ServiceError, StatusCode


async def test_pushed_cancel_interrupts_and_is_reported_as_canceled() -> None:
    seen: list[object] = []

    @activity.defn
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append((activity.is_cancelled(), activity.cancellation_details()))
            raise

    async with activities_running(wait) as setting:
        task = activity_task("wait")
        setting.service.give(task)
        await settle()
        setting.service.push_cancel(task)
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)
    assert seen == [(True, activity.ActivityCancellationDetails(cancel_requested=True))]
    assert setting.service.watching == {}


async def test_cleaned_up_value_counts_when_cancellation_is_swallowed() -> None:
    @activity.defn
    async def tidy() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "tidy"
        return "never"

    async with activities_running(tidy) as setting:
        task = activity_task("tidy")
        setting.service.give(task)
        await settle()
        setting.service.push_cancel(task)
        sent = await setting.service.received()
        assert isinstance(sent, RespondActivityTaskCompletedRequest)
        assert values(sent.result) == ["tidy"]


async def test_details_of_a_raised_cancelled_error_are_reported() -> None:
    @activity.defn
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise CancelledError("stopped", "at page", 4) from None

    async with activities_running(wait) as setting:
        task = activity_task("wait")
        setting.service.give(task)
        await settle()
        setting.service.push_cancel(task)
        assert values((await setting.service.received()).details) == ["at page", 4]


async def test_cancel_from_the_activitys_own_step_reaches_its_next_wait_only() -> None:
    steps: list[str] = []

    @activity.defn
    async def cancel_myself(then_wait: bool) -> str:
        setting.service.push_cancel(task)
        steps.append("goes on")
        if then_wait:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return "done"

    async with activities_running(cancel_myself) as setting:
        task = activity_task("cancel_myself", False)
        sent = await setting.run(task)
        assert isinstance(sent, RespondActivityTaskCompletedRequest)
        task = activity_task("cancel_myself", True)
        sent = await setting.run(task)
        assert isinstance(sent, RespondActivityTaskCanceledRequest)
    assert steps == ["goes on", "goes on"]


async def test_cancelled_error_that_nobody_asked_for_is_a_failure() -> None:
    @activity.defn
    async def confused() -> None:
        raise asyncio.CancelledError

    async with activities_running(confused) as setting:
        sent = await setting.run(activity_task("confused"))
    assert isinstance(sent, RespondActivityTaskFailedRequest)
    assert sent.failure.application_failure_info.type == "CancelledError"


async def test_wait_for_cancelled_wakes_a_task_of_the_activity() -> None:
    woken = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        async def watch() -> None:
            await activity.wait_for_cancelled()
            woken.set()

        await asyncio.gather(asyncio.create_task(watch()))

    async with activities_running(wait) as setting:
        task = activity_task("wait")
        setting.service.give(task)
        await settle()
        assert not woken.is_set()
        setting.service.push_cancel(task)
        await settle()
        # The gathered task is cancelled in the same breath as it is woken; either order shows the wish.
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)


@activity.defn
async def beat_and_wait() -> None:
    activity.heartbeat("alive")
    await asyncio.Event().wait()


async def test_cancel_in_the_answer_to_a_heartbeat() -> None:
    async with activities_running(beat_and_wait) as setting:
        setting.service.heartbeat_answers.append(RecordActivityTaskHeartbeatResponse(cancel_requested=True))
        await setting.run(activity_task("beat_and_wait"))
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)


async def test_pause_and_reset_are_failures_to_be_retried() -> None:
    async with activities_running(beat_and_wait) as setting:
        for answer, type_name in (
            (RecordActivityTaskHeartbeatResponse(activity_paused=True), "ActivityPause"),
            (RecordActivityTaskHeartbeatResponse(activity_reset=True), "ActivityReset"),
        ):
            setting.service.heartbeat_answers.append(answer)
            await setting.run(activity_task("beat_and_wait"))
            info = (await setting.service.received()).failure.application_failure_info
            assert (info.type, info.non_retryable) == (type_name, False)


async def test_attempt_that_the_engine_no_longer_knows_stops_and_reports_nothing() -> None:
    stopped = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        activity.heartbeat()
        try:
            await asyncio.Event().wait()
        finally:
            assert activity.cancellation_details() == activity.ActivityCancellationDetails(not_found=True)
            stopped.set()

    async with activities_running(wait) as setting:
        setting.service.refuse("heartbeat", ServiceError(StatusCode.NOT_FOUND, "the run is closed"))
        await setting.run(activity_task("wait"))
        await asyncio.wait_for(stopped.wait(), 60)
        await settle()
        assert setting.service.nothing_received()


async def test_shutdown_gives_grace_then_cancels_as_a_failure_to_be_retried() -> None:
    shutdown_seen = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        await activity.wait_for_worker_shutdown()
        assert activity.is_worker_shutdown()
        shutdown_seen.set()
        await asyncio.Event().wait()

    @activity.defn
    async def hurry() -> str:
        await activity.wait_for_worker_shutdown()
        return "in time"

    async with activities_running(wait, hurry) as setting:
        setting.service.give(activity_task("wait"), activity_task("hurry"))
        await settle()
        stopping = asyncio.ensure_future(setting.worker.stop(timedelta(seconds=30)))
        assert values((await setting.service.received()).result) == ["in time"]
        await shutdown_seen.wait()
        await setting.time.advance(29)
        assert setting.service.nothing_received()
        assert not stopping.done()
        await setting.time.advance(1)
        info = (await setting.service.received()).failure.application_failure_info
        assert (info.type, info.non_retryable) == ("WorkerShutdown", False)
        await stopping
        assert setting.service.polls_open == 0


async def test_attempt_past_its_timeout_gives_its_slot_back_and_reports_nothing() -> None:
    @activity.defn
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            assert activity.cancellation_details() == activity.ActivityCancellationDetails(timed_out=True)

    async with activities_running(hang, slots=1) as setting:
        setting.service.give(activity_task("hang", start_to_close_s=60))
        await settle()
        for _ in range(13):  # looked at every 5 s; 60 s of its own and 5 s for an answer on its way
            await setting.time.advance(5)
        assert setting.service.polls_open == 0
        await setting.time.advance(5)
        assert setting.service.polls_open == 1
        assert setting.service.sent == []
