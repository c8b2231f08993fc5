"""The replayer: recorded histories against changed and unchanged code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from scripted_run import ScriptedRun

from tsuzuki import workflow
from tsuzuki.client import WorkflowHistory
from tsuzuki.replay import Replayer
from tsuzuki.worker.past import UnknownWorkflowError
from tsuzuki.workflow import NondeterminismError

MINUTE = timedelta(minutes=1)


@workflow.defn(name="Steps")
async def steps() -> None:
    await workflow.execute_activity("a", start_to_close_timeout=MINUTE)
    await workflow.execute_activity("b", start_to_close_timeout=MINUTE)


@workflow.defn(name="Steps")
async def steps_with_a_wait() -> None:
    await workflow.execute_activity("a", start_to_close_timeout=MINUTE)
    await asyncio.sleep(30)
    await workflow.execute_activity("b", start_to_close_timeout=MINUTE)


@workflow.defn(name="Steps")
async def steps_with_a_guarded_wait() -> None:
    await workflow.execute_activity("a", start_to_close_timeout=MINUTE)
    if workflow.get_version("wait_v1", workflow.DEFAULT_VERSION, 1) >= 1:
        await asyncio.sleep(30)
    await workflow.execute_activity("b", start_to_close_timeout=MINUTE)


@workflow.defn(name="Steps")
async def steps_that_break() -> None:
    raise RuntimeError("a bug")


@workflow.defn(name="Others")
async def others() -> None:
    pass


def history(done: int) -> WorkflowHistory:
    """A history of `steps` with so many activities done; closed after two."""
    run = ScriptedRun(steps, cached=True)
    run.workflow_task()
    for number in range(done):
        run.complete_activity(str(number + 1))
        run.workflow_task()
    return WorkflowHistory("workflow-id", run.events)


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("code", [steps, steps_with_a_guarded_wait])
async def test_unchanged_and_guarded_code_replays_open_and_closed_runs(code: object, done: int) -> None:
    result = await Replayer(workflows=[code]).replay_workflow(history(done))
    assert result.replay_failure is None


async def test_a_change_is_found_in_runs_that_are_past_it_only() -> None:
    replayer = Replayer(workflows=[steps_with_a_wait])
    await replayer.replay_workflow(history(0))
    with pytest.raises(NondeterminismError) as raised:
        await replayer.replay_workflow(history(2))
    error = raised.value
    assert error.event == "ActivityTaskScheduled 'b' (activity 2)"
    assert error.command == "StartTimer 30 s (timer 1)"
    assert error.source.startswith("test_replayer.py:")
    assert error.event_id == 11


async def test_the_last_task_of_an_open_run_is_replayed_too() -> None:
    """A run that waits for its activity would produce the timer next; nothing recorded says otherwise yet."""
    result = await Replayer(workflows=[steps_with_a_wait]).replay_workflow(history(1), raise_on_replay_failure=False)
    assert isinstance(result.replay_failure, NondeterminismError)


async def test_an_error_that_fails_the_workflow_task_fails_the_replay() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        await Replayer(workflows=[steps_that_break]).replay_workflow(history(2))


async def test_a_type_that_the_code_does_not_have_is_named() -> None:
    with pytest.raises(
        UnknownWorkflowError, match=r"'Steps' is not registered with the code at hand; It knows: Others"
    ):
        await Replayer(workflows=[others]).replay_workflow(history(2))


async def test_failures_of_many_are_collected_by_run_id() -> None:
    async def histories() -> AsyncIterator[WorkflowHistory]:
        yield history(0)
        yield history(2)

    results = await Replayer(workflows=[steps_with_a_wait]).replay_workflows(histories())
    assert [type(failure) for failure in results.replay_failures.values()] == [NondeterminismError]
    assert list(results.replay_failures) == [history(2).run_id]
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[steps_with_a_wait]).replay_workflows(histories(), raise_on_replay_failure=True)


async def test_a_history_survives_its_json_form() -> None:
    read = WorkflowHistory.from_json("workflow-id", history(2).to_json())
    await Replayer(workflows=[steps]).replay_workflow(read)


async def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin with WorkflowExecutionStarted"):
        await Replayer(workflows=[steps]).replay_workflow(WorkflowHistory("workflow-id", []))
