"""What scenarios leave replays on the other side: ours on the official SDK, official histories on ours.

Only those about what a workflow can say; what others leave is the same in every respect that a replay sees.
"""

from __future__ import annotations

import asyncio

import pytest
import temporalio.client
import temporalio.worker
from temporalio.api.history.v1 import HistoryEvent

from differential._pairings import ours_on_ours, run
from differential._program import load, names
from tsuzuki.converter import DataConverter
from tsuzuki.worker._activation import activate
from tsuzuki.worker._run_settings import RunSettings
from tsuzuki.worker._workflow_run import WorkflowRun
from tsuzuki.workflow import definition_of

FILES = ("children", "continuing", "external", "local_activities", "properties")
SECONDS_MAX = 300.0
NAMES = sorted(name for name in names() if name.startswith(FILES))


@pytest.mark.parametrize("name", NAMES)
async def test_our_histories_replay_on_the_official_sdk(name: str) -> None:
    histories: list[list[HistoryEvent]] = []
    await asyncio.wait_for(ours_on_ours(name, histories), SECONDS_MAX)
    replayer = temporalio.worker.Replayer(
        workflows=load(name, "temporalio").workflows,
        workflow_runner=temporalio.worker.UnsandboxedWorkflowRunner(),
        debug_mode=True,  # a busy machine is no deadlock
    )
    assert histories
    for events in histories:
        await replayer.replay_workflow(temporalio.client.WorkflowHistory("id", events))


@pytest.mark.parametrize("name", NAMES)
async def test_official_histories_replay_on_ours(name: str, real_server: str) -> None:
    histories: list[list[HistoryEvent]] = []
    client = await temporalio.client.Client.connect(real_server)
    await asyncio.wait_for(run(name, "temporalio", client, histories), SECONDS_MAX)
    ours = {definition_of(cls).name: definition_of(cls) for cls in load(name, "tsuzuki").workflows}
    settings = RunSettings("default", "queue", DataConverter.default)
    assert histories
    for events in histories:
        started = events[0].workflow_execution_started_event_attributes
        definition = ours[started.workflow_type.name]
        replayed = WorkflowRun(settings, definition, events[0], started.workflow_id, started.original_execution_run_id)
        activate(replayed, events, replay_only=True)
        assert replayed.closed
        replayed.evict()
