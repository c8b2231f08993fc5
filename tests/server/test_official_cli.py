"""The official `temporal` command line: the same commands, with the same output, here and on the real server."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import pytest
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest, RecordWorkerHeartbeatRequest
from temporalio.client import Client
from temporalio.worker import Worker

from differential._real_server import binary, serving
from server import _official_program as program
from server._cli_table import NOT_OFFERED, QUEUE, STEPS, Step, normalized, told
from server._running import in_process
from tsuzuki.server import Server
from tsuzuki.server._rpcs import RPCS

TRIES_MAX: Final = 300
DELETES_SOON: Final = tuple(
    argument
    for queue in ("transfer", "visibility")
    for argument in ("--dynamic-config-value", f'history.{queue}ProcessorUpdateAckInterval="1s"')
)
"""The real server deletes a run when the queues that its end went through have noted how far they are: by default after
half a minute, and on a busy machine a minute."""
METHODS: Final = {rpc.name: rpc.method for rpc in RPCS.values()}


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    exit_code: int
    output: str
    error: str


def run(target: str, command: str, *more: str) -> Outcome:
    temporal = binary()
    assert temporal is not None
    arguments = [temporal, *shlex.split(command), "--address", target, *more]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


async def run_step(target: str, step: Step) -> Outcome:
    """Run a step; one that waits for something to be seen, until it is."""
    more = () if step.plain else ("--output", "json")
    for _ in range(TRIES_MAX):
        outcome = await asyncio.to_thread(run, target, step.command, *more)
        if step.until in outcome.output + outcome.error and not (step.retry and outcome.exit_code):
            break
        await asyncio.sleep(0.1)
    return outcome


async def run_all(real: str) -> Mapping[Step, tuple[Outcome, Outcome]]:
    """Each step on the real server and on ours, one after another."""
    outcomes = {}
    async with AsyncExitStack() as running:
        ours = (await running.enter_async_context(in_process())).target
        for target in (real, ours):
            client = await connected(target)
            await running.enter_async_context(
                Worker(client, task_queue=QUEUE, workflows=program.WORKFLOWS, activities=program.ACTIVITIES)
            )
        for step in STEPS:
            outcomes[step] = (await run_step(real, step), await run_step(ours, step))
    return outcomes


async def connected(target: str) -> Client:
    """The real server listens before its namespace is there."""
    while True:
        client = await Client.connect(target)
        try:
            await client.count_workflows()
        except Exception:
            await asyncio.sleep(0.1)
        else:
            return client


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Step, tuple[Outcome, Outcome]]:
    temporal = binary()
    if temporal is None:
        pytest.skip("there is no temporal command")
    with serving(temporal, tmp_path_factory.mktemp("real") / "server.log", *DELETES_SOON) as real:
        return asyncio.run(run_all(real))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_command_does_here_what_it_does_there(outcomes: Mapping[Step, tuple[Outcome, Outcome]], step: Step) -> None:
    def shown(outcome: Outcome) -> list[Any]:
        return [outcome.exit_code, normalized(outcome.output, step.ignoring), told(outcome.error, step.bare)]

    real, ours = (json.dumps(shown(outcome), indent=1) for outcome in outcomes[step])
    assert ours == real, f"{step.command}\nreal: {outcomes[step][0].error}\nours: {outcomes[step][1].error}"


async def test_a_command_that_is_not_offered_says_so(subtests: pytest.Subtests, server: Server) -> None:
    for command, rpc in NOT_OFFERED.items():
        with subtests.test(command=command):
            if hasattr(server.service, METHODS[rpc]):
                pytest.skip(f"{rpc} has come: move '{command}' to the steps that are compared")
            outcome = await asyncio.to_thread(run, server.target, command)
            assert outcome.exit_code == 1
            assert f"{rpc} is not offered" in outcome.error


async def test_a_task_queue_is_described(server: Server) -> None:
    """Rates are those of the moment, so the real server's are no help; the shape was compared with them left out."""
    client = await connected(server.target)
    poll = PollWorkflowTaskQueueRequest(namespace="default", identity="me")
    poll.task_queue.name = QUEUE
    waiting = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(poll))
    seen = await run_step(server.target, Step(f"task-queue describe --task-queue {QUEUE}", until='"me"'))
    waiting.cancel()
    described = json.loads(seen.output)
    [poller] = described["pollers"]
    assert (poller["identity"], poller["taskQueueType"], poller["buildId"]) == ("me", "workflow", "UNVERSIONED")
    assert sorted((each["taskQueueType"], each["approximateBacklogCount"]) for each in described["stats"]) == [
        ("activity", 0),
        ("workflow", 0),
    ]


async def test_workers_that_send_heartbeats_are_listed(server: Server) -> None:
    """The real development server lists none unless it is told to."""
    client = await connected(server.target)
    beat = WorkerHeartbeat(worker_instance_key="k", worker_identity="me", task_queue=QUEUE, sdk_name="temporal-go")
    beat.status = WorkerStatus.WORKER_STATUS_RUNNING
    await client.workflow_service.record_worker_heartbeat(
        RecordWorkerHeartbeatRequest(namespace="default", identity="me", worker_heartbeat=[beat])
    )
    listed = json.loads((await run_step(server.target, Step("worker list"))).output)
    shown = {"workerInstanceKey": "k", "workerIdentity": "me", "taskQueue": QUEUE, "sdkName": "temporal-go"}
    assert listed == [{"workerHeartbeat": shown | {"status": "WORKER_STATUS_RUNNING"}}]
    described = await run_step(server.target, Step("worker describe --worker-instance-key k"))
    assert json.loads(described.output)["workerHeartbeat"]["taskQueue"] == QUEUE
