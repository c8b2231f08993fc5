"""Queries: they see the state, change nothing, and an error in one is its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError, query_of
from temporalio.api.enums.v1 import QueryResultType

from tsuzuki import activity, workflow
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])


@activity.defn
async def act() -> str:
    return "done"


@workflow.defn
class Counts:
    def __init__(self) -> None:
        self.count = 0
        self.woken = asyncio.Event()

    @workflow.run
    async def run(self) -> int:
        await asyncio.sleep(1)
        await workflow.execute_activity(act, start_to_close_timeout=timedelta(seconds=5))
        self.count += 100
        await self.woken.wait()
        return self.count

    @workflow.signal
    def add(self, by: int) -> None:
        self.count += by

    @workflow.signal
    def wake(self) -> None:
        self.woken.set()

    @workflow.query
    def current(self) -> int:
        return self.count

    @workflow.query(name="times", description="so many times")
    def multiplied(self, factor: int = 2) -> int:
        return self.count * factor

    @workflow.query
    async def about(self) -> list[Any]:
        return [workflow.info().workflow_id, workflow.in_workflow()]

    @workflow.query
    def broken(self) -> None:
        raise ApplicationError("no answer", type="Broken")

    @workflow.query
    def unreadable(self) -> object:
        return object()

    @workflow.query
    async def waits(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query
    async def pauses(self) -> None:
        await asyncio.get_running_loop().create_future()

    @workflow.query
    def acts(self) -> None:
        workflow.start_activity(act, start_to_close_timeout=timedelta(seconds=5))

    @workflow.query
    def chances(self) -> float:
        return workflow.random().random()

    @workflow.query
    def sets(self) -> None:
        workflow.set_query_handler("x", lambda: 1)

    @workflow.query
    def wakes(self) -> None:
        self.woken.set()


def value(response: Any) -> Any:
    assert response.completed_type == QueryResultType.QUERY_RESULT_TYPE_ANSWERED, response.error_message
    return CONVERTER.from_payloads(response.query_result.payloads)[0]


def test_a_query_sees_the_state_at_any_point(cached: bool) -> None:
    run = ScriptedRun(Counts, cached=cached)
    run.signal("add", 1)
    run.workflow_task()
    assert value(run.ask("current")) == 1
    run.signal("add", 2)
    run.fire_timer("1")
    run.workflow_task()
    assert value(run.ask("current")) == 3
    assert value(run.ask("times", 5)) == 15
    assert value(run.ask("times")) == 6
    assert value(run.ask("times", 5, "of a later version")) == 15
    assert value(run.ask("about")) == ["workflow-id", True]
    run.complete_activity("1")
    run.signal("wake")
    run.workflow_task()
    assert run.result == 103
    assert value(run.ask("current")) == 103
    assert value(run.ask("current")) == 103


def test_a_query_that_comes_without_history(cached: bool) -> None:
    """As the real server sends it to a sticky queue, also when the run has left the cache."""
    run = ScriptedRun(Counts, cached=cached, page_size=2)
    run.signal("add", 1)
    run.workflow_task()
    assert value(run.ask("current", whole_history=False)) == 1
    run.processor.close()
    assert value(run.ask("current", whole_history=False)) == 1
    run.fire_timer("1")
    run.workflow_task()
    assert run.notation().endswith("ActivityScheduled act 1")


def test_a_run_replayed_for_a_query_goes_on_from_there(cached: bool) -> None:
    run = ScriptedRun(Counts, cached=cached)
    run.workflow_task()
    run.processor.close()
    assert value(run.ask("current")) == 0
    assert run.processor.cached == int(cached)
    run.signal("add", 7)
    run.fire_timer("1")
    run.workflow_task()
    assert value(run.ask("current")) == 7
    run.complete_activity("1")
    run.workflow_task()
    assert value(run.ask("current")) == 107
    assert run.service.fetches == 0


def test_queries_ride_with_a_workflow_task_and_see_what_it_brings(cached: bool) -> None:
    run = ScriptedRun(Counts, cached=cached)
    run.workflow_task()
    run.signal("add", 4)
    completed = run.workflow_task({"1": query_of("current"), "2": query_of("times", 3), "3": query_of("broken")})
    answers = {number: result.answer.payloads for number, result in completed.query_results.items()}
    assert CONVERTER.from_payloads([*answers["1"], *answers["2"]]) == [4, 12]
    assert completed.query_results["3"].result_type == QueryResultType.QUERY_RESULT_TYPE_FAILED
    assert completed.query_results["3"].error_message == "no answer"
    run.fire_timer("1")
    run.workflow_task()
    run.complete_activity("1")
    run.signal("wake")
    completed = run.workflow_task({"4": query_of("current")})
    assert run.result == 104
    assert CONVERTER.from_payloads(completed.query_results["4"].answer.payloads) == [104]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("broken", "^no answer$"),
        ("unreadable", "object"),
        ("waits", "query 'waits' must only look at the workflow, but tried to wait for a condition"),
        ("pauses", "query 'pauses' waits for something"),
        ("acts", "query 'acts' must only look at the workflow, but tried to start an activity"),
        ("chances", "tried to draw a random number"),
        ("sets", "tried to set a query handler"),
        ("wakes", "query 'wakes' of workflow 'Counts' woke code that was waiting"),
        ("curent", r"has no query 'curent'; did you mean 'current'\? known queries: \[__enhanced.* wakes\]"),
        ("zzz", r"has no query 'zzz'; known queries: \["),
    ],
)
def test_what_goes_wrong_in_a_query_is_its_answer_and_changes_nothing(cached: bool, query: str, message: str) -> None:
    run = ScriptedRun(Counts, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    run.complete_activity("1")
    run.workflow_task()
    response = run.ask(query)
    assert response.completed_type == QueryResultType.QUERY_RESULT_TYPE_FAILED
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(response.error_message)
    completed = run.workflow_task({"1": query_of(query), "2": query_of("current")})
    assert completed.query_results["1"].result_type == QueryResultType.QUERY_RESULT_TYPE_FAILED
    assert not completed.commands
    run.forget()
    assert value(run.ask("current")) == 100
    run.signal("wake")
    run.workflow_task()
    assert run.result == 100


def test_a_query_of_code_that_does_not_fit_the_history_says_so(cached: bool) -> None:
    run = ScriptedRun(Counts, cached=cached)
    run.workflow_task()

    @workflow.defn(name="Counts")
    class Changed:
        @workflow.run
        async def run(self) -> None:
            workflow.start_activity(act, start_to_close_timeout=timedelta(seconds=5))

    run.processor = run.new_processor([Changed])
    response = run.ask("current")
    assert "history event 5 is TimerStarted" in response.error_message
    assert response.failure.application_failure_info.type == "NondeterminismError"


@workflow.defn
async def sets_handlers() -> None:
    workflow.set_query_handler("set", lambda: "first")
    await asyncio.sleep(1)
    workflow.set_query_handler("set", None)

    def any_other(name: str, args: Sequence[RawValue]) -> str:
        return f"{name} {len(args)}"

    workflow.set_dynamic_query_handler(any_other)
    await asyncio.sleep(1)
    workflow.set_dynamic_query_handler(None)
    await asyncio.sleep(1)


def test_handlers_set_while_it_runs(cached: bool) -> None:
    run = ScriptedRun(sets_handlers, cached=cached)
    run.workflow_task()
    assert value(run.ask("set")) == "first"
    run.fire_timer("1")
    run.workflow_task()
    assert value(run.ask("set", 1, 2)) == "set 2"
    run.fire_timer("2")
    run.workflow_task()
    assert "has no query 'set'" in run.ask("set").error_message


def test_built_in_queries(cached: bool) -> None:
    run = ScriptedRun(Counts, cached=cached)
    run.workflow_task()
    assert "await asyncio.sleep(1)" in value(run.ask("__stack_trace"))
    definition = value(run.ask("__temporal_workflow_metadata")).definition
    assert definition.type == "Counts"
    assert ("times", "so many times") in [(query.name, query.description) for query in definition.query_definitions]
    assert [signal.name for signal in definition.signal_definitions] == ["add", "wake"]
    enhanced = value(run.ask("__enhanced_stack_trace"))
    assert __file__ in [location.file_path for location in enhanced.stacks[0].locations]
    assert "class Counts" in enhanced.sources[__file__].content


def test_a_query_does_not_hide_that_the_workflow_task_failed(cached: bool) -> None:
    @workflow.defn
    class Fails:
        @workflow.run
        async def run(self) -> None:
            raise KeyError("a bug")

        @workflow.query
        def current(self) -> int:
            return 1

    run = ScriptedRun(Fails, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match="a bug"):
        run.workflow_task({"1": query_of("current")})


def test_what_no_handler_may_be(cached: bool) -> None:
    with pytest.raises(ValueError, match=r"query handler .* both a name and dynamic=True"):
        workflow.query(name="x", dynamic=True)(lambda self: None)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="keyword-only parameter 'x'; queries give positional arguments"):

        @workflow.query
        def keyword_only(self: Any, *, x: int) -> None: ...
