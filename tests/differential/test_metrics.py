"""The worker's metrics have the names and attributes of the official worker's, on the same program and server."""

from __future__ import annotations

import sys
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import temporalio.client
import temporalio.runtime
import temporalio.worker

from differential._program import load_module
from tsuzuki.client import Client
from tsuzuki.worker import Worker

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))
from measured import Kept

PROGRAM = Path(__file__).with_name("_metrics_program.py")
BEYOND_US = {
    # Replay is not timed apart.
    "temporal_workflow_task_replay_latency",
}
ONLY_OURS = {"temporal_activity_poll_no_task", "temporal_workflow_task_queue_poll_empty"}  # at the worker's end
OTHER_VALUES = {"eager", "service_name"}
RECEIVED = "temporal_activity_task_received"


async def drive(program: Any, client: Any, worker: Any) -> None:
    queue = f"q-{uuid.uuid4()}"
    async with worker(client, queue):
        for fail in (False, True):
            handle = await client.start_workflow("Measured", fail, id=f"w-{uuid.uuid4()}", task_queue=queue)
            try:
                await handle.result()
            except program.client.WorkflowFailureError:
                assert fail


async def test_names_and_attributes_are_those_of_the_official_worker(real_server: str) -> None:
    buffer = temporalio.runtime.MetricBuffer(100_000)
    runtime = temporalio.runtime.Runtime(telemetry=temporalio.runtime.TelemetryConfig(metrics=buffer))
    official: dict[str, set[frozenset[str]]] = defaultdict(set)
    theirs = load_module(PROGRAM, "temporalio")
    await drive(
        theirs,
        await temporalio.client.Client.connect(real_server, runtime=runtime),
        lambda client, queue: temporalio.worker.Worker(
            client,
            task_queue=queue,
            workflows=[theirs.Measured],
            activities=[theirs.work],
            workflow_runner=temporalio.worker.UnsandboxedWorkflowRunner(),
        ),
    )
    for update in buffer.retrieve_updates():
        official[update.metric.name].add(frozenset(update.attributes.keys() - OTHER_VALUES))

    kept, ours = Kept(), load_module(PROGRAM, "tsuzuki")
    async with await Client.connect(real_server, metric_meter=kept.meter()) as client:
        await drive(
            ours,
            client,
            lambda client, queue: Worker(client, task_queue=queue, workflows=[ours.Measured], activities=[ours.work]),
        )
    found: dict[str, set[frozenset[str]]] = defaultdict(set)
    for _, name, _, attributes in kept.taken:
        found[name].add(frozenset(attributes.keys() - OTHER_VALUES))
    assert {attributes["eager"] for _, name, _, attributes in kept.taken if name == RECEIVED} == {True}
    assert official.keys() - found.keys() <= BEYOND_US
    assert found.keys() - official.keys() <= ONLY_OURS
    for name in official.keys() & found.keys():
        # Requests: the official client also says which queue some of them are about.
        if "request" not in name:
            assert found[name] == official[name], name
