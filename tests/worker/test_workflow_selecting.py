"""Channels, selectors, work that nobody waits for and work that nobody may cut short; live and replayed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import ScriptedRun, WorkflowTaskFailedError

from tsuzuki import activity, workflow
from tsuzuki.exceptions import ActivityError, ApplicationError

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

BOUND = timedelta(seconds=10)


@activity.defn
async def act(value: Any = None) -> Any:
    return value


def start(value: Any = None) -> Any:
    return workflow.start_activity(act, value, start_to_close_timeout=BOUND)


# ---- channels --------------------------------------------------------------------------------------------


@dataclass
class Order:
    item: str
    count: int


@workflow.defn
class Receives:
    @workflow.run
    async def run(self) -> list[Any]:
        channel = workflow.signal_channel("order", Order)
        seen: list[Any] = [len(channel), channel.receive_nowait(None)]
        seen += [(await channel.receive()).item, (await workflow.signal_channel("order").receive()).count]
        plain = workflow.signal_channel("plain")
        async for value in plain:
            seen.append(value)
            if value == "end":
                break
        with pytest.raises(asyncio.QueueEmpty):
            plain.receive_nowait()
        return seen


def test_a_channel_gives_signals_in_order(cached: bool) -> None:
    run = ScriptedRun(Receives, cached=cached)
    run.signal("plain")
    run.signal("plain", 1, 2)
    run.workflow_task()
    run.signal("order", {"item": "tea", "count": 1})
    run.workflow_task()
    run.signal("order", {"item": "cup", "count": 2})
    run.signal("plain", "end")
    run.workflow_task()
    assert run.result == [0, None, "tea", 2, None, [1, 2], "end"]


def test_signals_that_came_before_are_there_at_once(cached: bool) -> None:
    @workflow.defn
    async def looks() -> list[Any]:
        channel = workflow.signal_channel("early")
        return [len(channel), channel.receive_nowait()]

    run = ScriptedRun(looks, cached=cached)
    run.signal("early", "bird")
    run.signal("early", "worm")
    run.workflow_task()
    assert run.result == [2, "bird"]


def test_a_receiver_that_is_cancelled_loses_nothing(cached: bool) -> None:
    @workflow.defn
    async def gives_up() -> Any:
        channel = workflow.signal_channel("word")
        try:
            await asyncio.wait_for(channel.receive(), 5)
        except TimeoutError:
            return await channel.receive()
        return "?"

    run = ScriptedRun(gives_up, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    run.signal("word", "late")
    run.workflow_task()
    assert run.result == "late"


# ---- selectors -------------------------------------------------------------------------------------------


@workflow.defn
class Selects:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        selector = workflow.Selector()
        selector.add_future(start("a"), lambda done: seen.append(done.result()))
        selector.add_receive(workflow.signal_channel("tell"), seen.append)
        selector.add_timer(60, lambda: seen.append("timer"))
        for _ in range(4):
            await selector.select()
        return seen


def test_each_select_takes_one_case_the_first_added_first(cached: bool) -> None:
    run = ScriptedRun(Selects, cached=cached)
    run.workflow_task()
    run.signal("tell", 1)
    run.workflow_task()
    run.fire_timer("1")
    run.signal("tell", 2)
    run.complete_activity("1", "done")
    run.workflow_task()
    assert run.result == [1, 2, "done", "timer"]


def test_signals_of_one_workflow_task_come_one_at_a_time(cached: bool) -> None:
    run = ScriptedRun(Selects, cached=cached)
    run.workflow_task()
    for number in range(4):
        run.signal("tell", number)
    run.workflow_task()
    assert run.result == [0, 1, 2, 3]


@workflow.defn
class FirstThree:
    """Five searches, any three of them, two minutes at most: late and failed ones do not block."""

    @workflow.run
    async def run(self) -> list[Any]:
        found: list[Any] = []
        over: list[str] = []

        def take(done: asyncio.Future[Any]) -> None:
            if done.exception() is None:
                found.append(done.result())

        selector = workflow.Selector()
        for number in range(5):
            selector.add_future(start(number), take)
        selector.add_timer(timedelta(minutes=2), lambda: over.append("over"))
        while len(found) < 3 and not over:
            await selector.select()
        return [found, over]


def test_the_first_three_of_five(cached: bool) -> None:
    run = ScriptedRun(FirstThree, cached=cached)
    run.workflow_task()
    for activity_id, fails in (("4", False), ("2", True), ("1", False), ("5", False)):
        if fails:
            run.fail_activity(activity_id, "no")
        else:
            run.complete_activity(activity_id, activity_id)
        run.workflow_task()
    assert run.result == [["4", "1", "5"], []]


def test_the_timer_ends_the_wait(cached: bool) -> None:
    run = ScriptedRun(FirstThree, cached=cached)
    run.workflow_task()
    run.complete_activity("4", 4)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == [[4], ["over"]]


@workflow.defn
class Defaults:
    @workflow.run
    async def run(self) -> list[Any]:
        channel = workflow.signal_channel("tell")
        selector = workflow.Selector().add_receive(channel).add_default(lambda: "nothing yet")
        seen = [await selector.select()]
        timer = selector.add_timer(60)
        timer.cancel()
        await asyncio.sleep(1)
        seen.append(await selector.select())

        async def later(value: Any) -> Any:
            return await workflow.execute_activity(act, value, start_to_close_timeout=BOUND)

        seen.append(await workflow.Selector().add_receive(channel, later).select())
        return seen


def test_a_default_never_waits_and_a_callback_may(cached: bool) -> None:
    run = ScriptedRun(Defaults, cached=cached)
    run.workflow_task()
    run.signal("tell", "one")
    run.signal("tell", "two")
    run.fire_timer(run.next_timer())
    run.workflow_task()
    run.complete_activity("1", "TWO")
    run.workflow_task()
    assert run.result == ["nothing yet", "one", "TWO"]


def test_selecting_among_nothing_is_refused(cached: bool) -> None:
    @workflow.defn
    async def empty() -> None:
        await workflow.Selector().select()

    with pytest.raises(WorkflowTaskFailedError, match="would wait for ever"):
        ScriptedRun(empty, cached=cached).workflow_task()


# ---- fire and forget -------------------------------------------------------------------------------------


@workflow.defn
class Forgets:
    @workflow.run
    async def run(self, linger: bool) -> str:
        workflow.fire_and_forget(workflow.execute_activity(act, "a", start_to_close_timeout=BOUND))
        workflow.fire_and_forget(start("b"))
        if linger:
            await asyncio.sleep(60)
        return "done"


def test_what_is_forgotten_is_started_before_the_workflow_closes(cached: bool) -> None:
    run = ScriptedRun(Forgets, False, cached=cached)
    run.workflow_task()
    assert run.notation() == "Started | WFT | ActivityScheduled act 1 | ActivityScheduled act 2 | Completed"


def test_a_failure_of_what_is_forgotten_is_logged_once(cached: bool, caplog: pytest.LogCaptureFixture) -> None:
    run = ScriptedRun(Forgets, True, cached=cached)
    run.workflow_task()
    run.fail_activity("1", "lost")
    run.complete_activity("2")
    with caplog.at_level(logging.WARNING):
        run.workflow_task()
        run.fire_timer("1")
        run.workflow_task()
    assert run.result == "done"
    assert [record.message for record in caplog.records if "nobody waits" in record.message] != []
    assert len(caplog.records) == 1


# ---- shield ----------------------------------------------------------------------------------------------


@workflow.defn
class CleansUp:
    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(3600)
        finally:
            await workflow.shield(workflow.execute_activity(act, "clean", start_to_close_timeout=BOUND))
        return "?"


def test_clean_up_runs_on_through_a_second_cancellation(cached: bool) -> None:
    run = ScriptedRun(CleansUp, cached=cached)
    run.workflow_task()
    run.request_cancel()
    run.workflow_task()
    run.request_cancel()
    assert not run.workflow_task().commands
    run.complete_activity("1")
    run.workflow_task()
    assert run.notation().endswith("ActivityCompleted 1 | WFT | Canceled")


@workflow.defn
class EndsAtOnce:
    @workflow.run
    async def run(self, how: str) -> str:
        workflow.fire_and_forget(workflow.shield(start("clean")))
        if how == "fail":
            raise ApplicationError("failed")
        if how == "again":
            workflow.continue_as_new("return")
        return "done"


@pytest.mark.parametrize(("how", "end"), [("return", "Completed"), ("fail", "Failed"), ("again", "ContinuedAsNew")])
def test_the_workflow_closes_after_the_last_shielded_work(cached: bool, how: str, end: str) -> None:
    run = ScriptedRun(EndsAtOnce, how, cached=cached)
    run.workflow_task()
    assert not run.closed
    run.complete_activity("1")
    run.workflow_task()
    assert run.notation() == f"Started | WFT | ActivityScheduled act 1 | ActivityCompleted 1 | WFT | {end}"


@workflow.defn
class Broken:
    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(0)
        workflow.fire_and_forget(workflow.shield(start("clean")))
        raise ValueError("a bug, which is mended while the run waits")


def test_a_bug_fails_the_workflow_task_at_once(cached: bool) -> None:
    with pytest.raises(WorkflowTaskFailedError, match="a bug"):
        ScriptedRun(Broken, cached=cached).workflow_task()


@workflow.defn
class Awaits:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.shield(start("x"))
        except ActivityError as error:
            return str(error.cause)
        return "?"


def test_who_awaits_shielded_work_gets_its_failure(cached: bool) -> None:
    run = ScriptedRun(Awaits, cached=cached)
    run.workflow_task()
    run.fail_activity("1", "broken")
    run.workflow_task()
    assert run.result == "Error: broken"
