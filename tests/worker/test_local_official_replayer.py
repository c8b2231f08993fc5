"""Random programs with local activities: what they leave replays here and on the official SDK, to the same end.

They run on our worker and engine under a virtual clock. Activities take random times, so that local ones end in any
order, within their workflow task and long after it; some are tried again, here or through a timer; the workflow is
signalled and cancelled in between. A replay that told the code in another order would produce other commands.

The official SDK has one fault there, with its own histories too: a workflow task that brought news and was answered
with nothing but a heartbeat it replays together with the next one. Such histories are replayed only here.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
import temporalio.common
import temporalio.exceptions
import temporalio.workflow
from local_site import LocalSite, local_site
from program import make_workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from test_official_replayer import program

import tsuzuki.common
import tsuzuki.exceptions
import tsuzuki.workflow
from tsuzuki import activity
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError

SEEDS = [*range(40), 1228]
STEPS_MAX = 200
COMMAND_EVENTS = {
    "WORKFLOW_EXECUTION_STARTED",
    "ACTIVITY_TASK_SCHEDULED",
    "ACTIVITY_TASK_CANCEL_REQUESTED",
    "TIMER_STARTED",
    "TIMER_CANCELED",
    "MARKER_RECORDED",
}

_our_run, _our_poke = make_workflow(
    tsuzuki.workflow,
    tsuzuki.exceptions.ActivityError,
    tsuzuki.exceptions.ApplicationError,
    retry_policy=tsuzuki.common.RetryPolicy,
)
_official_run, _official_poke = make_workflow(
    temporalio.workflow,
    temporalio.exceptions.ActivityError,
    temporalio.exceptions.ApplicationError,
    retry_policy=temporalio.common.RetryPolicy,
)


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


def with_local_ones(tree: list[Any], chance: random.Random) -> list[Any]:
    """Make most of a program's activities local."""
    if tree[0] == "activity" and chance.random() < 0.7:
        return ["local", "slow to retry" if chance.random() < 0.2 else tree[1], tree[2]]
    return [with_local_ones(part, chance) if isinstance(part, list) else part for part in tree]


def some_activity(site: LocalSite, chance: random.Random) -> Any:
    @activity.defn(dynamic=True)
    async def some(args: Sequence[RawValue]) -> str:
        info = activity.info()
        await site.sleep(chance.choice([0, 0.5, 1, 3, 9, 25]))
        if info.activity_type == "slow to retry" and info.attempt == 1:
            raise ApplicationError("again")
        if info.activity_type in ("a", "b", "c") and chance.random() < 0.3:
            raise ApplicationError("failed", non_retryable=chance.random() < 0.5)
        return f"r{info.activity_id}"

    return some


def has_silent_news(events: Sequence[HistoryEvent]) -> bool:
    """Tell whether a workflow task brought news, and a heartbeat was all that came of it."""
    kinds: set[str] = set()
    for event, following in itertools.pairwise(events):
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        if kind == "WORKFLOW_TASK_COMPLETED":
            silent = following.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
            if silent and kinds and not kinds & COMMAND_EVENTS:
                return True
            kinds.clear()
        elif not kind.startswith("WORKFLOW_TASK_"):
            kinds.add(kind)
    return False


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_programs_replay_on_both_sides(seed: int) -> None:
    chance = random.Random(seed)
    tree = with_local_ones(program(chance, 3), chance)
    async with local_site() as site, site.worker([Ours], [some_activity(site, chance)]):
        handle = await site.start(Ours.run, tree)
        for _ in range(STEPS_MAX):
            if (await handle.describe()).close_time is not None:
                break
            if chance.random() < 0.1:
                await asyncio.gather(handle.signal(Ours.poke, chance.randrange(4)), return_exceptions=True)
            if chance.random() < 0.03:
                await asyncio.gather(handle.cancel(), return_exceptions=True)
            await site.advance(chance.choice([0.1, 1, 4, 10]))
        events = await site.events(handle)
        assert (await handle.describe()).close_time is not None, tree
        await site.replays(handle, Ours)
    if has_silent_news(events):
        return
    # debug_mode: a busy machine is no deadlock
    replayer = Replayer(workflows=[Official], workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True)
    await replayer.replay_workflow(WorkflowHistory("local", events))
