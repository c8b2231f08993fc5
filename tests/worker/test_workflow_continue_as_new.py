"""Continue-as-new: the command, from wherever it is asked for; what code sees of its history."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError
from temporalio.api.command.v1 import ContinueAsNewWorkflowExecutionCommandAttributes

from tsuzuki import workflow
from tsuzuki.common import RetryPolicy
from tsuzuki.workflow import ContinueAsNewError

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])


def asked(run: ScriptedRun) -> ContinueAsNewWorkflowExecutionCommandAttributes:
    """Do a workflow task that continues as new; what it asks for."""
    commands = run.workflow_task().commands
    assert run.notation().endswith("ContinuedAsNew")
    return commands[-1].continue_as_new_workflow_execution_command_attributes


@workflow.defn
class Counts:
    @workflow.run
    async def run(self, left: int) -> int:
        if left:
            workflow.continue_as_new(left - 1)
        return left


def test_what_is_left_out_stays_as_it_is(cached: bool) -> None:
    run = ScriptedRun(Counts, 3, cached=cached)
    started = run.events[0].workflow_execution_started_event_attributes
    started.memo.fields["note"].CopyFrom(CONVERTER.to_payload("n"))
    started.retry_policy.maximum_attempts = 4
    attributes = asked(run)
    assert (attributes.workflow_type.name, attributes.task_queue.name) == ("Counts", "queue")
    assert CONVERTER.from_payloads(attributes.input.payloads) == [2]
    assert CONVERTER.from_payload(attributes.memo.fields["note"]) == "n"
    assert attributes.retry_policy.maximum_attempts == 4
    assert not attributes.HasField("workflow_run_timeout")


@workflow.defn
class Options:
    @workflow.run
    async def run(self) -> None:
        workflow.continue_as_new(
            args=[1, "two"],
            workflow=Counts.run,
            task_queue="elsewhere",
            run_timeout=timedelta(hours=1),
            task_timeout=timedelta(seconds=5),
            backoff_start_interval=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=2),
            memo={"a": 1},
            search_attributes={"Kind": "x"},
        )


def test_every_option(cached: bool) -> None:
    attributes = asked(ScriptedRun(Options, cached=cached))
    assert (attributes.workflow_type.name, attributes.task_queue.name) == ("Counts", "elsewhere")
    assert CONVERTER.from_payloads(attributes.input.payloads) == [1, "two"]
    assert attributes.workflow_run_timeout.ToTimedelta() == timedelta(hours=1)
    assert attributes.workflow_task_timeout.ToTimedelta() == timedelta(seconds=5)
    assert attributes.backoff_start_interval.ToTimedelta() == timedelta(minutes=1)
    assert attributes.retry_policy.maximum_attempts == 2
    assert CONVERTER.from_payload(attributes.memo.fields["a"]) == 1
    assert attributes.search_attributes.indexed_fields["Kind"].data == b'"x"'


@workflow.defn
class Gathers:
    @workflow.run
    async def run(self) -> None:
        async def inner() -> None:
            try:
                workflow.continue_as_new()
            except Exception:  # it is none
                return

        await asyncio.gather(inner())


def test_from_a_task_that_the_workflow_waits_for(cached: bool) -> None:
    run = ScriptedRun(Gathers, cached=cached)
    asked(run)


@workflow.defn
class FromAHandler:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    async def again(self) -> None:
        workflow.continue_as_new()

    @workflow.update
    async def once_more(self) -> None:
        workflow.continue_as_new()


def test_from_a_signal_handler(cached: bool) -> None:
    run = ScriptedRun(FromAHandler, cached=cached)
    run.workflow_task()
    run.signal("again")
    asked(run)


@pytest.mark.filterwarnings("error")
def test_from_an_update_handler(cached: bool) -> None:
    run = ScriptedRun(FromAHandler, cached=cached)
    run.workflow_task()
    run.update("a", "once_more")
    asked(run)
    assert run.notation().endswith("UpdateAccepted a | ContinuedAsNew")


@workflow.defn
class CleansUp:
    @workflow.run
    async def run(self) -> None:
        try:
            workflow.continue_as_new()
        finally:
            await asyncio.sleep(1)


def test_clean_up_runs_before_it(cached: bool) -> None:
    run = ScriptedRun(CleansUp, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    asked(run)


@workflow.defn
class Unsendable:
    @workflow.run
    async def run(self) -> None:
        workflow.continue_as_new(object())


def test_an_argument_that_cannot_be_sent_fails_the_workflow_task(cached: bool) -> None:
    run = ScriptedRun(Unsendable, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match="argument number 1 to continue as new with"):
        run.workflow_task()


@workflow.defn
class Looks:
    @workflow.run
    async def run(self) -> list[Any]:
        info = workflow.info()
        first = [info.get_current_history_length(), info.is_continue_as_new_suggested()]
        await asyncio.sleep(1)
        return [
            *first,
            info.get_current_history_length(),
            info.get_current_history_size(),
            info.is_continue_as_new_suggested(),
            info.continued_run_id,
        ]


def test_length_size_and_suggestion_are_those_of_the_workflow_task(cached: bool) -> None:
    run = ScriptedRun(Looks, cached=cached)
    run.events[0].workflow_execution_started_event_attributes.continued_execution_run_id = "before"
    run.workflow_task()
    run.fire_timer("1")
    task = run.start_workflow_task()
    for history in (task.history.events, run.events):
        started = history[-1].workflow_task_started_event_attributes
        started.history_size_bytes, started.suggest_continue_as_new = 5_000, True
    run.complete_workflow_task(run.process(task))  # type: ignore[arg-type]
    assert run.result == [3, False, 8, 5_000, True, "before"]


def test_it_is_no_exception_that_code_catches_by_accident(cached: bool) -> None:
    assert not issubclass(ContinueAsNewError, Exception)
