"""Signals: in order, before the rest of their workflow task, kept until there is a handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import ScriptedRun, WorkflowTaskFailedError

from tsuzuki import activity, workflow
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])


@activity.defn
async def act(value: Any = None) -> Any:
    return value


@workflow.defn
class Collects:
    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.done = False

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: self.done)
        return self.seen

    @workflow.signal
    def add(self, value: int, note: str = "-") -> None:
        self.seen.append([value, note])

    @workflow.signal(name="slow add")
    async def add_slowly(self, value: int) -> None:
        result = await workflow.execute_activity(act, value, start_to_close_timeout=timedelta(seconds=5))
        self.seen.append(result)

    @workflow.signal(dynamic=True)
    def others(self, name: str, args: Sequence[RawValue]) -> None:
        self.seen.append([name, len(args)])

    @workflow.signal
    def finish(self, fail: bool = False) -> None:
        if fail:
            raise ApplicationError("told to")
        self.done = True


def test_signals_reach_their_handlers_in_order(cached: bool) -> None:
    run = ScriptedRun(Collects, cached=cached)
    run.signal("add", 1)
    run.workflow_task()
    run.signal("add", 2, "two")
    run.signal("unknown", "a", "b")
    run.signal("slow add", 3)
    run.workflow_task()
    run.complete_activity("1", 3)
    run.workflow_task()
    run.signal("finish")
    run.workflow_task()
    assert run.result == [[1, "-"], [2, "two"], ["unknown", 2], 3]


def test_a_pause_of_the_service_is_nothing_to_the_code(cached: bool) -> None:
    run = ScriptedRun(Collects, cached=cached)
    run.workflow_task()
    run.add("WORKFLOW_EXECUTION_PAUSED")
    run.signal("add", 1)
    run.add("WORKFLOW_EXECUTION_UNPAUSED")
    run.workflow_task()
    run.add("WORKFLOW_EXECUTION_OPTIONS_UPDATED")
    run.signal("finish")
    run.workflow_task()
    assert run.result == [[1, "-"]]


def test_signals_come_before_everything_else_of_their_workflow_task(cached: bool) -> None:
    run = ScriptedRun(Collects, cached=cached)
    run.workflow_task()
    run.signal("slow add", 1)
    run.workflow_task()
    run.complete_activity("1", "from activity")
    run.signal("add", 2)
    run.signal("finish")
    run.workflow_task()
    assert run.result == [[2, "-"]]


def test_a_failure_in_a_handler_fails_the_workflow(cached: bool) -> None:
    run = ScriptedRun(Collects, cached=cached)
    run.workflow_task()
    run.signal("finish", True)
    run.workflow_task()
    assert run.failure.message == "told to"


def test_arguments_that_do_not_fit_drop_the_signal_and_are_logged(
    cached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = ScriptedRun(Collects, cached=cached)
    run.workflow_task()
    run.signal("add", "not a number")
    run.signal("finish")
    run.workflow_task()
    assert run.result == []
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "signal 'add' of workflow 'workflow-id'" in record.message


@workflow.defn
async def sets_handlers_late() -> list[str]:
    seen: list[str] = []
    await asyncio.sleep(1)
    workflow.set_signal_handler("word", seen.append)
    await asyncio.sleep(1)

    def any_other(name: str, args: Sequence[RawValue]) -> None:
        seen.append(name)

    workflow.set_dynamic_signal_handler(any_other)
    await asyncio.sleep(1)
    workflow.set_signal_handler("word", None)
    workflow.set_dynamic_signal_handler(None)
    await asyncio.sleep(1)
    return seen


def test_signals_wait_for_a_handler_that_is_set_later(cached: bool) -> None:
    run = ScriptedRun(sets_handlers_late, cached=cached)
    run.workflow_task()
    for name in ("word", "other", "word"):
        run.signal(name, name)
    run.fire_timer("1")
    run.workflow_task()
    run.fire_timer("2")
    run.workflow_task()
    run.fire_timer("3")
    run.signal("last")
    run.workflow_task()
    run.signal("word", "too late")
    run.fire_timer("4")
    run.workflow_task()
    assert run.result == ["word", "word", "other", "last"]


@workflow.defn
class BadHandler:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    def poke(self) -> None:
        raise KeyError("a bug in the handler")


def test_a_bug_in_a_handler_fails_the_workflow_task(cached: bool) -> None:
    run = ScriptedRun(BadHandler, cached=cached)
    run.signal("poke")
    with pytest.raises(WorkflowTaskFailedError, match="a bug in the handler"):
        run.workflow_task()


def test_what_no_handler_may_be(cached: bool) -> None:
    with pytest.raises(ValueError, match="both a name and dynamic=True"):
        workflow.signal(name="x", dynamic=True)(lambda self: None)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="keyword-only parameter 'x'"):

        @workflow.signal
        def keyword_only(self: Any, *, x: int) -> None: ...

    class Twice(BadHandler):
        @workflow.run
        async def run(self) -> None: ...

        @workflow.signal(name="poke")
        def again(self) -> None: ...

    with pytest.raises(TypeError, match="two handlers of signal poke: again and poke"):
        workflow.definition_of(workflow.defn(Twice))
