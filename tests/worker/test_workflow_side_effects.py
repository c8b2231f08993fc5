"""Side effects: called once, remembered, and never called on replay."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import json_format
from scripted_run import ScriptedRun, WorkflowTaskFailedError
from temporalio.api.common.v1 import Payloads
from test_workflow_versions import both, do, marker, recorded, stuck

from tsuzuki import workflow

source: Callable[[], Any] = lambda: None  # noqa: E731  (each test puts its own here)


def given(*values: Any) -> None:
    """What side effects will give, one after another; then it must not be asked again."""
    global source
    source = itertools.chain(values).__next__


@dataclass
class Setting:
    name: str
    size: int


def setting() -> Setting:
    return source()  # type: ignore[no-any-return]


@workflow.defn
class Effects:
    @workflow.run
    async def run(self) -> list[Any]:
        first = workflow.side_effect(lambda: source())
        await do("a")
        second = workflow.side_effect(setting)
        await do("b")
        return [first, second.name, second.size]


@both
def test_each_call_is_recorded_and_made_once(cached: bool) -> None:
    given(41, Setting("s", 2))
    run = ScriptedRun(Effects, cached=cached)
    commands = run.workflow_task().commands
    assert marker(commands[0]) == {"name": "SideEffect", "side-effect-id": [1], "data": [41]}
    run.run_to_end({"step": lambda name: name})
    assert run.result == [41, "s", 2]
    assert run.notation() == (
        "Started | WFT | Marker SideEffect | ActivityScheduled step 1 | ActivityCompleted 1 | WFT | "
        "Marker SideEffect | ActivityScheduled step 2 | ActivityCompleted 2 | WFT | Completed"
    )


def test_the_details_are_those_of_a_recorded_go_history() -> None:
    given(41)
    run = ScriptedRun(Effects, cached=True)
    run.workflow_task()
    ours = run.events[4].marker_recorded_event_attributes.details
    assert dict(ours) == dict(recorded("go_side_effects")[4].marker_recorded_event_attributes.details)


@workflow.defn
class Mutable:
    @workflow.run
    async def run(self) -> list[Any]:
        seen = []
        for n in range(5):
            seen.append(workflow.mutable_side_effect("config", lambda: source()))
            await do(str(n))
        return seen


@both
def test_a_mutable_side_effect_is_recorded_when_it_changes(cached: bool) -> None:
    given(0, 0, 1, 1, 2)
    run = ScriptedRun(Mutable, cached=cached)
    run.run_to_end({"step": lambda name: name})
    assert run.result == [0, 0, 1, 1, 2]
    assert run.notation().count("Marker MutableSideEffect") == 3


@workflow.defn
class ManyAtOnce:
    @workflow.run
    async def run(self) -> list[Any]:
        workflow.side_effect(lambda: 41)
        seen = [workflow.mutable_side_effect("config", lambda: source()) for _ in range(4)]
        await do("a")
        return seen


@both
def test_several_changes_in_one_workflow_task(cached: bool) -> None:
    given(0, 1, 1, 2)
    run = ScriptedRun(ManyAtOnce, cached=cached)
    run.run_to_end({"step": lambda name: name})
    assert run.result == [0, 1, 1, 2]
    theirs = recorded("go_side_effects")[5].marker_recorded_event_attributes.details
    ours = run.events[5].marker_recorded_event_attributes.details
    for key in ("side-effect-id", "mutable-side-effect-call-counter"):
        assert ours[key] == theirs[key]
    assert ours["data"].payloads[0] == theirs["data"].payloads[0]
    assert ours["data"].payloads[1].metadata == theirs["data"].payloads[1].metadata
    inner = [json_format.Parse(details["data"].payloads[1].data, Payloads()) for details in (ours, theirs)]
    assert inner[0] == inner[1]


@workflow.defn
class NearEnough:
    @workflow.run
    async def run(self) -> list[Any]:
        seen = []
        for n in range(3):
            seen.append(
                workflow.mutable_side_effect("size", lambda: source(), equal=lambda new, old: abs(new - old) < 10)
            )
            await do(str(n))
        return seen


@both
def test_the_caller_says_what_counts_as_equal(cached: bool) -> None:
    given(1, 5, 20)
    run = ScriptedRun(NearEnough, cached=cached)
    run.run_to_end({"step": lambda name: name})
    assert run.result == [1, 1, 20]


@workflow.defn
class Chance:
    @workflow.run
    async def run(self) -> list[Any]:
        token = workflow.side_effect(lambda: secrets.token_hex(4))
        when = workflow.mutable_side_effect("when", lambda: time.time_ns() > 0)
        await do("a")
        return [len(token), when]


@both
def test_what_the_guard_forbids_elsewhere_is_allowed_inside(cached: bool) -> None:
    run = ScriptedRun(Chance, cached=cached)
    run.run_to_end({"step": lambda name: name})
    assert run.result == [8, True]


# ---- code that changes -----------------------------------------------------------------------------------


@workflow.defn(name="Changing")
async def without() -> None:
    await do("a")


@workflow.defn(name="Changing")
async def with_side_effect() -> None:
    workflow.side_effect(lambda: source())
    await do("a")


@workflow.defn(name="Changing")
async def with_mutable_side_effect() -> None:
    workflow.mutable_side_effect("config", lambda: source())
    await do("a")


def change(first: Any, then: Any) -> ScriptedRun:
    run = ScriptedRun(first, cached=False)
    run.workflow_task()
    run.complete_activity("1", "a")
    run.processor = run.new_processor([then])
    return run


def test_a_side_effect_that_was_put_in_is_a_nondeterminism() -> None:
    message = stuck(change(without, with_side_effect))
    assert message.startswith("history records no side effect number 1, but test_workflow_side_effects.py:")
    assert "guard the change with workflow.get_version" in message


def test_a_mutable_side_effect_that_was_put_in_is_a_nondeterminism() -> None:
    assert "no value of the mutable side effect 'config'" in stuck(change(without, with_mutable_side_effect))


def test_a_side_effect_that_was_taken_out_is_a_nondeterminism() -> None:
    given(1)
    assert "history event 5 is MarkerRecorded 'SideEffect'" in stuck(change(with_side_effect, without))


def test_a_mutable_side_effect_may_be_taken_out() -> None:
    given(1)
    run = change(with_mutable_side_effect, without)
    run.workflow_task()
    assert run.closed


# ---- mistakes --------------------------------------------------------------------------------------------


async def waits() -> int:
    return 1


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (lambda: workflow.side_effect(waits), "a side effect must be a plain function, and waits is `async def`"),
        (lambda: workflow.side_effect(lambda: workflow.start_activity("x")), "tried to start an activity"),
        (lambda: workflow.side_effect(object), "object"),
    ],
)
@both
def test_a_wrong_side_effect_fails_the_workflow_task(cached: bool, effect: Callable[[], Any], message: str) -> None:
    @workflow.defn
    async def wrong() -> None:
        effect()

    run = ScriptedRun(wrong, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match=message):
        run.workflow_task()
