"""Local activities on a worker and an engine that share a virtual clock."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from local_site import LocalSite, local_site
from pooled_activities import add
from temporalio.api.common.v1 import Payload

from tsuzuki import activity, workflow
from tsuzuki.activity import ActivityCancellationDetails
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import RetryPolicy
from tsuzuki.converter import DataConverter, EncryptionCodec
from tsuzuki.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError, TimeoutType
from tsuzuki.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from tsuzuki.workflow import ActivityCancellationType

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ONCE = RetryPolicy(maximum_attempts=1)


class Work:
    """An activity that the test watches: it takes as long as told, in virtual time."""

    def __init__(self, site: LocalSite) -> None:
        self._site = site
        self.begun: list[float] = []
        self.stopped: list[ActivityCancellationDetails | None] = []
        self.failures = 0

    @activity.defn(name="work")
    async def work(self, seconds: float) -> float:
        self.begun.append(self._site.now())
        if len(self.begun) <= self.failures:
            raise ApplicationError(f"attempt {activity.info().attempt}", type="Early")
        try:
            await self._site.sleep(seconds)
        except asyncio.CancelledError:
            self.stopped.append(activity.cancellation_details())
            raise
        return seconds


@pytest.fixture
async def site() -> AsyncIterator[LocalSite]:
    async with local_site() as site:
        yield site


async def failure_of(handle: Any) -> BaseException:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert caught.value.cause is not None
    return caught.value.cause


@workflow.defn
class One:
    """One call, with the options that the test gives."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    @workflow.run
    async def run(self, seconds: float, options: str = "") -> Any:
        return await workflow.execute_local_activity("work", seconds, **OPTIONS[options])

    @workflow.signal
    def tell(self, text: str) -> None:
        self.signals.append(text)

    @workflow.query
    def told(self) -> list[str]:
        return self.signals


OPTIONS: dict[str, Any] = {
    "": {"start_to_close_timeout": HOUR},
    "once, 5 s": {"start_to_close_timeout": timedelta(seconds=5), "retry_policy": ONCE},
    "5 s each": {
        "start_to_close_timeout": timedelta(seconds=5),
        "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=2),
    },
    "10 s in all": {"schedule_to_close_timeout": timedelta(seconds=10)},
    "10 s in all, through timers": {
        "schedule_to_close_timeout": timedelta(seconds=10),
        "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=12)),
        "local_retry_threshold": timedelta(seconds=1),
    },
    "threshold": {
        "start_to_close_timeout": HOUR,
        "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=3)),
        "local_retry_threshold": timedelta(seconds=6),
    },
    "3 s to start": {"start_to_close_timeout": HOUR, "schedule_to_start_timeout": timedelta(seconds=3)},
}


# ---- the workflow task stays open --------------------------------------------------------------------------


async def test_a_short_one_costs_one_marker_in_the_same_workflow_task(site: LocalSite) -> None:
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 3.0)
        assert await site.notation(handle) == "Started"
        await site.advance(3)
        assert await handle.result() == 3.0
    assert await site.notation(handle) == "Started | WFT | Marker | Completed"
    await site.replays(handle, One)


async def test_a_long_one_is_heartbeaten_at_four_fifths_of_the_timeout_and_runs_once(site: LocalSite) -> None:
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 30.0)
        await site.advance(7.999)
        assert await site.notation(handle) == "Started"
        await site.advance(0.001)
        assert await site.notation(handle) == "Started | WFT"
        await site.advance(21)
        assert await site.notation(handle) == "Started | WFT | WFT | WFT"
        await site.advance(1)
        assert await handle.result() == 30.0
    assert len(work.begun) == 1
    assert await site.notation(handle) == "Started | WFT | WFT | WFT | WFT | Marker | Completed"
    await site.replays(handle, One)


async def test_the_workflow_task_timeout_that_was_asked_for_counts(site: LocalSite) -> None:
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 30.0, task_timeout=timedelta(seconds=2))
        await site.advance(1.6)
        assert await site.notation(handle) == "Started | WFT"
        await handle.terminate()


