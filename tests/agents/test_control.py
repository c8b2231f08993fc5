"""What people can do to a run with `Control`, what it costs, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from record_run_without_control import HISTORY, WithoutControl, step
from virtual_run import QUEUE, VirtualSite, events, scheduled, virtual_site

from tsuzuki import activity, workflow
from tsuzuki.agents import Control, ControlRequest, ControlState, ControlStatus, RemoteControl, WhilePaused
from tsuzuki.agents._control_state import ACTIONS_MAX
from tsuzuki.client import (
    Client,
    RPCError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowQueryFailedError,
)
from tsuzuki.exceptions import CancelledError
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker

BOUND = timedelta(seconds=30)


@workflow.defn(name="TwoSteps")
class TwoSteps:
    @workflow.run
    async def run(self) -> str:
        async with Control() as control:
            first = await workflow.execute_activity(step, "first", start_to_close_timeout=BOUND)
            await workflow.sleep(60)
            await control.checkpoint("between")
            return first + await workflow.execute_activity(step, "second", start_to_close_timeout=BOUND)


async def two_steps(site: VirtualSite) -> tuple[WorkflowHandle[Any, str], RemoteControl]:
    handle = await site.client.start_workflow(TwoSteps.run, id="steps", task_queue=QUEUE)
    return handle, RemoteControl(handle, by="ann")


async def test_a_paused_run_finishes_its_step_and_waits_without_a_timer() -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        handle, control = await two_steps(site)
        await site.advance(10)
        await control.pause("to have a look")
        state = await control.state()
        assert (state.status, state.reason, state.by) == (ControlStatus.PAUSED, "to have a look", "ann")
        assert state.waiting_at == []  # it still sleeps
        await site.advance(3600)
        state = await control.state()
        assert (state.checkpoint, state.waiting_at) == ("between", ["between"])
        assert await scheduled(handle) == ["step"]
        assert (await events(handle)).count("TIMER_STARTED") == 1
        await control.resume("fine")
        assert await handle.result() == "firstsecond"
        state = await control.state()
        assert state.status is ControlStatus.RUNNING
        assert state.paused_s == 3600
        assert [(it.action, it.reason, it.by, it.checkpoint) for it in state.actions] == [
            ("pause", "to have a look", "ann", ""),
            ("resume", "fine", "ann", "between"),
        ]


async def test_a_run_that_is_paused_before_it_begins_stops_at_its_first_checkpoint() -> None:
    @workflow.defn
    class AtOnce:
        @workflow.run
        async def run(self) -> str:
            async with Control() as control:
                await control.checkpoint("start")
                return "done"

    async with virtual_site() as site:
        handle = await site.client.start_workflow(AtOnce.run, id="w", task_queue=QUEUE)
        await RemoteControl(handle).pause()
        async with site.worker([AtOnce]):
            await site.advance(60)
            assert (await RemoteControl(handle).state()).waiting_at == ["start"]
            await RemoteControl(handle).resume()
            assert await handle.result() == "done"


@pytest.mark.parametrize("given", [(), (None,), ("why",), ({"reason": "why", "by": "bob", "new": 1},), (7,)])
async def test_a_request_may_leave_out_whatever_it_likes(given: tuple[Any, ...]) -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        handle, control = await two_steps(site)
        await handle.signal("pause", args=given)
        state = await control.state()
        assert state.status is ControlStatus.PAUSED
        assert state.reason == ("7" if given == (7,) else "why" if given and given[0] else "")
        assert await handle.query("get_status") == "paused"


async def test_repeated_requests_change_nothing_and_are_noted() -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        _, control = await two_steps(site)
        await control.pause("first")
        await site.advance(5)
        await control.pause("second")
        await control.state()
        await control.resume()
        await control.resume()
        state = await control.state()
        assert [it.changed for it in state.actions] == [True, False, True, False]
        assert (state.status, state.paused_s) == (ControlStatus.RUNNING, 5)


async def test_as_many_requests_are_told_of_as_are_kept() -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        _, control = await two_steps(site)
        await site.advance(10)
        for number in range(ACTIONS_MAX + 1):
            await control.resume(str(number))
        actions = (await control.state()).actions
        assert (len(actions), actions[0].reason, actions[-1].reason) == (ACTIONS_MAX, "1", str(ACTIONS_MAX))


async def test_cancel_says_who_and_why_and_ends_as_canceled() -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        handle, control = await two_steps(site)
        await site.advance(1)
        await control.cancel("too dear")
        await site.advance(1)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
        state = await control.state()
        assert (state.status, state.reason, state.by) == (ControlStatus.CANCELLED, "too dear", "ann")


async def test_the_signal_alone_cancels_too_and_the_failure_names_who_and_why() -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        handle, control = await two_steps(site)
        await control.pause()
        await site.advance(100)
        await handle.signal("cancel", ControlRequest("too dear", "bob"))
        await site.advance(1)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)
        assert str(failed.value.cause) == "cancelled by bob: too dear"
        assert await control.status() is ControlStatus.CANCELLED


async def test_a_cancel_request_without_the_signal_shows_too() -> None:
    async with virtual_site() as site, site.worker([TwoSteps], [step]):
        handle, control = await two_steps(site)
        await site.advance(1)
        await handle.cancel(reason="by the book")
        await site.advance(1)
        state = await control.state()
        assert (state.status, state.reason) == (ControlStatus.CANCELLED, "by the book")


async def test_clean_up_runs_when_the_signal_cancels() -> None:
    @activity.defn
    async def clean_up() -> None: ...

    @workflow.defn
    class Careful:
        @workflow.run
        async def run(self) -> None:
            async with Control() as control:
                try:
                    await control.sleep(1000)
                finally:
                    await workflow.shield(workflow.execute_activity(clean_up, start_to_close_timeout=BOUND))

    async with virtual_site() as site, site.worker([Careful], [clean_up]):
        handle = await site.client.start_workflow(Careful.run, id="w", task_queue=QUEUE)
        await site.advance(1)
        await handle.signal("cancel")
        await site.advance(1)
        assert (await events(handle))[-2:] == ["ACTIVITY_TASK_COMPLETED", "WORKFLOW_EXECUTION_FAILED"]


# ---- children ------------------------------------------------------------------------------------------


@workflow.defn
class Family:
    """Starts `depth` generations of one child each; only the last one works."""

    @workflow.run
    async def run(self, depth: int, await_children: bool) -> str:
        async with Control() as control:
            if depth == 0:
                for number in range(5):
                    await control.checkpoint(f"step {number}")
                    await workflow.sleep(10)
                return "worked"
            child = control.add_child(
                await workflow.start_child_workflow(
                    Family.run, args=[depth - 1, await_children], id=f"generation-{depth - 1}"
                )
            )
            if not await_children:
                await workflow.sleep(1000)
            return await child


async def generations(client: Client) -> list[RemoteControl]:
    return [RemoteControl(client.get_workflow_handle(f"generation-{depth}")) for depth in (2, 1, 0)]


async def test_pause_and_resume_reach_children_and_theirs() -> None:
    async with virtual_site() as site, site.worker([Family]):
        handle = await site.client.start_workflow(Family.run, args=[2, True], id="generation-2", task_queue=QUEUE)
        await site.advance(15)
        await RemoteControl(handle, by="ann").pause("lunch")
        await site.advance(1000)
        states = [await control.state() for control in await generations(site.client)]
        assert [(it.status, it.reason, it.by) for it in states] == [(ControlStatus.PAUSED, "lunch", "ann")] * 3
        assert states[0].children == ["generation-1"]
        assert states[2].waiting_at == ["step 2"]
        await RemoteControl(handle).resume()
        await site.advance(100)
        assert await handle.result() == "worked"


@pytest.mark.parametrize("await_children", [True, False])
@pytest.mark.parametrize("by_signal", [True, False])
async def test_cancel_reaches_children_with_its_reason_and_waits_for_them(
    await_children: bool, by_signal: bool
) -> None:
    async with virtual_site() as site, site.worker([Family]):
        handle = await site.client.start_workflow(
            Family.run, args=[2, await_children], id="generation-2", task_queue=QUEUE
        )
        await site.advance(15)
        if by_signal:
            await handle.signal("cancel", ControlRequest("too dear", "ann"))
        else:
            await RemoteControl(handle, by="ann").cancel("too dear")
        await site.advance(30)
        for control in await generations(site.client):
            state = await control.state()
            assert (state.status, state.reason, state.by) == (ControlStatus.CANCELLED, "too dear", "ann")
        statuses = [
            (await site.client.get_workflow_handle(f"generation-{depth}").describe()).status for depth in (0, 1, 2)
        ]
        ends_as = WorkflowExecutionStatus.FAILED if by_signal else WorkflowExecutionStatus.CANCELED
        assert statuses == [WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.CANCELED, ends_as]


async def test_a_child_of_a_paused_parent_starts_paused() -> None:
    @workflow.defn
    class Late:
        @workflow.run
        async def run(self) -> str:
            async with Control() as control:
                await workflow.sleep(10)
                child = await workflow.start_child_workflow(Family.run, args=[0, True], id="generation-0")
                return await control.add_child(child)

    async with virtual_site() as site, site.worker([Family, Late]):
        handle = await site.client.start_workflow(Late.run, id="late", task_queue=QUEUE)
        await RemoteControl(handle).pause("early")
        await site.advance(100)
        state = await RemoteControl(site.client.get_workflow_handle("generation-0")).state()
        assert (state.status, state.reason) == (ControlStatus.PAUSED, "early")


async def test_a_child_that_has_ended_is_none_of_them_any_more() -> None:
    @workflow.defn
    class Quick:
        @workflow.run
        async def run(self) -> None:
            return None

    @workflow.defn
    class Parent:
        @workflow.run
        async def run(self) -> None:
            async with Control() as control:
                await control.add_child(await workflow.start_child_workflow(Quick.run, id="quick"))
                await control.sleep(100)

    async with virtual_site() as site, site.worker([Parent, Quick]):
        handle = await site.client.start_workflow(Parent.run, id="w", task_queue=QUEUE)
        await site.advance(10)
        assert (await RemoteControl(handle).state()).children == []


# ---- time ----------------------------------------------------------------------------------------------


@workflow.defn
class Limited:
    @workflow.run
    async def run(self, while_paused: WhilePaused, sleeps: bool) -> str:
        async with Control() as control:
            if sleeps:
                await control.sleep(60, while_paused=while_paused)
                return "slept"
            try:
                async with control.timeout(60, while_paused=while_paused):
                    await workflow.execute_activity("never", start_to_close_timeout=timedelta(days=1))
            except TimeoutError:
                return "timed out"
            return "never"


@pytest.mark.parametrize("sleeps", [True, False])
@pytest.mark.parametrize(
    ("while_paused", "ends_at"), [(WhilePaused.EXTEND, 60 + 300 + 100), (WhilePaused.KEEP_RUNNING, 60)]
)
async def test_a_time_limit_does_in_a_pause_what_was_said(
    while_paused: WhilePaused, ends_at: int, sleeps: bool
) -> None:
    @activity.defn
    async def never() -> None:
        await asyncio.Event().wait()

    async with virtual_site() as site, site.worker([Limited], [never]):
        handle = await site.client.start_workflow(Limited.run, args=[while_paused, sleeps], id="w", task_queue=QUEUE)
        control = RemoteControl(handle)
        await site.advance(20)
        for pause in (300, 100):
            await control.pause()
            await site.advance(pause)
            if while_paused is WhilePaused.EXTEND or pause == 300:
                if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
                    break
                await control.resume()
                await site.advance(10)
        await site.advance(1000)
        assert await handle.result() == ("slept" if sleeps else "timed out")
        described = await handle.describe()
        assert described.close_time is not None
        assert (described.close_time - described.start_time).total_seconds() == ends_at


@workflow.defn
class Waits:
    @workflow.run
    async def run(self, sleeps: bool) -> str:
        async with Control() as control:
            if sleeps:
                await control.sleep(60)
                return "slept"
            try:
                async with control.timeout(60):
                    await workflow.wait_condition(lambda: False)
            except TimeoutError:
                return "timed out"
            return "never"


@pytest.mark.parametrize("sleeps", [True, False])
async def test_a_cancel_request_in_the_moment_a_time_limit_ends_is_not_lost(sleeps: bool) -> None:
    async with virtual_site() as site:
        async with site.worker([Waits]):
            handle = await site.client.start_workflow(Waits.run, sleeps, id="w", task_queue=QUEUE)
            await site.advance(10)
        await site.advance(60)  # without a worker: both come with one workflow task
        await handle.cancel()
        async with site.worker([Waits]):
            with pytest.raises(WorkflowFailureError) as ended:
                await handle.result()
        assert isinstance(ended.value.cause, CancelledError)
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_a_time_limit_that_begins_in_a_pause_begins_to_count_after_it() -> None:
    @workflow.defn
    class Slow:
        @workflow.run
        async def run(self) -> None:
            async with Control() as control:
                await workflow.sleep(10)
                await control.sleep(60)

    async with virtual_site() as site, site.worker([Slow]):
        handle = await site.client.start_workflow(Slow.run, id="w", task_queue=QUEUE)
        control = RemoteControl(handle)
        await site.advance(5)
        await control.pause()
        await site.advance(1000)
        await control.resume()
        await site.advance(59)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await site.advance(1)
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_run_that_continues_as_new_while_paused_stays_paused() -> None:
    @workflow.defn
    class Rounds:
        @workflow.run
        async def run(self, number: int, before: ControlState | None = None) -> str:
            async with Control(before) as control:
                await control.checkpoint(f"round {number}")
                await workflow.sleep(10)
                if number < 2:
                    workflow.continue_as_new(args=[number + 1, control.state])
                return "done"

    async with virtual_site() as site, site.worker([Rounds]):
        handle = await site.client.start_workflow(Rounds.run, 1, id="rounds", task_queue=QUEUE)
        await site.advance(5)
        await RemoteControl(site.client.get_workflow_handle("rounds"), by="ann").pause("wait")
        await site.advance(100)
        control = RemoteControl(site.client.get_workflow_handle("rounds"))
        state = await control.state()
        assert (state.status, state.waiting_at, state.by) == (ControlStatus.PAUSED, ["round 2"], "ann")
        await control.resume()
        await site.advance(20)
        assert await handle.result() == "done"
        assert (await RemoteControl(site.client.get_workflow_handle("rounds")).state()).paused_s == 100


# ---- runs from before ------------------------------------------------------------------------------------


async def test_a_history_from_before_control_replays_with_it() -> None:
    history = WorkflowHistory.from_json("old", HISTORY.read_text(encoding="utf-8"))
    await Replayer(workflows=[WithoutControl]).replay_workflow(history)
    await Replayer(workflows=[TwoSteps]).replay_workflow(history)


async def test_an_open_run_from_before_control_goes_on_and_cannot_be_paused() -> None:
    async with virtual_site() as site, site.worker(activities=[step]):
        async with site.worker([WithoutControl]):
            handle = await site.client.start_workflow(WithoutControl.run, id="old", task_queue=QUEUE)
            await site.advance(1)
        async with site.worker([TwoSteps]):
            await handle.signal("pause")
            await site.advance(15)
            with pytest.raises(WorkflowQueryFailedError, match="get_status"):
                await handle.query("get_status")
            await site.advance(100)
            assert await handle.result() == "firstsecond"


# ---- the real server -------------------------------------------------------------------------------------


async def test_it_works_on_the_real_server(real_server: str) -> None:
    async with (
        await Client.connect(real_server) as client,
        Worker(client, task_queue="control", workflows=[Family]),
    ):
        handle = await client.start_workflow(Family.run, args=[2, True], id="generation-2", task_queue="control")
        control = RemoteControl(handle, by="ann")
        youngest = RemoteControl(client.get_workflow_handle("generation-0"))

        async def youngest_is(status: ControlStatus) -> bool:
            return await youngest.status() is status

        await until(lambda: youngest_is(ControlStatus.RUNNING))
        await control.pause("lunch")
        await until(lambda: youngest_is(ControlStatus.PAUSED))
        assert (await youngest.state()).reason == "lunch"
        await control.cancel("too dear")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
        state = await youngest.state()
        assert (state.status, state.reason, state.by) == (ControlStatus.CANCELLED, "too dear", "ann")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds on the real server, whose time is not ours."""
    for _ in range(600):
        with contextlib.suppress(RPCError):  # not there yet
            if await holds():
                return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to hold")
