"""Histories that this worker writes replay on the official SDK, and the result is the same.

Random programs run against random orders of events; the official replayer then runs its own asyncio loop
over the same history. It fails as soon as a single command would have come in another order. TaskGroup is
left out: the official SDK cancels the members of a group in the order of their addresses.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import temporalio.exceptions
import temporalio.workflow
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from program import make_workflow
from scripted_run import ScriptedRun, WorkflowTaskFailedError
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

import tsuzuki.exceptions
import tsuzuki.workflow

_our_run, _our_poke = make_workflow(tsuzuki.workflow, tsuzuki.exceptions.ActivityError)
_official_run, _official_poke = make_workflow(temporalio.workflow, temporalio.exceptions.ActivityError)


REJECTED = 2
"""Of the updates."""


@tsuzuki.workflow.defn(name="Program")
class Ours:
    def __init__(self) -> None:
        self.steps: list[str] = []

    @tsuzuki.workflow.run
    async def run(self, program: list[Any]) -> list[str]:
        return await _our_run(self.steps, program)  # type: ignore[no-any-return]

    @tsuzuki.workflow.signal
    async def poke(self, number: int) -> None:
        await _our_poke(self.steps, number)

    @tsuzuki.workflow.update
    async def change(self, number: int) -> int:
        await _our_poke(self.steps, number)
        return number

    @change.validator
    def _check_change(self, number: int) -> None:
        if number == REJECTED:
            raise ValueError("not this one")


@temporalio.workflow.defn(name="Program")
class Official:
    def __init__(self) -> None:
        self.steps: list[str] = []

    @temporalio.workflow.run
    async def run(self, program: list[Any]) -> list[str]:
        return await _official_run(self.steps, program)  # type: ignore[no-any-return]

    @temporalio.workflow.signal(unfinished_policy=temporalio.workflow.HandlerUnfinishedPolicy.ABANDON)
    async def poke(self, number: int) -> None:
        await _official_poke(self.steps, number)

    @temporalio.workflow.update(unfinished_policy=temporalio.workflow.HandlerUnfinishedPolicy.ABANDON)
    async def change(self, number: int) -> int:
        await _official_poke(self.steps, number)
        return number

    @change.validator
    def _check_change(self, number: int) -> None:
        if number == REJECTED:
            raise ValueError("not this one")


async def replay_officially(run: ScriptedRun) -> None:
    """Raise unless the official SDK replays the history without a mismatch."""
    # debug_mode: a busy machine is no deadlock
    replayer = Replayer(workflows=[Official], workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True)
    await replayer.replay_workflow(WorkflowHistory("workflow-id", run.events))


def play(run: ScriptedRun, chance: random.Random, *, events_max: int = 60) -> None:
    """Let random things happen, several of them before each workflow task, until the run closes."""
    cancels_left, signals_left, updates_left = 1, 3, 3
    for _ in range(events_max):
        if chance.random() < 0.05:
            run.lose_workflow_task()
        try:
            run.workflow_task()
        except WorkflowTaskFailedError as failed:
            note(str(failed))
            raise
        if run.closed:
            return
        happened = False
        while not happened or chance.random() < 0.5:
            activities, timers = run.pending_activities(), run.pending_timers()
            if signals_left and chance.random() < 0.1:
                run.signal("poke", signals_left)
                signals_left -= 1
            elif updates_left and chance.random() < 0.1:
                run.update(f"u{updates_left}", "change", updates_left)
                updates_left -= 1
            elif cancels_left and (chance.random() < 0.05 or not (activities or timers)):
                run.request_cancel()
                cancels_left = 0
            elif activities and (chance.random() < 0.6 or not timers):
                activity_id = chance.choice(activities)
                # The official SDK cannot read that an abandoned activity failed; ours can.
                if chance.random() < 0.75 or run.activity_type(activity_id) == "abandoned":
                    run.complete_activity(activity_id, f"r{activity_id}")
                else:
                    run.fail_activity(activity_id, "failed")
            elif timers:
                run.fire_timer(run.next_timer())
            else:
                break
            happened = True


def leaf(chance: random.Random) -> list[Any]:
    kind = chance.choice(["activity"] * 4 + ["sleep", "nap", "until"])
    if kind == "activity":
        how = chance.choice([0, 0, 0, 1, 2])
        return ["activity", "abandoned" if how == 2 else chance.choice("abc"), how]
    if kind == "until":
        return ["until", chance.randrange(1, 6), chance.randrange(1, 30)]
    return [kind, chance.choice([1, 2, 3, 5, 8])]


def program(chance: random.Random, depth: int) -> list[Any]:
    """Draw a program."""
    if depth == 0:
        return leaf(chance)
    kind = chance.choice(["seq", "gather", "race", "timeout", "wait_for", "cancel", "shield", "catch", "catch", "leaf"])
    if kind == "leaf":
        return leaf(chance)
    if kind in ("timeout", "wait_for"):
        return [kind, chance.choice([1, 2, 4, 9]), program(chance, depth - 1)]
    if kind == "cancel":
        return [kind, chance.choice([0, 0, 1, 3]), program(chance, depth - 1)]
    if kind in ("catch", "shield"):
        return [kind, program(chance, depth - 1)]
    return [kind, *(program(chance, depth - 1) for _ in range(chance.randrange(1, 4)))]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_random_programs_replay_on_the_official_sdk(seed: int) -> None:
    chance = random.Random(seed)
    run = ScriptedRun(Ours, tree := program(chance, 3), cached=chance.random() < 0.5)
    note(f"seed {seed}: {tree}")
    play(run, chance)
    note(run.notation())
    await replay_officially(run)


FIXED: Sequence[tuple[str, list[Any]]] = [
    ("a timer and an activity end in one workflow task", ["gather", ["activity", "a", 0], ["nap", 1], ["sleep", 1]]),
    ("cancel before the first turn", ["cancel", 0, ["activity", "a", 0]]),
    ("a race that is cut off", ["timeout", 3, ["race", ["activity", "a", 0], ["activity", "b", 1], ["nap", 9]]]),
]


@pytest.mark.parametrize(("name", "tree"), FIXED)
@pytest.mark.parametrize("seed", range(8))
async def test_chosen_programs_replay_on_the_official_sdk(name: str, tree: list[Any], seed: int) -> None:
    run = ScriptedRun(Ours, tree, cached=True)
    play(run, random.Random(seed))
    await replay_officially(run)