@pytest.mark.parametrize("cached", [0, 1, 1000])
async def test_a_long_one_survives_a_full_cache(site: LocalSite, cached: int) -> None:
    """Eviction between two heartbeats would throw its work away."""
    work = Work(site)

    @workflow.defn
    class Other:
        @workflow.run
        async def run(self) -> None:
            await workflow.sleep(1)

    async with site.worker([One, Other], [work.work], max_cached_workflows=cached):
        handle = await site.start(One.run, 20.0)
        for number in range(3):
            await site.client.start_workflow(Other.run, id=f"other-{number}", task_queue="queue")
        await site.advance(40)
        assert await handle.result() == 20.0
    assert len(work.begun) == 1


async def test_what_ends_between_two_workflow_tasks_is_told_in_the_next(
    site: LocalSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where nothing is cached; the heartbeat's answer is held up until the activity has ended."""
    work = Work(site)
    respond = site.client.service.respond_workflow_task_completed

    async def respond_late(request: Any) -> Any:
        if request.force_create_new_workflow_task:
            await site.sleep(1)
        return await respond(request)

    monkeypatch.setattr(site.client.service, "respond_workflow_task_completed", respond_late)
    async with site.worker([One], [work.work], max_cached_workflows=0):
        handle = await site.start(One.run, 8.5)
        await site.advance(20)
        assert await handle.result() == 8.5
    assert len(work.begun) == 1


async def test_the_clock_of_the_workflow_moves_with_it(site: LocalSite) -> None:
    @workflow.defn
    class Times:
        @workflow.run
        async def run(self) -> list[float]:
            seen = [workflow.time()]
            for _ in range(2):
                await workflow.execute_local_activity("work", 3.0, start_to_close_timeout=HOUR)
                seen.append(workflow.time())
            return [later - seen[0] for later in seen]

    work = Work(site)
    async with site.worker([Times], [work.work]):
        handle = await site.start(Times.run)
        await site.advance(6)
        assert await handle.result() == [0, 3, 6]
    await site.replays(handle, Times)


# ---- retries and timeouts ----------------------------------------------------------------------------------


async def test_back_off_up_to_the_threshold_is_waited_for_here_and_beyond_it_in_a_timer(site: LocalSite) -> None:
    """Back-offs of 3, 6 and 12 s; the threshold is 6 s."""
    work = Work(site)
    work.failures = 3
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 1.0, "threshold", task_timeout=MINUTE)
        for seconds in (3, 6, 12, 1):
            await site.advance(seconds)
        assert await handle.result() == 1.0
    assert [later - work.begun[0] for later in work.begun] == [0, 3, 9, 21]
    assert await site.notation(handle) == (
        "Started | WFT | Marker failed | TIMER_STARTED | TIMER_FIRED | WFT | Marker | Completed"
    )
    await site.replays(handle, One)


async def test_each_attempt_has_its_time_and_its_late_word_is_not_heard(site: LocalSite) -> None:
    begun = []
    heard = []

    @activity.defn(name="work")
    async def stubborn(seconds: float) -> str:
        begun.append(site.now())
        try:
            await site.sleep(seconds)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            heard.append(details is not None and details.timed_out)
        return "late"

    async with site.worker([One], [stubborn]):
        handle = await site.start(One.run, 30.0, "5 s each", task_timeout=MINUTE)
        await site.advance(4.999)
        assert not heard
        await site.advance(0.001 + 2 + 5)
        error = await failure_of(handle)
    assert [later - begun[0] for later in begun] == [0, 7]
    assert heard == [True, True]
    assert isinstance(error, ActivityError)
    assert isinstance(error.cause, TimeoutError)
    assert error.cause.type is TimeoutType.START_TO_CLOSE


async def test_no_attempt_begins_that_the_time_for_all_would_not_see(site: LocalSite) -> None:
    """Attempts at 0, 1, 3 and 7 s; the next at 15 s would come after the 10 s are up: the last failure stands."""
    work = Work(site)
    work.failures = 99
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 1.0, "10 s in all")
        await site.advance(7)
        error = await failure_of(handle)
    assert [later - work.begun[0] for later in work.begun] == [0, 1, 3, 7]
    assert isinstance(error, ApplicationError)
    assert error.message == "attempt 4"


async def test_the_time_for_all_attempts_ends_the_running_one(site: LocalSite) -> None:
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 100.0, "10 s in all")
        await site.advance(10)
        error = await failure_of(handle)
        assert [details and details.timed_out for details in work.stopped] == [True]
    assert isinstance(error, ActivityError)
    assert isinstance(error.cause, TimeoutError)
    assert error.cause.type is TimeoutType.SCHEDULE_TO_CLOSE


