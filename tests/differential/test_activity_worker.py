"""Our activity worker under the real server with official workflows, and under our engine with ours.

One body for both: what an activity's attempts do, as its workflow sees it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import temporalio.client
import temporalio.common
import temporalio.exceptions
import temporalio.worker
import temporalio.workflow

import tsuzuki.common
import tsuzuki.exceptions
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.exceptions import ApplicationError, CancelledError
from tsuzuki.worker import Worker

LOST_AFTER_S = 60.0
QUEUE = "activities"


@dataclass
class Use:
    """How a workflow uses an activity."""

    name: str
    args: list[Any]
    attempts: int = 1
    heartbeat_s: float | None = None


@temporalio.workflow.defn(name="Uses", sandboxed=False)
class OfficialUses:
    """Runs one activity and tells how it ended."""

    @temporalio.workflow.run
    async def run(self, use: Use) -> str:
        api = temporalio.workflow
        running = api.start_activity(
            use.name,
            args=use.args,
            activity_id="the-activity",
            task_queue=QUEUE,
            start_to_close_timeout=timedelta(seconds=LOST_AFTER_S),
            heartbeat_timeout=timedelta(seconds=use.heartbeat_s) if use.heartbeat_s else None,
            retry_policy=temporalio.common.RetryPolicy(
                maximum_attempts=use.attempts, initial_interval=timedelta(milliseconds=1)
            ),
            cancellation_type=api.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        try:
            return f"result {await running}"
        except temporalio.exceptions.ActivityError as error:
            return _told(error)


@workflow.defn(name="Uses")
class OurUses:
    """The same, on our worker."""

    @workflow.run
    async def run(self, use: Use) -> str:
        running = workflow.start_activity(
            use.name,
            args=use.args,
            activity_id="the-activity",
            task_queue=QUEUE,
            start_to_close_timeout=timedelta(seconds=LOST_AFTER_S),
            heartbeat_timeout=timedelta(seconds=use.heartbeat_s) if use.heartbeat_s else None,
            retry_policy=tsuzuki.common.RetryPolicy(
                maximum_attempts=use.attempts, initial_interval=timedelta(milliseconds=1)
            ),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        try:
            return f"result {await running}"
        except tsuzuki.exceptions.ActivityError as error:
            return _told(error)


def _told(error: Any) -> str:
    cause = error.cause
    kind = getattr(cause, "type", None)
    return f"{type(cause).__name__} {kind} {list(getattr(cause, 'details', []))} {error.retry_state.name}"


@dataclass
class Place:
    """Somewhere that activities of our worker are used."""

    client: Client
    name: str

    def worker(self, *activities: Callable[..., Any], **options: Any) -> Worker:
        return Worker(self.client, task_queue=QUEUE, activities=activities, **options)

    async def use(self, name: str, *args: Any, workflow_id: str | None = None, **options: Any) -> str:
        """Use an activity in a workflow and return what that saw."""
        handle = await self.client.start_workflow(
            "Uses",
            Use(name, list(args), **options),
            id=workflow_id or f"uses-{uuid.uuid4()}",
            task_queue="workflows",
            result_type=str,
        )
        return await asyncio.wait_for(handle.result(), LOST_AFTER_S)


@pytest.fixture(params=["real", "embedded"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        if request.param == "real":
            target = request.getfixturevalue("real_server")
            official = await temporalio.client.Client.connect(target)
            await stack.enter_async_context(
                temporalio.worker.Worker(official, task_queue="workflows", workflows=[OfficialUses])
            )
            client = await Client.connect(target)
            await stack.enter_async_context(client)
        else:
            client = await Client.connect("sqlite://")
            await stack.enter_async_context(client)
            await stack.enter_async_context(Worker(client, task_queue="workflows", workflows=[OurUses]))
        yield Place(client, request.param)


@activity.defn
async def echo(value: str) -> str:
    return f"{value} by {activity.info().activity_id}"


@activity.defn
def echo_in_thread(value: str) -> str:
    return f"{value} by {activity.info().activity_id}"


async def test_async_and_threaded_results(place: Place) -> None:
    async with place.worker(echo, echo_in_thread):
        assert await place.use("echo", "a") == "result a by the-activity"
        assert await place.use("echo_in_thread", "b") == "result b by the-activity"


async def test_arguments_and_names_that_do_not_fit_are_retried_until_attempts_end(place: Place) -> None:
    async with place.worker(echo):
        assert await place.use("echo") == "ApplicationError TypeError [] MAXIMUM_ATTEMPTS_REACHED"
        assert await place.use("ecco") == "ApplicationError NotFoundError [] MAXIMUM_ATTEMPTS_REACHED"
        told = await place.use("echo", 5)
        assert told == "ApplicationError PayloadDecodeError [] MAXIMUM_ATTEMPTS_REACHED"


async def test_failure_reaches_the_workflow_with_type_and_details(place: Place) -> None:
    @activity.defn
    async def refuse() -> None:
        raise ApplicationError("no", "policy", 4, type="Refused", non_retryable=True)

    async with place.worker(refuse):
        told = await place.use("refuse", attempts=3)
        assert told == "ApplicationError Refused ['policy', 4] NON_RETRYABLE_FAILURE"


async def test_next_attempt_reads_the_newest_heartbeat_even_if_it_was_held_back(place: Place) -> None:
    @activity.defn
    async def resume() -> str:
        info = activity.info()
        if info.attempt == 1:
            for page in (1, 2, 3):
                activity.heartbeat("page", page)
                await asyncio.sleep(0)
            raise ConnectionError("lost")
        return f"attempt {info.attempt} goes on from {list(info.heartbeat_details)}"

    async with place.worker(resume):
        told = await place.use("resume", attempts=2, heartbeat_s=20)
        assert told == "result attempt 2 goes on from ['page', 3]"


async def test_cancelled_workflow_cancels_the_attempt_and_waits_for_it(place: Place) -> None:
    started = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        started.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            raise CancelledError("stopped", "cleaned up") from None

    async with place.worker(wait):
        workflow_id = f"to-cancel-{uuid.uuid4()}"
        told = asyncio.ensure_future(place.use("wait", workflow_id=workflow_id, heartbeat_s=0.5))
        await asyncio.wait_for(started.wait(), LOST_AFTER_S)
        await place.client.get_workflow_handle(workflow_id).cancel()
        assert await told == "CancelledError None ['cleaned up'] CANCEL_REQUESTED"


async def test_completion_from_outside_by_token_and_by_id(place: Place) -> None:
    tokens: asyncio.Queue[bytes] = asyncio.Queue()

    @activity.defn
    async def hand_over() -> None:
        tokens.put_nowait(activity.info().task_token)
        activity.raise_complete_async()

    async with place.worker(hand_over):
        told = asyncio.ensure_future(place.use("hand_over"))
        token = await asyncio.wait_for(tokens.get(), LOST_AFTER_S)
        await place.client.get_async_activity_handle(task_token=token).complete("by token")
        assert await told == "result by token"
        workflow_id = f"by-id-{uuid.uuid4()}"
        told = asyncio.ensure_future(place.use("hand_over", workflow_id=workflow_id))
        await asyncio.wait_for(tokens.get(), LOST_AFTER_S)
        await place.client.get_async_activity_handle(
            workflow_id=workflow_id, run_id=None, activity_id="the-activity"
        ).complete("by id")
        assert await told == "result by id"


async def test_attempt_cut_off_by_a_shutdown_goes_on_elsewhere(place: Place) -> None:
    started = asyncio.Event()

    @activity.defn
    async def work() -> str:
        if activity.info().attempt == 1:
            activity.heartbeat("half")
            started.set()
            await asyncio.Event().wait()
        return f"attempt {activity.info().attempt} after {list(activity.info().heartbeat_details)}"

    first = place.worker(work)
    async with first:
        told = asyncio.ensure_future(place.use("work", attempts=2, heartbeat_s=20))
        await asyncio.wait_for(started.wait(), LOST_AFTER_S)
        await first.shutdown()
    async with place.worker(work):
        assert await told == "result attempt 2 after ['half']"


async def test_result_over_the_limit_fails_the_activity_for_good(place: Place) -> None:
    @activity.defn
    async def big() -> str:
        return "x" * 3_000_000

    async with place.worker(big):
        told = await place.use("big", attempts=3)
        assert told.endswith("NON_RETRYABLE_FAILURE")
