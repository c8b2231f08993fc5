"""The official Go SDK: the chapter's Go code as a program, its workers and client against our server.

Skipped where there is no Go, or its modules cannot be fetched. The program is built once, into the run's own folder.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError

from sdk._programs import Program, run, run_or_skip, running, tool
from server._running import in_subprocess

SOURCE = Path(__file__).with_name("go")
TWINS = Path(__file__).with_name("go_twins.py")
BIN = Path(sys.executable).parent
QUEUE = "shannon-tasks"


@pytest.fixture(scope="module")
def chapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program."""
    go = tool("go", "the official Go SDK cannot be tried")
    run_or_skip([go, "mod", "download"], SOURCE, "Go modules")
    binary = tmp_path_factory.mktemp("go") / "chapter"
    run([go, "build", "-o", str(binary), "."], SOURCE)
    return binary


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with in_subprocess(tmp_path_factory.mktemp("server") / "runs.db") as server:
        yield server.target


@pytest.fixture
def own_target(tmp_path: Path) -> Iterator[str]:
    """A server on which no other workers are."""
    with in_subprocess(tmp_path / "runs.db") as server:
        yield server.target


@contextmanager
def workers(chapter: Path, target: str, deployed: str = "v2") -> Iterator[Program]:
    with running([str(chapter), "worker", target, deployed], chapter.parent) as program:
        yield program


@pytest.fixture(scope="module")
def worker(chapter: Path, target: str) -> Iterator[Program]:
    """Workers of the newest code, on the chapter's four queues."""
    with workers(chapter, target) as program:
        yield program


@pytest_asyncio.fixture
async def client(target: str) -> AsyncIterator[Client]:
    yield await Client.connect(target)


async def result(client: Client, name: str, *args: Any, queue: str = QUEUE) -> Any:
    return await client.execute_workflow(name, args=args, id=f"{name} {args}"[:200], task_queue=queue)


