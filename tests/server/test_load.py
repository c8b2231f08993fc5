"""Many at once, and things that die meanwhile: polls of clients that are killed, and the server itself."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from server import _official_program as program
from server._polls import POLL_S, POLLS_OF_A_CONNECTION, QUEUE, poll_request, stubs
from server._running import in_subprocess
from server.test_calls import start_request
from tsuzuki.store import check_store

POLLS: Final = 2_000
RUNS: Final = 500
KILLED_RUNS: Final = 60
SEED: Final = int(os.environ.get("TSUZUKI_SEED") or random.SystemRandom().randrange(2**32))


async def test_of_2000_long_polls_half_are_killed_and_no_task_is_lost(tmp_path: Path) -> None:
    """A quarter ends with its process, a quarter is cancelled; the rest gets every task."""
    quarter = POLLS // 4
    with in_subprocess(tmp_path / "runs.db") as server:
        async with stubs(server.target, 2 * quarter // POLLS_OF_A_CONNECTION) as connections:
            stub = itertools.cycle(connections)
            polls = [asyncio.ensure_future(complete_one(next(stub))) for _ in range(2 * quarter)]
            cancelled = [next(stub).PollWorkflowTaskQueue(poll_request(), timeout=POLL_S) for _ in range(quarter)]
            killed = await asyncio.to_thread(polling_process, server.target, quarter)
            for connection in connections:  # one that answers a later call has sent the earlier ones
                await connection.GetSystemInfo(rpc.GetSystemInfoRequest())

            killed.kill()
            killed.wait()
            for call in cancelled:
                call.cancel()
            await asyncio.gather(*(next(stub).StartWorkflowExecution(load_start(number)) for number in range(RUNS)))
            tasks = [await done for done in itertools.islice(asyncio.as_completed(polls), RUNS)]

            assert {task.workflow_execution.workflow_id for task in tasks} == {f"w{number}" for number in range(RUNS)}
            # A write to a socket whose end nobody has noticed yet is seen by nobody either; cancelled polls take none.
            assert sum(task.attempt > 1 for task in tasks) <= quarter // 10
            count = rpc.CountWorkflowExecutionsRequest(namespace="default", query="ExecutionStatus = 'Completed'")
            assert (await next(stub).CountWorkflowExecutions(count)).count == RUNS
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
        server.kill()
    assert check_store(tmp_path / "runs.db") == []


def polling_process(target: str, count: int) -> subprocess.Popen[str]:
    """A process with so many polls open."""
    command = [sys.executable, "-m", "server._polls", target, str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "polling\n"
    return process


def load_start(number: int) -> rpc.StartWorkflowExecutionRequest:
    request = start_request(f"w{number}")
    request.task_queue.name = QUEUE
    return request


async def complete_one(stub: WorkflowServiceStub) -> rpc.PollWorkflowTaskQueueResponse:
    """Wait for a task, and end its run."""
    task = await stub.PollWorkflowTaskQueue(poll_request(), timeout=POLL_S)
    assert task.task_token, "no poll ends empty while there are tasks"
    done = rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token)
    command = done.commands.add(command_type="COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION")
    command.complete_workflow_execution_command_attributes.SetInParent()
    await stub.RespondWorkflowTaskCompleted(done)
    return task


async def test_a_server_killed_under_load_of_official_workers_goes_on(tmp_path: Path) -> None:
    """Killed three times, each time after some more results; every start comes to its result, once."""
    print(f"TSUZUKI_SEED={SEED} pytest tests/server/test_load.py -k killed_under_load")
    chance, db = random.Random(SEED), tmp_path / "runs.db"
    done: asyncio.Queue[str] = asyncio.Queue()

    async def run_one(client: Client, number: int) -> int:
        result = await persistently(client, f"m{number}")
        done.put_nowait(f"m{number}")
        return result

    with ExitStack() as servers:
        server = servers.enter_context(in_subprocess(db))
        port = int(server.target.rpartition(":")[2])
        client = await Client.connect(server.target)
        async with Worker(client, task_queue="q", workflows=program.WORKFLOWS, activities=program.ACTIVITIES):
            runs = asyncio.gather(*(run_one(client, number) for number in range(KILLED_RUNS)))
            for _ in range(3):
                for _ in range(chance.randint(1, KILLED_RUNS // 5)):
                    await done.get()
                server.kill()
                server = servers.enter_context(in_subprocess(db, port=port))
            assert await runs == [5] * KILLED_RUNS
            assert (await client.count_workflows("ExecutionStatus = 'Completed'")).count == KILLED_RUNS
        server.kill()
    assert check_store(db) == []


async def start_many(client: Client, workflow_id: str) -> int:
    """The result of a run; whoever asks again finds the run that is there."""
    result: int = await client.execute_workflow(
        program.Many.run,
        5,
        id=workflow_id,
        task_queue="q",
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    return result


async def persistently(client: Client, workflow_id: str) -> int:
    """Ask until there is an answer: the SDK tries again itself, but not for as long as a restart may take here."""
    while True:
        try:
            return await start_many(client, workflow_id)
        except WorkflowAlreadyStartedError:  # and it is closed
            return await client.get_workflow_handle_for(program.Many.run, workflow_id).result()
        except RPCError as error:
            if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.CANCELLED, RPCStatusCode.UNKNOWN):
                raise
            await asyncio.sleep(0.1)
