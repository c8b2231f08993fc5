"""Exercise 1: step C put in between, step B renamed with other parameters, and runs from before still go on.

The histories were recorded with the code before the change, one for each place at which it may find a run.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from change_code import STEP, After, Before, Parcel, step_a, step_b2, step_c
from record_old_runs import HISTORIES, PLACES, steps
from temporalio.api.history.v1 import HistoryEvent
from virtual_run import QUEUE, scheduled, virtual_site

from tsuzuki import workflow
from tsuzuki.client import WorkflowHistory
from tsuzuki.converter import DataConverter
from tsuzuki.worker._activation import activate
from tsuzuki.worker._run_settings import RunSettings
from tsuzuki.worker._workflow_run import WorkflowRun
from tsuzuki.workflow import NondeterminismError, definition_of

ALL_STEPS = ("step_a", "step_b", "step_c", "step_b2")
NEW_WAY = ["step_a", "step_c", "step_b2"]
OLD_WAY = ["step_a", "step_b"]


@workflow.defn(name="MyWorkflow")
class Ungated:
    """The change as one would make it who has not read the chapter."""

    @workflow.run
    async def run(self, order: str) -> str:
        content = await workflow.execute_activity(step_a, order, start_to_close_timeout=STEP)
        content = await workflow.execute_activity(step_c, content, start_to_close_timeout=STEP)
        return await workflow.execute_activity(step_b2, Parcel(content, express=True), start_to_close_timeout=STEP)


def recorded(place: str) -> list[HistoryEvent]:
    text = (HISTORIES / f"{place}.json").read_text(encoding="utf-8")
    return list(WorkflowHistory.from_json("order-old", text).events)


def replay(definition: Any, place: str) -> WorkflowRun:
    events = recorded(place)
    settings = RunSettings("default", QUEUE, DataConverter.default)
    run = WorkflowRun(settings, definition_of(definition), events[0], "order-old", "run")
    activate(run, events, replay_only=True)
    return run


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("definition", [Before, After], ids=["before", "after"])
def test_recorded_runs_replay_on_the_old_code_and_on_the_new(definition: Any, place: str) -> None:
    run = replay(definition, place)
    assert run.closed == (place == "after_b")
    run.evict()


def test_without_gates_a_run_that_had_not_passed_the_place_does_not_mind() -> None:
    replay(Ungated, "before_a_is_done").evict()


@pytest.mark.parametrize("place", ["after_a", "after_b"])
def test_without_gates_the_replay_fails_and_names_the_gate_to_put_in(place: str) -> None:
    with pytest.raises(NondeterminismError) as failed:
        replay(Ungated, place)
    line = next(
        number
        for number, text in enumerate(Path(__file__).read_text(encoding="utf-8").splitlines(), 1)
        if "execute_activity(step_c" in text
    )
    assert str(failed.value) == (
        f"history event 11 is ActivityTaskScheduled 'step_b' (activity 2), but {Path(__file__).name}:{line} now "
        "produces ScheduleActivityTask 'step_c' (activity 2). If the code changed while this run was open, guard the "
        'change with workflow.get_version("...", workflow.DEFAULT_VERSION, 1).'
    )


@pytest.mark.parametrize(
    ("place", "way", "result"),
    [
        ("before_a_is_done", NEW_WAY, "B2(C(A(old)))"),
        ("after_a", OLD_WAY, "B(A(old))"),
        ("after_b", OLD_WAY, "B(A(old))"),
    ],
)
async def test_an_open_run_is_finished_by_the_new_code(place: str, way: list[str], result: str) -> None:
    async with virtual_site() as site:
        async with site.worker(activities=steps(PLACES[place])) as _, site.worker([Before]):
            handle = await site.client.start_workflow(Before.run, "old", id="order-old", task_queue=QUEUE)
            await site.advance(1)
        async with site.worker([After], steps(ALL_STEPS)):
            # An attempt that the first worker had begun is tried again once its time is over.
            await site.advance(STEP.total_seconds() + timedelta(seconds=10).total_seconds())
            assert await handle.result() == result
        assert await scheduled(handle) == way


async def test_a_new_run_takes_the_new_way_and_replays() -> None:
    async with virtual_site() as site, site.worker([After], steps(ALL_STEPS)):
        handle = await site.client.start_workflow(After.run, "new", id="order-new", task_queue=QUEUE)
        await site.advance(1)
        assert await handle.result() == "B2(C(A(new)))"
        assert await scheduled(handle) == NEW_WAY
        history = (await handle.fetch_history()).events
    run = WorkflowRun(
        RunSettings("default", QUEUE, DataConverter.default), definition_of(After), history[0], "order-new", "run"
    )
    activate(run, list(history), replay_only=True)
    assert run.closed