async def test_the_time_for_all_attempts_runs_on_while_a_timer_does(site: LocalSite) -> None:
    work = Work(site)
    work.failures = 99
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 1.0, "10 s in all, through timers")
        await site.advance(12)
        error = await failure_of(handle)
    assert len(work.begun) == 1
    assert isinstance(error, ActivityError)
    assert isinstance(error.cause, TimeoutError)
    assert error.cause.type is TimeoutType.SCHEDULE_TO_CLOSE
    await site.replays(handle, One)


async def test_slots_are_given_in_order_and_waiting_for_one_can_time_out(site: LocalSite) -> None:
    @workflow.defn
    class Three:
        @workflow.run
        async def run(self) -> list[Any]:
            calls = [
                workflow.start_local_activity("work", 2.0, **OPTIONS[""]),
                workflow.start_local_activity("work", 2.0, **OPTIONS[""]),
                workflow.start_local_activity("work", 2.0, **OPTIONS["3 s to start"]),
            ]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            return [str(getattr(it, "cause", it)) for it in ended]

    work = Work(site)
    async with site.worker([Three], [work.work], max_concurrent_local_activities=1):
        handle = await site.start(Three.run)
        await site.advance(4)
        assert await handle.result() == ["2.0", "2.0", "Activity timed out"]
    assert [later - work.begun[0] for later in work.begun] == [0, 2]


# ---- cancellation ------------------------------------------------------------------------------------------


@workflow.defn
class CancelsAfter:
    """Cancels a call when another one has ended, and says when it heard of it."""

    @workflow.run
    async def run(self, cancellation_type: int) -> list[Any]:
        began = workflow.time()
        handle = workflow.start_local_activity(
            "work",
            6.0,
            start_to_close_timeout=HOUR,
            cancellation_type=ActivityCancellationType(cancellation_type),
        )
        await workflow.execute_local_activity("work", 2.0, start_to_close_timeout=HOUR)
        handle.cancel()
        try:
            result = await handle
        except ActivityError as error:
            result = type(error.cause).__name__
        return [result, workflow.time() - began]


@pytest.mark.parametrize("kind", list(ActivityCancellationType))
async def test_what_a_cancellation_does(site: LocalSite, kind: ActivityCancellationType) -> None:
    work = Work(site)
    async with site.worker([CancelsAfter], [work.work]):
        handle = await site.start(CancelsAfter.run, int(kind))
        await site.advance(2)
        assert await handle.result() == ["CancelledError", 2]
        await site.advance(10)
    told = [details and details.cancel_requested for details in work.stopped]
    assert told == ([] if kind is ActivityCancellationType.ABANDON else [True])
    await site.replays(handle, CancelsAfter)


async def test_a_closed_workflow_stops_what_it_left_running(site: LocalSite) -> None:
    @workflow.defn
    class Leaves:
        @workflow.run
        async def run(self) -> str:
            workflow.fire_and_forget(workflow.execute_local_activity("work", 60.0, start_to_close_timeout=HOUR))
            await workflow.execute_local_activity("work", 1.0, start_to_close_timeout=HOUR)
            return "left"

    work = Work(site)
    async with site.worker([Leaves], [work.work]):
        handle = await site.start(Leaves.run)
        await site.advance(1)
        assert await handle.result() == "left"
        await site.clock.settle()
        assert [details and details.not_found for details in work.stopped] == [True]
    assert await site.notation(handle) == "Started | WFT | Marker | Completed"


async def test_a_shielded_one_ends_before_the_workflow_closes(site: LocalSite) -> None:
    @workflow.defn
    class Shields:
        @workflow.run
        async def run(self) -> None:
            try:
                await workflow.sleep(HOUR.total_seconds())
            finally:
                await workflow.shield(workflow.execute_local_activity("work", 5.0, start_to_close_timeout=HOUR))

    work = Work(site)
    async with site.worker([Shields], [work.work]):
        handle = await site.start(Shields.run)
        await handle.cancel()
        await site.advance(4)
        assert (await site.notation(handle)).endswith("WORKFLOW_EXECUTION_CANCEL_REQUESTED")
        await site.advance(1)
        assert isinstance(await failure_of(handle), CancelledError)
    assert (await site.notation(handle)).endswith("WFT | TIMER_CANCELED | Marker | Canceled")
    assert work.stopped == []
    await site.replays(handle, Shields)


