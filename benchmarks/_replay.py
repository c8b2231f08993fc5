"""(d) Replay: events per second that the worker reads when a run comes back without its cached state.

A real history is recorded by the embedded engine, then given whole to a fresh `WorkflowTaskProcessor`, as
after an eviction or a restart. Nothing but the worker runs: no engine, no disk, no activity.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import cast

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
)

from benchmarks._progress import say
from benchmarks._series import Series, number
from benchmarks._side_tsuzuki import TASK_QUEUE, Steps, open_side
from benchmarks._table import Row
from tsuzuki.service import WorkflowService
from tsuzuki.worker._workflow_tasks import WorkflowTaskProcessor

STEPS = 1500
REPLAYS = 3


def measure(folder: Path, rounds: int) -> list[Row]:
    """One row."""
    return asyncio.run(_measure(folder, rounds))


async def _measure(folder: Path, rounds: int) -> list[Row]:
    task = await recorded_task(folder, STEPS)
    events = len(task.history.events)
    rates: list[float] = []
    for turn in range(rounds):
        rates.append(events * REPLAYS / await replay(task, REPLAYS))
        say(f"(d) round {turn + 1}/{rounds}: {number(rates[-1])} events/s")
    return [Row("d", f"replay of {events:,} events", Series.of(rates).show(" events/s"))]


async def recorded_task(folder: Path | None, steps: int) -> PollWorkflowTaskQueueResponse:
    """Run `steps` activities and give the last workflow task of that run, with its whole history."""
    side = await open_side(folder)
    try:
        client = side.client
        handle = await client.start_workflow(Steps.run, steps, id="recorded", task_queue=TASK_QUEUE)
        assert await handle.result() == steps
        recorded = await handle.fetch_history()
    finally:
        await side.close()
    events = list(recorded.events)
    while events[-1].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
        events.pop()
    task = PollWorkflowTaskQueueResponse(
        task_token=b"replay",
        history=History(events=events),
        started_event_id=events[-1].event_id,
        previous_started_event_id=0,
        attempt=1,
    )
    task.workflow_execution.workflow_id = "recorded"
    task.workflow_execution.run_id = handle.run_id or handle.first_execution_run_id or "run"
    task.workflow_type.name = "Steps"
    return task


async def replay(task: PollWorkflowTaskQueueResponse, times: int) -> float:
    """Seconds that `times` full replays take, each by a processor that has never seen the run."""
    seconds = 0.0
    for _ in range(times):
        processor = _processor()
        began = time.perf_counter()
        answer = await processor.process(task)
        seconds += time.perf_counter() - began
        assert isinstance(answer, RespondWorkflowTaskCompletedRequest), answer
        kinds = [command.command_type for command in answer.commands]
        assert len(kinds) == 1, f"the replay ended with {kinds}"
    return seconds


def _processor() -> WorkflowTaskProcessor:
    nowhere = cast(WorkflowService, None)  # asked only for history that a task lacks
    return WorkflowTaskProcessor(nowhere, namespace="default", task_queue=TASK_QUEUE, workflows=[Steps])