async def events(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The names of the events of a run."""
    history = await handle.fetch_history()
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]


async def until_event(handle: WorkflowHandle[Any, Any], kind: str, count: int = 1) -> None:
    """Return when there are so many events of a kind."""
    seen = 0
    async for event in handle.fetch_history_events(wait_new_event=True):
        seen += EventType.Name(event.event_type) == f"EVENT_TYPE_{kind}"
        if seen == count:
            return
    raise AssertionError(f"the run is over without {count} {kind}")


pytestmark = pytest.mark.usefixtures("chapter")


@pytest.mark.usefixtures("worker")
async def test_research_in_sequence(client: Client) -> None:
    assert await result(client, "DeepResearchWorkflow", "a b c") == "found a; found b; found c"


@pytest.mark.usefixtures("worker")
async def test_the_options_of_activities(client: Client) -> None:
    got = await result(client, "OptionsWorkflow")
    assert got == {"Attempts": 3, "RefusedType": "InvalidInputError", "WentOnFrom": 7}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("queue", ["shannon-tasks-critical", "shannon-tasks-high", "shannon-tasks-low"])
async def test_every_priority_queue_has_its_worker(client: Client, queue: str) -> None:
    assert await result(client, "DeepResearchWorkflow", queue, queue=queue) == f"found {queue}"


@pytest.mark.usefixtures("worker")
async def test_versions_of_features(client: Client) -> None:
    assert await result(client, "MemoryWorkflow", {"SessionID": "s", "History": []}) == ["hierarchical memory of s"]
    long = {"SessionID": "s", "History": [""] * 21}
    assert await result(client, "MemoryWorkflow", long) == ["hierarchical memory of s", "21 messages compressed"]
    assert await result(client, "MemoryWorkflow", {"SessionID": "", "History": []}) == ["messages of "]


@pytest.mark.usefixtures("worker")
async def test_pause_and_resume_by_the_go_client(client: Client, chapter: Path, target: str) -> None:
    handle = await client.start_workflow("ControlledWorkflow", id="controlled", task_queue=QUEUE)

    async def signal(name: str) -> None:
        await asyncio.to_thread(run, [str(chapter), "signal", target, "controlled", name], chapter.parent)

    await until_event(handle, "TIMER_FIRED")
    assert await handle.query("get_status") == "running"
    await signal("pause")
    assert await handle.query("get_status") == "paused"
    await signal("resume")
    assert await handle.query("get_status") == "running"
    await signal("cancel")
    assert await handle.result() >= 1
    assert await handle.query("get_status") == "running", "of a closed run"
    assert "MARKER_RECORDED" in await events(handle)


@pytest.mark.usefixtures("worker")
async def test_fire_and_forget(client: Client) -> None:
    assert await result(client, "FireAndForgetWorkflow") == "found more"
    kinds = await events(client.get_workflow_handle("FireAndForgetWorkflow ()"))
    assert kinds.count("ACTIVITY_TASK_SCHEDULED") == 2


@pytest.mark.usefixtures("worker")
async def test_parallel_patterns(client: Client) -> None:
    topics = ["a", "b", "c"]
    assert await result(client, "WaitForAllWorkflow", topics) == ["found a", "found b", "found c"]
    assert await result(client, "FirstComeWorkflow", topics) == ["a: found a", "b: found b", "c: found c"]


@pytest.mark.usefixtures("worker")
async def test_a_timer_cancels_what_takes_too_long(client: Client) -> None:
    limit_ns = int(timedelta(milliseconds=300).total_seconds() * 1e9)
    assert await result(client, "TimeoutWorkflow", limit_ns) == "timeout, and the task was cancelled"
    kinds = await events(client.get_workflow_handle(f"TimeoutWorkflow ({limit_ns},)"))
    assert kinds.index("TIMER_FIRED") < kinds.index("ACTIVITY_TASK_CANCELED")


@pytest.mark.usefixtures("worker")
async def test_any_three_of_five(client: Client) -> None:
    topics = ["one", "slow", "two", "bad", "three"]
    assert await result(client, "ThreeOfFiveWorkflow", topics) == ["found one", "found three", "found two"]
    assert await result(client, "ThreeOfFiveWorkflow", ["bad 1", "bad 2", "one"]) == ["found one"]


@pytest.mark.usefixtures("worker")
async def test_a_token_budget(client: Client) -> None:
    assert await result(client, "BudgetedWorkflow", 10, [3, 4]) == 3
    with pytest.raises(WorkflowFailureError) as spent:
        await result(client, "BudgetedWorkflow", 10, [3, 4, 5])
    cause = spent.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.details) == ("BudgetExceeded", (3,))


@pytest.mark.usefixtures("worker")
async def test_children_in_parallel(client: Client) -> None:
    assert await result(client, "ParentWorkflow", ["eins", "zwei"]) == ["found eins", "found zwei"]
    child = await client.get_workflow_handle("research-eins").describe()
    assert (child.parent_id, child.status) == ("ParentWorkflow (['eins', 'zwei'],)", WorkflowExecutionStatus.COMPLETED)
    with pytest.raises(WorkflowFailureError) as failed:
        await result(client, "ParentWorkflow", ["drei", "bad"])
    assert isinstance(failed.value.cause, ChildWorkflowError)
    assert await client.get_workflow_handle("research-drei").result() == "found drei", "it fails alone"


@pytest.mark.usefixtures("worker")
async def test_continue_as_new(client: Client) -> None:
    handle = await client.start_workflow("LoopWorkflow", 2, id="loop", task_queue=QUEUE)
    assert await handle.result()
    runs = [run async for run in client.list_workflows("WorkflowId = 'loop'")]
    assert sorted(str(run.status and run.status.name) for run in runs) == ["COMPLETED"] + ["CONTINUED_AS_NEW"] * 2
    first = client.get_workflow_handle("loop", run_id=handle.first_execution_run_id)
    assert (await events(first)).count("ACTIVITY_TASK_COMPLETED") == 3


@pytest.mark.usefixtures("worker")
async def test_a_loop_that_looks_at_its_context_is_cancelled_and_cleans_up(client: Client) -> None:
    handle = await client.start_workflow("CancelledWorkflow", id="cancelled", task_queue=QUEUE)
    await until_event(handle, "TIMER_STARTED")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as cancelled:
        await handle.result()
    assert isinstance(cancelled.value.cause, CancelledError)
    assert "ACTIVITY_TASK_COMPLETED" in await events(handle)


@pytest.mark.usefixtures("worker")
async def test_a_path_instead_of_the_data(client: Client) -> None:
    assert await result(client, "DownloadWorkflow") == "/data/large-file"


def command_line(*arguments: str) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_side_effects_survive_a_killed_worker_and_the_history_replays_here(
    chapter: Path, own_target: str, tmp_path: Path
) -> None:
    target, client = own_target, await Client.connect(own_target)
    with workers(chapter, target) as first:
        handle = await client.start_workflow("DeterministicWorkflow", "fast", id="deterministic", task_queue=QUEUE)
        await until_event(handle, "ACTIVITY_TASK_COMPLETED")
        await until_event(handle, "WORKFLOW_TASK_COMPLETED", 2)
        first.kill()
    with workers(chapter, target):
        await handle.signal("go on")
        got = await handle.result()
        assert await handle.query("first") == {**got, "Page": ""}

    temporal = str(BIN / "temporal")
    shown = command_line(
        temporal, "workflow", "show", "--address", target, "--workflow-id", "deterministic", "--output", "json"
    )
    history = tmp_path / "history.json"
    history.write_text(shown)
    markers = [event for event in json.loads(shown)["events"] if event["eventType"] == "EVENT_TYPE_MARKER_RECORDED"]
    assert [marker["markerRecordedEventAttributes"]["markerName"] for marker in markers] == ["SideEffect"] * 2
    tsuzuki = str(BIN / "tsuzuki")
    replay = (tsuzuki, "workflow", "replay", "--workflows", str(TWINS))
    assert "replayed, no difference" in command_line(*replay, "--file", str(history))
    assert "replayed, no difference" in command_line(*replay, "--workflow-id", "deterministic", "--target", target)


async def test_open_runs_take_new_code_by_its_version(chapter: Path, own_target: str) -> None:
    target, client = own_target, await Client.connect(own_target)
    names = ("MyWorkflow", "MigratedWorkflow")

    async def start(name: str, when: str) -> WorkflowHandle[Any, Any]:
        return await client.start_workflow(name, id=f"{name} {when}", task_queue=QUEUE)

    with workers(chapter, target, "v1"):
        old = [await start(name, "old") for name in names]
        for handle in old:
            await until_event(handle, "ACTIVITY_TASK_COMPLETED")
            await until_event(handle, "WORKFLOW_TASK_COMPLETED", 2)
    with workers(chapter, target, "v2"):
        new = [await start(name, "new") for name in names]
        for handle in new:
            await until_event(handle, "ACTIVITY_TASK_COMPLETED", 2)
            await until_event(handle, "WORKFLOW_TASK_COMPLETED", 3)
        for handle in [*old, *new]:
            await handle.signal("go on")
        # A version is asked for where the code gets to: what an old run had not reached is new to it too.
        assert [await handle.result() for handle in old] == [["A", "B"], ["A", "B2 carefully"]]
        assert [await handle.result() for handle in new] == [["A", "New", "B"], ["A", "C", "B2 carefully"]]
    assert (await events(new[0])).count("MARKER_RECORDED") == 1
    tsuzuki = str(BIN / "tsuzuki")
    for when in ("old", "new"):
        arguments = ("--workflows", str(TWINS), "--workflow-id", f"MyWorkflow {when}", "--target", target)
        assert "replayed, no difference" in command_line(tsuzuki, "workflow", "replay", *arguments)