# ---- signals and queries meanwhile -------------------------------------------------------------------------


async def test_a_signal_is_seen_with_the_next_heartbeat(site: LocalSite) -> None:
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 20.0)
        await handle.signal(One.tell, "meanwhile")
        await site.advance(8)
        assert await site.notation(handle) == "Started | WFT | Signaled"
        told = asyncio.ensure_future(handle.query(One.told))
        await site.advance(8)
        assert await told == ["meanwhile"]
        await site.advance(4)
        assert await handle.result() == 20.0
    assert len(work.begun) == 1


async def test_who_asks_is_answered_when_a_heartbeat_brings_the_question(site: LocalSite) -> None:
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 20.0)
        told = asyncio.ensure_future(handle.query(One.told))
        await site.advance(7.9)
        assert not told.done()
        await site.advance(0.1)
        assert await told == []
        await site.advance(12)
        assert await handle.result() == 20.0
    assert len(work.begun) == 1
    await site.replays(handle, One)


async def test_it_runs_again_when_news_kept_the_workflow_from_closing(site: LocalSite) -> None:
    """The marker went down with the workflow task: at least once."""
    work = Work(site)
    async with site.worker([One], [work.work]):
        handle = await site.start(One.run, 3.0)
        await handle.signal(One.tell, "news")
        await site.advance(6)
        assert await handle.result() == 3.0
    assert len(work.begun) == 2
    assert await site.notation(handle) == "Started | WFTFailed | Signaled | WFT | Marker | Completed"


# ---- workers come and go -----------------------------------------------------------------------------------


async def test_a_stopping_worker_hands_the_workflow_over_at_once(site: LocalSite) -> None:
    first, second = Work(site), Work(site)
    async with site.worker([One], [first.work]):
        handle = await site.start(One.run, 5.0)
        await site.advance(1)
    assert [details and details.worker_shutdown for details in first.stopped] == [True]
    async with site.worker([One], [second.work]):
        await site.clock.settle()
        assert len(second.begun) == 1, "no timeout had to pass"
        await site.advance(5)
        assert await handle.result() == 5.0
    assert await site.notation(handle) == "Started | WFT | WFT | Marker | Completed"


async def test_a_stopping_worker_gives_it_the_time_for_a_graceful_end(site: LocalSite) -> None:
    work = Work(site)
    worker = site.worker([One], [work.work], graceful_shutdown_timeout=timedelta(seconds=6))
    running = asyncio.ensure_future(worker.run())
    handle = await site.start(One.run, 5.0)
    stopping = asyncio.ensure_future(worker.shutdown())
    await site.advance(4.9)
    assert not stopping.done()
    await site.advance(0.1)
    await asyncio.gather(stopping, running)
    assert await handle.result() == 5.0
    assert await site.notation(handle) == "Started | WFT | Marker | Completed"


async def test_a_recorded_one_is_never_run_again(site: LocalSite) -> None:
    @workflow.defn
    class Sleeps:
        @workflow.run
        async def run(self) -> float:
            worked: float = await workflow.execute_local_activity("work", 1.0, start_to_close_timeout=HOUR)
            await workflow.sleep(10)
            return worked

    first, second = Work(site), Work(site)
    async with site.worker([Sleeps], [first.work]):
        handle = await site.start(Sleeps.run)
        await site.advance(1)
    async with site.worker([Sleeps], [second.work]):
        await site.advance(20)
        assert await handle.result() == 1.0
    assert (len(first.begun), len(second.begun)) == (1, 0)


async def test_a_workflow_task_that_timed_out_is_let_go_when_the_next_one_comes(site: LocalSite) -> None:
    """The worker's clock stands still, so that it sends no heartbeat."""
    work = Work(site)
    async with site.worker([One], [work.work], now=lambda: 0.0):
        handle = await site.start(One.run, 15.0)
        await site.advance(10)
        assert len(work.begun) == 2
        assert [details and details.not_found for details in work.stopped] == [True]
        await handle.terminate()


# ---- what code can get wrong -------------------------------------------------------------------------------


