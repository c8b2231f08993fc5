"""Synchronous activities in threads, and the exception that cancels them there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_service import LOST_AFTER_S, activities_running, activity_task, settle, values
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
)

from tsuzuki import activity
from tsuzuki.exceptions import CancelledError


class Spot:
    """A point in a thread that a test waits for."""

    def __init__(self) -> None:
        self._reached = threading.Event()

    def reach(self) -> None:
        self._reached.set()

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, LOST_AFTER_S)


def run_until_interrupted() -> None:
    """Run bytecodes, which is where the exception can come in."""
    deadline = threading.Event()
    for _ in range(int(LOST_AFTER_S * 1000)):
        deadline.wait(0.001)
    raise AssertionError("was never interrupted")


async def test_result_heartbeat_and_info_of_a_synchronous_activity() -> None:
    @activity.defn
    def work(name: str) -> str:
        activity.heartbeat("half")
        return f"{name} in {threading.current_thread().name.split('_')[0]}, attempt {activity.info().attempt}"

    async with activities_running(work) as setting:
        assert values((await setting.run(activity_task("work", "ada"))).details) == ["half"]
        sent = await setting.service.received()
        assert values(sent.result) == ["ada in tsuzuki-activity, attempt 1"]


async def test_cancel_raises_in_the_thread() -> None:
    spot, seen = Spot(), []

    @activity.defn
    def work() -> None:
        spot.reach()
        try:
            run_until_interrupted()
        except CancelledError:
            seen.append(activity.cancellation_details())
            raise

    async with activities_running(work) as setting:
        task = activity_task("work")
        setting.service.give(task)
        await spot.reached()
        setting.service.push_cancel(task)
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)
    assert seen == [activity.ActivityCancellationDetails(cancel_requested=True)]


async def test_no_thread_cancel_exception_leaves_the_thread_alone() -> None:
    spot = Spot()

    @activity.defn(no_thread_cancel_exception=True)
    def work() -> str:
        spot.reach()
        activity.wait_for_cancelled_sync(LOST_AFTER_S)
        return f"cancelled: {activity.is_cancelled()}"

    async with activities_running(work) as setting:
        task = activity_task("work")
        setting.service.give(task)
        await spot.reached()
        setting.service.push_cancel(task)
        assert values((await setting.service.received()).result) == ["cancelled: True"]


async def test_shield_puts_the_exception_off_to_the_end_of_the_outermost_block() -> None:
    spot, steps = Spot(), []

    @activity.defn
    def work() -> None:
        try:
            with activity.shield_thread_cancel_exception():
                with activity.shield_thread_cancel_exception():
                    spot.reach()
                    activity.wait_for_cancelled_sync(LOST_AFTER_S)
                    steps.append("inner")
                steps.append("outer")
            steps.append("never")
        except CancelledError:
            steps.append("cancelled")
            raise

    async with activities_running(work) as setting:
        task = activity_task("work")
        setting.service.give(task)
        await spot.reached()
        setting.service.push_cancel(task)
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)
    assert steps == ["inner", "outer", "cancelled"]


async def test_attempt_that_waits_for_a_thread_never_starts_once_cancelled() -> None:
    spot, release, started = Spot(), threading.Event(), []

    @activity.defn
    def work(name: str) -> str:
        started.append(name)
        spot.reach()
        release.wait(LOST_AFTER_S)
        return name

    with ThreadPoolExecutor(1) as one_thread:
        async with activities_running(work, executor=one_thread) as setting:
            first, second = activity_task("work", "first"), activity_task("work", "second")
            setting.service.give(first)
            await spot.reached()
            setting.service.give(second)
            await settle()
            setting.service.push_cancel(second)
            sent = await setting.service.received()
            assert isinstance(sent, RespondActivityTaskCanceledRequest)
            assert sent.task_token == second.task_token
            release.set()
            assert values((await setting.service.received()).result) == ["first"]
    assert started == ["first"]


async def test_cancel_as_the_code_ends_never_hits_the_next_attempt() -> None:
    """Race the exception against the return, on one thread, many times."""
    ends, victims = threading.Event(), []

    @activity.defn
    def racing() -> None:
        ends.set()

    @activity.defn
    def bystander() -> int:
        try:
            return sum(range(200))
        except CancelledError:
            victims.append(activity.info().activity_id)
            raise

    with ThreadPoolExecutor(1) as one_thread:
        async with activities_running(racing, bystander, executor=one_thread, slots=2) as setting:
            for _ in range(200):
                ends.clear()
                task = activity_task("racing")
                setting.service.give(task)
                await asyncio.to_thread(ends.wait, LOST_AFTER_S)
                if task.task_token in setting.service.watching:
                    setting.service.push_cancel(task)
                setting.service.give(activity_task("bystander"))
                outcomes = [await setting.service.received(), await setting.service.received()]
                assert [type(it) for it in outcomes if it.task_token != task.task_token] == [
                    RespondActivityTaskCompletedRequest
                ]
    assert victims == []


async def test_async_waits_are_refused_in_a_thread() -> None:
    @activity.defn
    def work() -> None:
        asyncio.run(activity.wait_for_cancelled())

    async with activities_running(work) as setting:
        failure = (await setting.run(activity_task("work"))).failure
    assert "wait_for_cancelled_sync" in failure.message


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_wait_for_cancelled_sync_sees_a_cancel_before_and_during(cancelled_first: bool) -> None:
    spot, go_on = Spot(), threading.Event()

    @activity.defn(no_thread_cancel_exception=True)
    def work() -> bool:
        spot.reach()
        if cancelled_first:
            go_on.wait(LOST_AFTER_S)
        activity.wait_for_cancelled_sync(LOST_AFTER_S)
        return activity.is_cancelled()

    async with activities_running(work) as setting:
        task = activity_task("work")
        setting.service.give(task)
        await spot.reached()
        setting.service.push_cancel(task)
        go_on.set()
        assert values((await setting.service.received()).result) == [True]


TRACED = """
import sys
from concurrent.futures import ThreadPoolExecutor
from tsuzuki.exceptions import CancelledError
from tsuzuki.worker._activity_thread import ThreadCall

def cancel_late():
    late.cancel()  # the exception is set now, and the code ends before it arrives

late = ThreadCall(lambda: None, (), raise_on_cancel=True)
late._fn = cancel_late
for call in (ThreadCall(lambda: 1, (), raise_on_cancel=True), late):
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(call.run).result()
        except CancelledError:
            pass
        pool.submit(sum, [1, 2]).result()  # it does not meet the exception
sys.settrace(lambda *_: None)
(lambda: print("traced"))()
"""


def test_a_tracer_can_be_set_after_activities_ran_in_threads() -> None:
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout == "traced\n", done.stderr
