"""The state of a run at one of its events: what its code waits for, with lines and variables."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st
from scripted_run import RUN_ID, ScriptedRun
from temporalio.api.history.v1 import HistoryEvent
from test_official_replayer import Ours, play, program

from tsuzuki import workflow
from tsuzuki.converter import DataConverter
from tsuzuki.worker.past import MASKED, STATE_QUERY, Rebuilder, RunState, WorkKind, look_at
from tsuzuki.workflow import NondeterminismError

MINUTE = timedelta(minutes=1)


@workflow.defn
class Research:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.api_key = "sk-123"

    @workflow.run
    async def run(self, topic: str) -> list[str]:
        plan = await workflow.execute_activity("plan", topic, result_type=str, start_to_close_timeout=MINUTE)
        self.found.append(plan)
        number = 7
        await asyncio.gather(self.search("a", number), self.search("b", number + 1))
        return self.found

    async def search(self, word: str, number: int) -> None:
        self.found.append(
            await workflow.execute_activity("search", word, result_type=str, start_to_close_timeout=MINUTE)
        )

    @workflow.query
    def count(self) -> int:
        return len(self.found)

    @workflow.query
    def at(self, index: int) -> str:
        return self.found[index]

    @workflow.query
    def broken(self) -> int:
        raise RuntimeError("not today")


def state_at(events: list[HistoryEvent], event_id: int, workflow_: Any = Research) -> RunState:
    rebuilder = Rebuilder([workflow_], namespace="default")
    run = rebuilder.rebuild(events, workflow_id="workflow-id", run_id=RUN_ID, until_event_id=event_id)
    try:
        return look_at(run, events, event_id)
    finally:
        run.evict()


def searched() -> ScriptedRun:
    run = ScriptedRun(Research, "fish", cached=True)
    run.workflow_task()
    run.complete_activity("1", "the plan")
    run.workflow_task()
    run.complete_activity("3", "found b")
    run.workflow_task()
    run.complete_activity("2", "found a")
    run.workflow_task()
    return run


def user_lines(state: RunState) -> list[str]:
    return [frame.source for task in state.tasks for frame in task.frames if frame.user]


def variables_of(state: RunState, function: str) -> list[dict[str, str]]:
    return [
        {variable.name: variable.text for variable in frame.variables}
        for task in state.tasks
        for frame in task.frames
        if frame.function.endswith(function)
    ]


def test_before_its_first_task_nothing_has_run() -> None:
    state = state_at(searched().events, 1)
    assert (state.code_event_id, state.tasks, state.instance, state.time) == (0, (), (), "")


def test_the_waiting_line_and_its_variables_are_shown() -> None:
    state = state_at(searched().events, 5)
    assert [work.name for work in state.pending] == ["plan"]
    assert [line for line in user_lines(state) if "plan" in line] == [
        'plan = await workflow.execute_activity("plan", topic, result_type=str, start_to_close_timeout=MINUTE)'
    ]
    [variables] = variables_of(state, "Research.run")
    assert variables["topic"] == "'fish'"
    assert "number" not in variables


def test_every_task_of_a_gather_is_shown_with_its_own_variables() -> None:
    run = searched()
    second = [event.event_id for event in run.events if event.HasField("activity_task_scheduled_event_attributes")][2]
    state = state_at(run.events, second)
    words = [(it["word"], it["number"]) for it in variables_of(state, "Research.search")]
    assert words == [("'a'", "7"), ("'b'", "8")]
    assert [(work.kind, work.name, work.id) for work in state.pending] == [
        (WorkKind.ACTIVITY, "search", "2"),
        (WorkKind.ACTIVITY, "search", "3"),
    ]


def test_between_two_tasks_history_knows_more_than_the_code() -> None:
    run = searched()
    completed = [event.event_id for event in run.events if event.HasField("activity_task_completed_event_attributes")]
    state = state_at(run.events, completed[1])
    assert state.queries["count"] == "1"
    assert [work.id for work in state.pending] == ["2"]
    assert state.code_event_id < completed[1]


def test_queries_without_arguments_are_answered_and_failures_are_told_apart() -> None:
    state = state_at(searched().events, 5)
    assert state.queries == {"count": "0", "broken": "! not today"}


def test_the_attributes_of_the_workflow_object_are_shown_without_secrets() -> None:
    state = state_at(searched().events, len(searched().events))
    assert {variable.name: variable.text for variable in state.instance} == {
        "found": "['the plan', 'found b', 'found a']",
        "api_key": MASKED,
    }
    assert state.finished
    assert state.tasks == ()


@workflow.defn(name="Research")
async def changed_research(topic: str) -> None:
    await asyncio.sleep(1)


def test_code_that_does_not_fit_the_history_up_to_the_event_is_refused() -> None:
    with pytest.raises(NondeterminismError):
        state_at(searched().events, 9, changed_research)


# ---- the reserved query ----------------------------------------------------------------------------------


def decoded(answer: Any) -> RunState:
    assert not answer.error_message, answer.error_message
    value = DataConverter.default.payload_converter.from_payloads(answer.query_result.payloads, [RunState])[0]
    assert isinstance(value, RunState)
    return value


@pytest.mark.parametrize("cached", [True, False])
def test_a_worker_answers_the_reserved_query(cached: bool) -> None:
    run = ScriptedRun(Research, "fish", cached=cached)
    run.workflow_task()
    run.complete_activity("1", "the plan")
    run.workflow_task()
    assert decoded(run.ask(STATE_QUERY, 5, whole_history=not cached)) == state_at(run.events, 5)
    assert decoded(run.ask(STATE_QUERY, whole_history=not cached)) == state_at(run.events, len(run.events))
    run.complete_activity("3", "found b")
    run.complete_activity("2", "found a")
    run.workflow_task()
    assert run.closed, "asking for the past left the run where it was"


def test_an_event_that_is_not_there_is_refused() -> None:
    run = searched()
    assert (
        run.ask(STATE_QUERY, 99).error_message == f"there is no event 99: the history has events 1 to {len(run.events)}"
    )


def test_the_asker_names_what_is_not_to_be_shown() -> None:
    run = searched()
    state = decoded(run.ask(STATE_QUERY, 0, ["^found$"]))
    assert {variable.text for variable in state.instance} == {MASKED}
    assert "no regular expression" in run.ask(STATE_QUERY, 0, ["("]).error_message


# ---- the state of the past is the state that was ---------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
@example(seed=327)  # a rejected update moved the names and the order of the tasks after it
def test_the_state_at_an_event_is_the_state_that_the_run_had_there(seed: int) -> None:
    """Stopped at each workflow task of a random program, a live run shows what a replay up to there shows later."""
    chance = random.Random(seed)
    tree = program(chance, 3)
    note(f"seed {seed}: {tree}")
    run = ScriptedRun(Ours, tree, cached=True)
    had: dict[int, RunState] = {}
    activated = run.processor._cache.keep

    def keep(run_id: str, live: Any) -> None:
        had[live.history_length] = look_at(live, run.events, live.history_length)
        activated(run_id, live)

    run.processor._cache.keep = keep  # type: ignore[method-assign]
    play(run, chance)
    for event_id, state in had.items():
        then = state_at(run.events, event_id, Ours)
        assert dataclasses.replace(then, workflow_id="", run_id="") == dataclasses.replace(
            state, workflow_id="", run_id=""
        )