@workflow.defn
class Wrong:
    @workflow.run
    async def run(self, how: str) -> str:
        try:
            match how:
                case "unknown":
                    await workflow.execute_local_activity("wrk", 1.0, start_to_close_timeout=HOUR)
                case "no timeout":
                    await workflow.execute_local_activity("work", 1.0)
                case "option":
                    await workflow.execute_local_activity("work", 1.0, start_to_close_timout=HOUR)  # type: ignore[call-overload]
                case "heartbeat":
                    await workflow.execute_local_activity("work", 1.0, heartbeat_timeout=HOUR)  # type: ignore[call-overload]
                case "type":
                    await workflow.execute_local_activity("work", 1.0, start_to_close_timeout=60)  # type: ignore[call-overload]
                case "zero":
                    await workflow.execute_local_activity("work", 1.0, start_to_close_timeout=timedelta(0))
                case "argument":
                    await workflow.execute_local_activity("work", object(), start_to_close_timeout=HOUR)
        except (TypeError, ValueError) as error:
            return str(error)
        return "nothing"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("unknown", "local activity 'wrk' is not registered on this worker (task queue 'queue'), which would run it "),
        ("unknown", "did you mean 'work'?"),
        ("no timeout", "local activity work has no bound: give start_to_close_timeout (one attempt) or"),
        ("option", "a local activity has no option start_to_close_timout; did you mean start_to_close_timeout?"),
        ("heartbeat", "a local activity has no option heartbeat_timeout"),
        ("type", "the local activity option start_to_close_timeout is 60 (int); it must be of type timedelta"),
        ("zero", "local activity work: start_to_close_timeout is 0:00:00; it must be more than zero"),
        ("argument", "argument number 1 of activity 'work'"),
    ],
)
async def test_what_is_refused_at_the_call(site: LocalSite, how: str, says: str) -> None:
    async with site.worker([Wrong], [Work(site).work]):
        handle = await site.start(Wrong.run, how)
        assert says in await handle.result()


async def test_a_worker_without_activities_says_so(site: LocalSite) -> None:
    async with site.worker([Wrong]):
        handle = await site.start(Wrong.run, "unknown")
        assert "this worker has no activities" in await handle.result()


async def test_it_cannot_be_completed_from_elsewhere(site: LocalSite) -> None:
    @activity.defn(name="work")
    async def elsewhere(seconds: float) -> None:
        activity.raise_complete_async()

    async with site.worker([One], [elsewhere]):
        error = await failure_of(await site.start(One.run, 1.0))
    assert isinstance(error, ApplicationError)
    assert "local activity 'work' called raise_complete_async()" in error.message


async def test_a_query_cannot_start_one(site: LocalSite) -> None:
    @workflow.defn
    class Asks:
        @workflow.run
        async def run(self) -> None:
            await workflow.sleep(60)

        @workflow.query
        def ask(self) -> str:
            try:
                workflow.start_local_activity("work", 1.0, start_to_close_timeout=HOUR)
            except workflow.ReadOnlyContextError as error:
                return str(error)
            return "started"

    async with site.worker([Asks], [Work(site).work]):
        handle = await site.start(Asks.run)
        assert await handle.query(Asks.ask) == "query 'ask' must only look at the workflow, but tried to start a " + (
            "local activity"
        )
        await handle.terminate()


async def test_options_of_a_block_count_as_far_as_they_are_its_own(site: LocalSite) -> None:
    @workflow.defn
    class Blocks:
        @workflow.run
        async def run(self) -> Any:
            with workflow.activity_options(
                start_to_close_timeout=timedelta(seconds=5), heartbeat_timeout=HOUR, task_queue="x", retry_policy=ONCE
            ):
                return await workflow.execute_local_activity("work", 30.0)

    work = Work(site)
    async with site.worker([Blocks], [work.work]):
        handle = await site.start(Blocks.run)
        await site.advance(5)
        assert isinstance((await failure_of(handle)).cause, TimeoutError)  # type: ignore[attr-defined]


# ---- what an activity sees, and where it runs --------------------------------------------------------------


async def test_what_the_activity_sees(site: LocalSite) -> None:
    seen = []

    @activity.defn(name="work")
    async def looks(seconds: float) -> None:
        activity.heartbeat("nobody listens")
        seen.append(activity.info())

    async with site.worker([One], [looks]):
        handle = await site.start(One.run, 1.0)
        await handle.result()
    [info] = seen
    assert info.is_local
    assert (info.activity_id, info.activity_type, info.attempt) == ("1", "work", 1)
    assert (info.workflow_id, info.workflow_type, info.task_queue) == ("local", "One", "queue")
    assert info.start_to_close_timeout == HOUR
    assert info.scheduled_time == info.started_time


