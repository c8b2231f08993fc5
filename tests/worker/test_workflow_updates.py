"""Updates: in order with signals, validated once, answered, and the same on replay."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from datetime import timedelta

import pytest
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError

from tsuzuki import activity, workflow
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])


@activity.defn
async def act() -> int:
    return 1


@workflow.defn
class Account:
    def __init__(self) -> None:
        self.balance = 0
        self.done = False
        self.validations = 0

    @workflow.run
    async def run(self, finish_handlers: bool = True) -> int:
        await workflow.wait_condition(lambda: self.done)
        if finish_handlers:
            await workflow.wait_condition(workflow.all_handlers_finished)
        return self.balance

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.signal
    async def finish_slowly(self) -> None:
        self.done = True
        await asyncio.sleep(10)

    @workflow.update
    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @add.validator
    def check_add(self, amount: int) -> None:
        if amount < 0:
            raise ApplicationError("negative", type="Negative")
        if amount > 1000:
            self.done = True
            workflow.start_activity(act, start_to_close_timeout=timedelta(seconds=5))

    @workflow.update
    async def add_by_activity(self) -> int:
        amount = await workflow.execute_activity(act, start_to_close_timeout=timedelta(seconds=5))
        self.balance += amount
        return self.balance

    @workflow.update(name="who am I")
    async def who(self) -> list[str]:
        await asyncio.sleep(1)
        info = workflow.current_update_info()
        assert info is not None
        return [info.id, info.name]

    @workflow.update
    def breaks(self) -> None:
        raise KeyError("a bug")

    @workflow.update
    def fails(self) -> None:
        raise ApplicationError("as asked", type="Asked")

    @workflow.update(dynamic=True)
    def others(self, name: str, args: Sequence[RawValue]) -> str:
        return f"{name} {len(args)}"


def test_an_update_is_accepted_and_answered(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "add", 3)
    run.workflow_task()
    assert run.outcomes == {"a": 3}
    run.update("b", "add_by_activity")
    run.update("c", "add", 4)
    run.workflow_task()
    assert run.outcomes == {"a": 3, "c": 7}
    run.complete_activity("1", 5)
    run.workflow_task()
    assert run.outcomes["b"] == 12
    run.signal("finish")
    run.workflow_task()
    assert run.result == 12
    assert run.notation() == (
        "Started | WFT | WFT | UpdateAccepted a | UpdateCompleted a | WFT | UpdateAccepted b | "
        "ActivityScheduled act 1 | UpdateAccepted c | UpdateCompleted c | ActivityCompleted 1 | WFT | "
        "UpdateCompleted b | Signaled | WFT | Completed"
    )


def test_a_call_without_arguments_that_the_handler_needs_is_rejected(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "add")
    run.forgotten_workflow_task()
    said, kind = run.rejections["a"]
    assert said.startswith("update 'add' of workflow 'Account' was called with 0 argument(s): missing a required")
    assert kind == "TypeError"
    run.update("b", "add", 3)
    run.workflow_task()
    assert run.outcomes["b"] == 3


@workflow.defn
class Closes:
    """Waits for its handlers before it closes, and says what it saw."""

    def __init__(self) -> None:
        self.done = False
        self.seen: list[bool] = []

    @workflow.run
    async def run(self) -> list[bool]:
        await workflow.wait_condition(lambda: self.done)
        self.seen.append(workflow.all_handlers_finished())
        await workflow.wait_condition(workflow.all_handlers_finished)
        return [*self.seen, workflow.all_handlers_finished()]

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.signal
    async def handle_slowly(self) -> None:
        await asyncio.sleep(10)

    @workflow.update
    async def update_slowly(self) -> str:
        await asyncio.sleep(20)
        return "updated"


@pytest.mark.parametrize(("slow", "timers"), [("signal", 1), ("update", 1), ("both", 2), ("none", 0)])
def test_all_handlers_finished_waits_for_signals_and_updates(cached: bool, slow: str, timers: int) -> None:
    run = ScriptedRun(Closes, cached=cached)
    run.workflow_task()
    if slow in ("signal", "both"):
        run.signal("handle_slowly")
    if slow in ("update", "both"):
        run.update("u", "update_slowly")
    run.signal("finish")
    run.workflow_task()
    for _ in range(timers):
        assert not run.closed
        run.fire_timer(run.next_timer())
        run.workflow_task()

    assert run.result == [slow == "none", True]
    assert run.outcomes == ({"u": "updated"} if slow in ("update", "both") else {})


def test_an_update_of_the_first_workflow_task_comes_before_the_workflow(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.signal("finish")
    run.update("a", "add", 3)
    run.workflow_task()
    assert run.outcomes == {"a": 3}
    assert run.result == 3


def test_a_rejected_update_leaves_nothing(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "add", -1)
    completed = run.workflow_task()
    assert not completed.commands
    assert run.rejections == {"a": ("negative", "Negative")}
    run.update("b", "add", "no number")
    run.workflow_task()
    assert run.rejections["b"][1] == "PayloadDecodeError"
    run.signal("finish")
    run.workflow_task()
    assert run.result == 0


def test_a_rejection_whose_workflow_task_is_forgotten(cached: bool) -> None:
    """The service drops the task's events; a cached run goes back over them."""
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "add", 3)
    run.workflow_task()
    for number in range(2):
        run.update(f"no {number}", "add", -1)
        run.forgotten_workflow_task()
    run.update("b", "add", 4)
    run.workflow_task()
    assert run.outcomes == {"a": 3, "b": 7}
    run.signal("finish")
    run.workflow_task()
    assert run.result == 7
    assert run.service.fetches == 0


