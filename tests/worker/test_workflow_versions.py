"""`get_version`: what is recorded, and every way in which code and history can disagree."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history.v1 import History, HistoryEvent

from tsuzuki import activity, workflow
from tsuzuki.converter import DataConverter
from tsuzuki.worker._activation import activate
from tsuzuki.worker._run_settings import RunSettings
from tsuzuki.worker._workflow_run import WorkflowRun
from tsuzuki.workflow import DEFAULT_VERSION, UnsupportedVersionError, definition_of

BOUND = timedelta(seconds=10)
HISTORIES = Path(__file__).with_name("histories")

both = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])


@activity.defn
async def step(name: str) -> str:
    return name


async def do(name: str) -> str:
    return await workflow.execute_activity(step, name, start_to_close_timeout=BOUND)


def recorded(name: str) -> list[HistoryEvent]:
    """A history that an official SDK left on the real server."""
    history = json_format.Parse((HISTORIES / f"{name}.json").read_text(), History())
    return list(history.events)


def replay(definition: Any, events: list[HistoryEvent]) -> WorkflowRun:
    run = WorkflowRun(
        RunSettings("default", "queue", DataConverter.default), definition_of(definition), events[0], "id", "run"
    )
    activate(run, events, replay_only=True)
    return run


def marker(command: Command) -> dict[str, Any]:
    attributes = command.record_marker_command_attributes
    details = {key: CONVERTER.from_payloads(payloads.payloads) for key, payloads in attributes.details.items()}
    return {"name": attributes.marker_name, **details}


def upserted(command: Command) -> Any:
    fields = command.upsert_workflow_search_attributes_command_attributes.search_attributes.indexed_fields
    assert list(fields) == ["TemporalChangeVersion"]
    payload = fields["TemporalChangeVersion"]
    assert payload.metadata["type"] == b"KeywordList"
    return json.loads(payload.data)


def stuck(run: ScriptedRun) -> str:
    """Do a workflow task that fails for good reason; what it says."""
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    response = caught.value.response
    assert response.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    return response.failure.message


# ---- a new run -------------------------------------------------------------------------------------------


@workflow.defn
class Twice:
    @workflow.run
    async def run(self) -> list[int]:
        seen = [workflow.get_version("change", DEFAULT_VERSION, 1)]
        await do("a")
        seen.append(workflow.get_version("change", DEFAULT_VERSION, 2))
        seen.append(workflow.get_version("other", DEFAULT_VERSION, 2))
        await do("b")
        return seen


@both
def test_the_first_call_decides_and_is_recorded_as_the_go_sdk_does(cached: bool) -> None:
    run = ScriptedRun(Twice, cached=cached)
    commands = run.workflow_task().commands
    assert marker(commands[0]) == {"name": "Version", "change-id": ["change"], "version": [1]}
    assert upserted(commands[1]) == ["change-1"]
    run.complete_activity("1", "a")
    commands = run.workflow_task().commands
    assert marker(commands[0]) == {"name": "Version", "change-id": ["other"], "version": [2]}
    assert upserted(commands[1]) == ["other-2", "change-1"]
    run.complete_activity("2", "b")
    run.workflow_task()
    assert run.result == [1, 1, 2]
    assert run.notation() == (
        "Started | WFT | Marker Version | Upserted | ActivityScheduled step 1 | ActivityCompleted 1 | WFT | "
        "Marker Version | Upserted | ActivityScheduled step 2 | ActivityCompleted 2 | WFT | Completed"
    )


def test_the_details_are_those_of_a_recorded_go_history() -> None:
    run = ScriptedRun(GoVersions, cached=True)
    run.workflow_task()
    ours = run.events[4].marker_recorded_event_attributes
    theirs = recorded("go_versions")[4].marker_recorded_event_attributes
    assert (ours.marker_name, dict(ours.details)) == (theirs.marker_name, dict(theirs.details))
    ours_upserted = run.events[5].upsert_workflow_search_attributes_event_attributes.search_attributes
    upserted_by_go = recorded("go_versions")[5].upsert_workflow_search_attributes_event_attributes.search_attributes
    assert ours_upserted == upserted_by_go


@workflow.defn
class Loops:
    @workflow.run
    async def run(self) -> list[int]:
        seen = []
        for n in range(4):
            seen.append(workflow.get_version("in the loop", DEFAULT_VERSION, 1))
            await do(str(n))
        return seen


@both
def test_a_loop_records_once(cached: bool) -> None:
    run = ScriptedRun(Loops, cached=cached)
    run.run_to_end({"step": lambda name: name})
    assert run.result == [1, 1, 1, 1]
    assert run.notation().count("Marker") == 1


@workflow.defn
class Many:
    @workflow.run
    async def run(self) -> int:
        for n in range(200):
            workflow.get_version(f"a change with a name that takes room {n}", DEFAULT_VERSION, 1)
        await do("a")
        return workflow.get_version("a change with a name that takes room 199", DEFAULT_VERSION, 1)


@both
def test_a_search_attribute_that_grew_too_long_is_left_out(cached: bool) -> None:
    run = ScriptedRun(Many, cached=cached)
    commands = run.workflow_task().commands
    markers = [marker(command) for command in commands if command.HasField("record_marker_command_attributes")]
    assert len(markers) == 200
    assert "version-search-attribute-updated" not in markers[0]
    assert markers[-1]["version-search-attribute-updated"] == [False]
    assert all(
        len(command.upsert_workflow_search_attributes_command_attributes.SerializeToString()) < 2200
        for command in commands
    )
    run.complete_activity("1", "a")
    run.workflow_task()
    assert run.result == 1


# ---- code that changes while a run is open ---------------------------------------------------------------


@workflow.defn(name="Changing")
class Original:
    @workflow.run
    async def run(self) -> list[str]:
        seen = [await do("a")]
        await asyncio.sleep(30)
        seen.append(await do("c"))
        return seen


@workflow.defn(name="Changing")
class WithB:
    """Inserts step b behind the timer."""

    @workflow.run
    async def run(self) -> list[str]:
        seen = [await do("a")]
        await asyncio.sleep(30)
        if workflow.get_version("insert b", DEFAULT_VERSION, 1) >= 1:
            seen.append(await do("b"))
        seen.append(await do("c"))
        return seen


@workflow.defn(name="Changing")
class WithBFirst:
    """Inserts step b before everything."""

    @workflow.run
    async def run(self) -> list[str]:
        seen = []
        if workflow.get_version("insert b", DEFAULT_VERSION, 1) >= 1:
            seen.append(await do("b"))
        seen.append(await do("a"))
        await asyncio.sleep(30)
        seen.append(await do("c"))
        return seen


@workflow.defn(name="Changing")
class OnlyB:
    """The old branch is gone."""

    @workflow.run
    async def run(self) -> list[str]:
        seen = []
        workflow.get_version("insert b", 1, 1)
        seen.append(await do("b"))
        seen.append(await do("a"))
        await asyncio.sleep(30)
        seen.append(await do("c"))
        return seen


@workflow.defn(name="Changing")
class NoCallLeft:
    """The old branch is gone, and the call with it."""

    @workflow.run
    async def run(self) -> list[str]:
        seen = [await do("b"), await do("a")]
        await asyncio.sleep(30)
        seen.append(await do("c"))
        return seen


def after_step_a(first: Any, then: Any) -> ScriptedRun:
    """A run that did its first workflow tasks with one version of the code, and goes on with another."""
    run = ScriptedRun(first, cached=False)
    run.workflow_task()
    run.complete_activity("1", "one")
    run.workflow_task()
    run.processor = run.new_processor([then])
    return run


def test_an_old_run_that_passed_before_the_call_keeps_the_old_way() -> None:
    run = after_step_a(Original, WithBFirst)
    run.run_to_end({"step": lambda name: name})
    assert run.result == ["one", "c"]
    assert "Marker" not in run.notation()


def test_an_old_run_that_comes_by_later_takes_the_new_way() -> None:
    run = after_step_a(Original, WithB)
    run.run_to_end({"step": lambda name: name})
    assert run.result == ["one", "b", "c"]
    assert run.notation().count("Marker Version") == 1


def test_a_new_run_goes_on_when_the_old_branch_is_removed() -> None:
    run = after_step_a(WithBFirst, OnlyB)
    run.run_to_end({"step": lambda name: name})
    assert run.result == ["one", "a", "c"]


def test_a_new_run_goes_on_when_the_call_is_removed() -> None:
    run = after_step_a(WithBFirst, NoCallLeft)
    run.run_to_end({"step": lambda name: name})
    assert run.result == ["one", "a", "c"]


def test_an_old_run_is_stuck_when_its_branch_is_removed_and_is_told_what_to_do() -> None:
    run = after_step_a(Original, OnlyB)
    run.fire_timer("1")
    line = OnlyB.run.__code__.co_firstlineno + 3
    assert stuck(run) == (
        "this run takes version -1 of 'insert b', but support for it was removed: "
        f"test_workflow_versions.py:{line} supports 1 to 1. Put the code of version -1 back "
        "(get_version('insert b', -1, 1)) until no open run needs it. Such runs have no 'insert b-...' in the search "
        "attribute TemporalChangeVersion. Or reset the run to before the change."
    )
    run.processor = run.new_processor([WithBFirst])
    run.run_to_end({"step": lambda name: name})
    assert run.result == ["one", "c"]


@workflow.defn(name="Changing")
class NewestB:
    @workflow.run
    async def run(self) -> list[str]:
        version = workflow.get_version("insert b", DEFAULT_VERSION, 7)
        return [await do("b" if version < 7 else "b7"), await do("a")]


def test_code_older_than_the_run_is_stuck_and_is_told_what_to_do() -> None:
    run = after_step_a(NewestB, WithBFirst)
    run.complete_activity("2", "a")
    assert (
        stuck(run) == "this run takes version 7 of 'insert b', but this code is older: "
        f"test_workflow_versions.py:{WithBFirst.run.__code__.co_firstlineno + 3} supports -1 to 1. Deploy the code "
        "that has version 7 on every worker of the task queue."
    )


def test_three_versions_live_side_by_side() -> None:
    for first, expected in ((Original, -1), (WithBFirst, 1), (NewestB, 7)):

        @workflow.defn(name="Changing")
        async def tells(first: Any = first) -> int:
            version = workflow.get_version("insert b", DEFAULT_VERSION, 9)
            await do("b" if version > DEFAULT_VERSION else "a")
            await (do("a") if version > DEFAULT_VERSION else asyncio.sleep(30))
            return version

        run = after_step_a(first, tells)
        run.run_to_end({"step": lambda name: name})
        assert run.result == expected


@workflow.defn(name="Changing")
class Swallows:
    @workflow.run
    async def run(self) -> list[str]:
        try:
            workflow.get_version("insert b", 1, 1)
        except Exception:
            return ["wrong"]
        return []


def test_code_that_swallows_the_error_is_stuck_all_the_same() -> None:
    run = after_step_a(Original, Swallows)
    run.fire_timer("1")
    assert "support for it was removed" in stuck(run)


@both
def test_a_range_that_is_none_is_refused(cached: bool) -> None:
    @workflow.defn
    async def wrong() -> None:
        workflow.get_version("x", 2, 1)

    run = ScriptedRun(wrong, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match="an id and a range are needed"):
        run.workflow_task()


def test_the_error_has_the_facts() -> None:
    error = UnsupportedVersionError(change_id="c", version=3, min_supported=4, max_supported=5, source="")
    assert (error.change_id, error.version, error.min_supported, error.max_supported) == ("c", 3, 4, 5)


# ---- histories of the official SDKs ----------------------------------------------------------------------


@workflow.defn(name="Versions")
class GoVersions:
    """What the Go workflow behind the recorded history does, step by step; Go names activities by event."""

    @workflow.run
    async def run(self) -> str:
        first = workflow.get_version("first change", DEFAULT_VERSION, 1)
        await self.act("7", "a")
        second = workflow.get_version("second change", DEFAULT_VERSION, 2)
        again = workflow.get_version("second change", DEFAULT_VERSION, 2)
        third = workflow.get_version("third", DEFAULT_VERSION, DEFAULT_VERSION)
        await self.act("17", "b")
        self.seen = [first, second, again, third]
        return " ".join(map(str, self.seen))

    async def act(self, activity_id: str, value: str) -> None:
        await workflow.execute_activity("Act", value, activity_id=activity_id, start_to_close_timeout=BOUND)


def test_a_go_history_with_versions_replays() -> None:
    run = replay(GoVersions, recorded("go_versions"))
    assert run.closed
    assert run.workflow.seen == [1, 2, 2, -1]
    run.evict()


@workflow.defn(name="Versions")
class GoWithoutCalls:
    @workflow.run
    async def run(self) -> str:
        for activity_id in ("7", "17"):
            await workflow.execute_activity("Act", activity_id=activity_id, start_to_close_timeout=BOUND)
        return ""


def test_a_go_history_with_versions_replays_without_the_calls() -> None:
    assert replay(GoWithoutCalls, recorded("go_versions")).closed


@workflow.defn(name="Effects")
class GoSideEffects:
    @workflow.run
    async def run(self) -> Any:
        self.seen: list[Any] = []
        self.calls = 0
        self.seen.append(workflow.side_effect(self.count))
        for activity_id in ("7", "13", "20", "26"):
            self.seen.append(workflow.mutable_side_effect("config", self.count))
            await workflow.execute_activity("Act", "a", activity_id=activity_id, start_to_close_timeout=BOUND)
        self.seen.append(workflow.side_effect(lambda: "other"))
        self.seen.append(workflow.get_version("late", DEFAULT_VERSION, 3))
        self.seen += [workflow.mutable_side_effect("other", self.count) for _ in range(3)]
        return self.seen

    def count(self) -> int:
        self.calls += 1
        return -1


def test_a_go_history_with_side_effects_replays_without_calling_them() -> None:
    run = replay(GoSideEffects, recorded("go_side_effects"))
    assert run.closed
    assert run.workflow.seen == [41, 0, 0, 1, 1, "text", 3, 0, 1, 2]
    assert run.workflow.calls == 0
    run.evict()