@workflow.defn
class Adds:
    @workflow.run
    async def run(self) -> Any:
        return await workflow.execute_local_activity("add", args=[1, 2], start_to_close_timeout=HOUR)


@pytest.mark.parametrize("pool", ["threads", "processes"])
async def test_synchronous_ones_run_in_the_workers_executor(site: LocalSite, pool: str) -> None:
    if pool == "threads":
        async with site.worker([Adds], [add]):
            assert await (await site.start(Adds.run)).result() == [3, True, 1]
        return
    with ProcessPoolExecutor(1) as processes:
        async with site.worker([Adds], [add], activity_executor=processes, max_concurrent_activities=1):
            assert await (await site.start(Adds.run)).result() == [3, True, 1]


async def test_a_codec_sees_the_result_and_leaves_the_rest_of_the_marker() -> None:
    """Official SDKs read the rest before any codec does."""
    codec = EncryptionCodec({"key": b"k" * 32}, key_id="key")
    async with local_site() as site:
        plain, site.client = site.client, Client(site.client.service, data_converter=DataConverter(payload_codec=codec))
        async with site.worker([One], [Work(site).work]):
            handle = await site.start(One.run, 1.0)
            await site.advance(1)
            assert await handle.result() == 1.0
        await site.replays(handle, One)
        recorded = (await plain.get_workflow_handle("local").fetch_history()).events[4]
    details = recorded.marker_recorded_event_attributes.details
    assert details["data"].payloads[0].metadata["encoding"] == b"json/plain"
    assert details["result"].payloads[0].metadata["encoding"] == b"binary/encrypted"


class Tagging(Interceptor):
    """Puts a header on each local activity, and reads it where that runs."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        seen = self.seen

        class Reads(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                seen.append({name: payload.data for name, payload in input.headers.items()})
                return await super().execute_activity(input)

        return Reads(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return TagsWorkflow


class TagsWorkflow(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(TagsCalls(outbound))


class TagsCalls(WorkflowOutboundInterceptor):
    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = {"tag": Payload(data=input.activity.encode())}
        return super().start_local_activity(input)


async def test_interceptors_stand_around_each_attempt_and_the_call(site: LocalSite) -> None:
    work = Work(site)
    work.failures = 1
    tagging = Tagging()
    async with site.worker([One], [work.work], interceptors=[tagging]):
        handle = await site.start(One.run, 1.0)
        await site.advance(2)
        assert await handle.result() == 1.0
    assert tagging.seen == [{"tag": b"work"}, {"tag": b"work"}]
    await site.replays(handle, One)


# ---- changed code ------------------------------------------------------------------------------------------


def changed(*calls: str) -> Any:
    @workflow.defn(name="Recorded")
    class Changed:
        @workflow.run
        async def run(self) -> None:
            for call in calls:
                await workflow.execute_local_activity(call, 1.0, start_to_close_timeout=HOUR)
            await workflow.execute_activity("ordinary", start_to_close_timeout=HOUR)

    return Changed


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        (["other"], "event 5 is MarkerRecorded of local activity 'work' (activity 1), but X now produces RecordMarker"),
        (
            [],
            "event 5 is MarkerRecorded of local activity 'work' (activity 1), but X now produces ScheduleActivityTask",
        ),
        (
            ["work", "new"],
            "event 6 is ActivityTaskScheduled 'ordinary' (activity 2), but X now produces RecordMarker of local "
            "activity 'new' (activity 2)",
        ),
    ],
)
async def test_code_that_no_longer_fits_its_marker(site: LocalSite, calls: list[str], says: str) -> None:
    @activity.defn
    async def ordinary() -> None:
        pass

    recorded = changed("work")
    async with site.worker([recorded], [Work(site).work, ordinary]):
        handle = await site.start(recorded.run)
        await site.advance(1)
        await handle.result()
    await site.replays(handle, recorded)
    pattern = re.escape(says).replace("X", r"test_local_activities\.py:\d+")
    with pytest.raises(workflow.NondeterminismError, match=pattern):
        await site.replays(handle, changed(*calls))