def test_a_rejected_update_does_not_let_a_condition_through(cached: bool) -> None:
    """Nothing in history would say when it was looked at."""
    looks: list[bool] = []

    @workflow.defn
    class Looks:
        def __init__(self) -> None:
            self.refused = False

        @workflow.run
        async def run(self) -> None:
            await workflow.wait_condition(lambda: looks.append(self.refused) or self.refused)

        @workflow.update
        def change(self) -> None: ...

        @change.validator
        def check(self) -> None:
            self.refused = True  # which it must not do
            raise ApplicationError("no")

    run = ScriptedRun(Looks, cached=cached)
    run.workflow_task()
    run.update("a", "change")
    run.forgotten_workflow_task()
    assert not run.closed
    assert not any(looks)


def test_failures(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "fails")
    run.workflow_task()
    assert run.outcomes == {"a": ("as asked", "Asked")}
    run.update("b", "breaks")
    with pytest.raises(WorkflowTaskFailedError, match="a bug"):
        run.workflow_task()


def test_a_validator_that_acts_fails_the_workflow_task(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "add", 1001)
    with pytest.raises(
        WorkflowTaskFailedError, match="the validator of update 'add' must only look at the workflow, but tried to st"
    ):
        run.workflow_task()


def test_who_is_running_and_who_has_no_handler(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "who am I")
    run.update("b", "something else", 1, 2)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.outcomes == {"a": ["a", "who am I"], "b": "something else 2"}


def test_unknown_updates_are_rejected_with_the_nearest_name(cached: bool) -> None:
    @workflow.defn
    class Small:
        @workflow.run
        async def run(self) -> None:
            await workflow.wait_condition(lambda: False)

        @workflow.update
        def increase(self) -> None: ...

    run = ScriptedRun(Small, cached=cached)
    run.update("a", "incraese")
    run.workflow_task()
    message, _ = run.rejections["a"]
    assert message == "workflow 'Small' has no update 'incraese'; did you mean 'increase'? known updates: [increase]"


@workflow.defn
async def sets_handlers() -> None:
    def refuse() -> None:
        raise ApplicationError("not yet")

    workflow.set_update_handler("set", lambda: "set", validator=refuse)
    await asyncio.sleep(1)
    workflow.set_update_handler("set", lambda: "set again")
    await asyncio.sleep(1)
    workflow.set_update_handler("set", None)
    await asyncio.sleep(1)


def test_handlers_set_while_it_runs(cached: bool) -> None:
    run = ScriptedRun(sets_handlers, cached=cached)
    run.update("a", "set")
    run.workflow_task()
    assert "has no update 'set'" in run.rejections["a"][0]  # it came before the workflow's code
    run.fire_timer("1")
    run.update("b", "set")
    run.workflow_task()
    assert run.rejections["b"] == ("not yet", "")  # it came before the timer's code
    run.update("c", "set")
    run.workflow_task()
    assert run.outcomes == {"c": "set again"}
    run.fire_timer("2")
    run.workflow_task()
    run.update("d", "set")
    run.workflow_task()
    assert "has no update 'set'" in run.rejections["d"][0]


def test_handlers_that_run_at_the_end_are_named_in_a_warning(cached: bool) -> None:
    run = ScriptedRun(Account, False, cached=cached)
    run.workflow_task()
    run.update("a", "add_by_activity")
    run.signal("finish_slowly")
    with pytest.warns(RuntimeWarning) as caught:
        run.workflow_task()
    categories = {warning.category: str(warning.message) for warning in caught}
    assert "add_by_activity (a)" in categories[workflow.UnfinishedUpdateHandlersWarning]
    assert "signals were running: finish_slowly" in categories[workflow.UnfinishedSignalHandlersWarning]


def test_a_policy_silences_the_warning(cached: bool) -> None:
    @workflow.defn
    class Quiet:
        @workflow.run
        async def run(self) -> None:
            await asyncio.sleep(1)

        @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
        async def waits(self) -> None:
            await workflow.wait_condition(lambda: False)

    run = ScriptedRun(Quiet, cached=cached)
    run.update("a", "waits")
    run.workflow_task()
    run.fire_timer("1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.workflow_task()
    assert run.closed
    assert not caught


def test_where_warnings_are_errors_the_workflow_ends_all_the_same(
    cached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = ScriptedRun(Account, False, cached=cached)
    run.workflow_task()
    run.signal("finish_slowly")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.workflow_task()
    assert run.closed
    assert "ended while handlers of signals were running: finish_slowly" in caplog.text


def test_changed_code_that_accepts_no_more_is_found_out(cached: bool) -> None:
    run = ScriptedRun(Account, cached=cached)
    run.workflow_task()
    run.update("a", "add_by_activity")
    run.workflow_task()

    @workflow.defn(name="Account")
    class Changed:
        @workflow.run
        async def run(self) -> None:
            await workflow.wait_condition(lambda: False)

        @workflow.update
        def add_by_activity(self) -> int:
            return 1

    run.processor = run.new_processor([Changed])
    run.forget()
    run.complete_activity("1", 5)
    with pytest.raises(
        WorkflowTaskFailedError, match=r"is ActivityTaskScheduled .* the outcome of update 'add_by_activity' \(a\)"
    ):
        run.workflow_task()


def test_what_no_handler_may_be(cached: bool) -> None:
    class Anything:
        @workflow.update
        def change(self) -> None: ...

        with pytest.raises(ValueError, match=r"the validator .*check is an `async def`"):

            @change.validator
            async def check(self) -> None: ...

    assert CONVERTER
    with pytest.raises(ValueError, match=r"update handler .* both a name and dynamic=True"):
        workflow.update(name="x", dynamic=True)(lambda self: None)
