"""Interceptors around workflows: their order, what they see and change, and that replay meets them alike."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from left_behind import left_behind
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError, query_of
from temporalio.api.common.v1 import Header, Payload

from tsuzuki import activity, workflow
from tsuzuki.client import WorkflowHistory
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError
from tsuzuki.replay import Replayer, state_at_event
from tsuzuki.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from tsuzuki.worker._workflow_run import WorkflowRun

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

BOUND = timedelta(seconds=5)
SEEN: list[str] = []
WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
def forget() -> None:
    SEEN.clear()


def payload(value: object) -> Payload:
    return CONVERTER.to_payloads([value])[0]


def text(headers: Any) -> dict[str, Any]:
    return {name: CONVERTER.from_payloads([headers[name]])[0] for name in sorted(headers)}


def note(word: str) -> None:
    if not workflow.unsafe.is_replaying():
        SEEN.append(word)


def link(name: str) -> type[WorkflowInboundInterceptor]:
    """A pair of links that say when they are passed, and put their name into headers."""

    class Outbound(WorkflowOutboundInterceptor):
        def start_activity(self, input: StartActivityInput) -> Any:
            note(f"{name} start {input.activity}")
            input.headers = {**input.headers, name: payload("activity")}
            return super().start_activity(input)

        async def start_child_workflow(self, input: StartChildWorkflowInput) -> Any:
            note(f"{name} child {input.workflow} {input.id}")
            input.headers = {**input.headers, name: payload("child")}
            return await super().start_child_workflow(input)

        async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
            input.headers = {**input.headers, name: payload("signal to child")}
            await super().signal_child_workflow(input)

        async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
            input.headers = {**input.headers, name: payload(f"signal in {input.namespace}")}
            await super().signal_external_workflow(input)

        def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
            input.headers = {**input.headers, name: payload("next")}
            super().continue_as_new(input)

        def info(self) -> workflow.Info:
            workflow.logger.info("asked for info")  # must not ask again
            note(f"{name} info")
            return super().info()

    class Inbound(WorkflowInboundInterceptor):
        def init(self, outbound: WorkflowOutboundInterceptor) -> None:
            super().init(Outbound(outbound))

        async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
            note(f"{name} execute {input.type and input.type.__name__} {list(input.args)} {text(input.headers)}")
            WHO.set(WHO.get() + name)
            result = await super().execute_workflow(input)
            note(f"{name} executed")
            return result

        async def handle_signal(self, input: HandleSignalInput) -> None:
            note(f"{name} signal {input.signal} {list(input.args)}")
            WHO.set(WHO.get() + name)
            await super().handle_signal(input)

        async def handle_query(self, input: HandleQueryInput) -> Any:
            SEEN.append(f"{name} query {input.id} {input.query} {list(input.args)}")
            WHO.set(WHO.get() + name)
            return await super().handle_query(input)

        def handle_update_validator(self, input: HandleUpdateInput) -> None:
            SEEN.append(f"{name} validator {input.update} {list(input.args)}")
            super().handle_update_validator(input)

        async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
            note(f"{name} update {input.id} {input.update} {list(input.args)}")
            return f"{await super().handle_update_handler(input)} {name}"

    return Inbound


A, B = link("a"), link("b")


@activity.defn
async def act(value: int) -> int:
    return value


@workflow.defn
class Talks:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.done = False

    @workflow.run
    async def run(self, value: int) -> str:
        await workflow.execute_activity(act, value, start_to_close_timeout=BOUND)
        await workflow.wait_condition(lambda: self.done)
        return f"{WHO.get()} {self.heard}"

    @workflow.signal
    async def tell(self, word: str) -> None:
        self.heard.append(f"{word} by {WHO.get()}")
        await asyncio.sleep(1)
        self.done = True

    @workflow.query
    def ask(self, prefix: str) -> str:
        return f"{prefix} {WHO.get()} {len(self.heard)}"

    @workflow.query
    async def ask_too(self) -> str:
        return "async"

    @workflow.update
    async def change(self, word: str) -> str:
        self.heard.append(word)
        return word

    @change.validator
    def check_change(self, word: str) -> None:
        if word == "bad":
            raise ApplicationError("no")


def test_links_are_passed_in_order_and_their_context_reaches_the_code(cached: bool) -> None:
    run = ScriptedRun(Talks, 7, cached=cached, interceptors=[A, B])
    run.events[0].workflow_execution_started_event_attributes.header.fields["h"].CopyFrom(payload("1"))
    command = run.workflow_task().commands[0].schedule_activity_task_command_attributes
    assert SEEN == [
        "a execute Talks [7] {'h': '1'}",
        "b execute Talks [7] {'h': '1'}",
        "b start act",  # the last is the first on the way out
        "a start act",
    ]
    assert text(command.header.fields) == {"a": "activity", "b": "activity"}
    SEEN.clear()
    run.complete_activity("1", 7)
    run.signal("tell", "hello")
    run.workflow_task()
    assert SEEN == ["a signal tell ['hello']", "b signal tell ['hello']"]
    run.fire_timer(run.next_timer())
    run.workflow_task()
    assert run.result == "nobodyab ['hello by nobodyab']"
    assert SEEN[-2:] == ["b executed", "a executed"]


def test_queries_pass_and_leave_no_context_behind(cached: bool) -> None:
    run = ScriptedRun(Talks, 7, cached=cached, interceptors=[A, B])
    response = run.workflow_task({"q1": query_of("ask", "as")})
    assert CONVERTER.from_payloads(response.query_results["q1"].answer.payloads) == ["as nobodyab 0"]
    assert SEEN[-2:] == ["a query q1 ask ['as']", "b query q1 ask ['as']"]
    assert WHO.get() == "nobody"
    alone = run.ask("ask_too")
    assert CONVERTER.from_payloads(alone.query_result.payloads) == ["async"]
    assert SEEN[-1] == "b query legacy_query ask_too []"


def test_updates_pass_validator_and_handler(cached: bool) -> None:
    run = ScriptedRun(Talks, 7, cached=cached, interceptors=[A, B])
    run.update("u1", "change", "bad")
    run.update("u2", "change", "good")
    run.workflow_task()
    assert run.rejections["u1"][0] == "no"
    assert run.outcomes["u2"] == "good b a"
    wanted = "a validator change ['bad'] | b validator change ['bad'] | a validator change ['good']"
    assert wanted in " | ".join(SEEN)
    updates = [word for word in SEEN if " update " in word]
    assert updates == ["a update u2 change ['good']", "b update u2 change ['good']"]
    run.complete_activity("1", 7)
    run.workflow_task()
    assert SEEN.count("a validator change ['good']") == 1  # not again on replay


class ReadsHeaders(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        SEEN.append(" ".join(input.headers))
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        SEEN.append(" ".join(input.headers))
        await super().handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        SEEN.append(" ".join(input.headers))
        return await super().handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        SEEN.append(" ".join(input.headers))
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        SEEN.append(" ".join(input.headers))
        return await super().handle_update_handler(input)


def test_headers_come_in_the_same_order_in_every_process(cached: bool) -> None:
    """Maps of messages have another order in each; code may go through its headers."""
    run = ScriptedRun(Talks, 7, cached=cached, interceptors=[ReadsHeaders])
    names = "abcdefghijkl"

    def fill(header: Header) -> None:
        for name in names:
            header.fields[name].CopyFrom(payload(name))

    fill(run.events[0].workflow_execution_started_event_attributes.header)
    run.workflow_task()
    run.signal("tell", "hello")
    fill(run.events[-1].workflow_execution_signaled_event_attributes.header)
    run.update("u", "change", "good")
    fill(run.waiting_update("u").input.header)
    query = query_of("ask", "as")
    fill(query.header)
    run.workflow_task({"q": query})
    assert len(SEEN) >= 5
    assert set(SEEN) == {" ".join(names)}


@workflow.defn
class Spreads:
    @workflow.run
    async def run(self) -> None:
        child = asyncio.ensure_future(workflow.start_child_workflow("Child", 1, id="c"))
        other = workflow.get_external_workflow_handle("other")
        asyncio.ensure_future(other.signal("poke"))  # noqa: RUF006
        await asyncio.sleep(1)
        child.cancel()
        workflow.continue_as_new(workflow="Next")


def test_headers_ride_on_children_signals_and_the_next_run(cached: bool) -> None:
    run = ScriptedRun(Spreads, cached=cached, interceptors=[A, B])
    _, child, signal = run.workflow_task().commands
    both = {"a", "b"}
    assert set(child.start_child_workflow_execution_command_attributes.header.fields) == both
    found = text(signal.signal_external_workflow_execution_command_attributes.header.fields)
    assert found == {"a": "signal in default", "b": "signal in default"}
    run.fire_timer(run.next_timer())
    task = run.start_workflow_task()
    completed = run.process(task)
    last = completed.commands[-1].continue_as_new_workflow_execution_command_attributes  # type: ignore[union-attr]
    assert text(last.header.fields) == {"a": "next", "b": "next"}
    assert last.workflow_type.name == "Next"


class Changes(WorkflowInboundInterceptor):
    """Gives what the code left out, and changes arguments and results."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> Any:
                input.start_to_close_timeout = input.start_to_close_timeout or timedelta(seconds=77)
                input.args = [value + 1 for value in input.args]
                return super().start_activity(input)

        super().init(Outbound(outbound))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        input.args = [input.args[0] * 2]
        return await super().execute_workflow(input) + 1000


@workflow.defn
async def careless(value: int) -> int:
    return await workflow.execute_activity(act, value)


def test_links_may_change_arguments_options_and_results(cached: bool) -> None:
    run = ScriptedRun(careless, 5, cached=cached, interceptors=[Changes])
    command = run.workflow_task().commands[0].schedule_activity_task_command_attributes
    assert command.start_to_close_timeout.seconds == 77
    run.run_to_end({"act": lambda value: value})
    assert run.result == 1011


@workflow.defn
async def acts(value: int) -> int:
    return await workflow.execute_activity(act, value, start_to_close_timeout=BOUND)


@workflow.defn
async def mistaken(value: int) -> int:
    return await workflow.execute_activity(act, value, start_to_closed_timeout=BOUND)  # type: ignore[call-overload]


def test_a_misspelt_option_is_still_named(cached: bool) -> None:
    run = ScriptedRun(mistaken, 5, cached=cached, interceptors=[A])
    with pytest.raises(WorkflowTaskFailedError, match="did you mean start_to_close_timeout"):
        run.workflow_task()


@workflow.defn
class Takes:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        words = workflow.signal_channel("words", str)
        self.heard.append(await words.receive())
        await workflow.wait_condition(lambda: len(self.heard) > 1)
        return self.heard

    @workflow.signal(dynamic=True)
    def anything(self, name: str, args: Sequence[RawValue]) -> None:
        self.heard.append(f"{name} {workflow.payload_converter().from_payload(args[0].payload, str)}")


def test_dynamic_handlers_and_channels_take_their_signals_through_the_chain(cached: bool) -> None:
    run = ScriptedRun(Takes, cached=cached, interceptors=[A])
    run.workflow_task()
    run.signal("words", "one")
    run.workflow_task()
    run.signal("other", "two")
    run.workflow_task()
    assert run.result == ["one", "other two"]
    assert SEEN[1] == "a signal words ['one']"
    assert SEEN[2].startswith("a signal other [RawValue(")


def test_the_line_in_an_error_is_the_workflows_not_the_interceptors(cached: bool) -> None:
    run = ScriptedRun(careless, 5, cached=cached, interceptors=[Changes])
    run.workflow_task()
    run.events[4].activity_task_scheduled_event_attributes.activity_type.name = "other"
    run.forget()
    run.processor = run.new_processor([careless])
    run.complete_activity("1", 1)
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    line = careless.__code__.co_firstlineno + 2
    assert f"test_workflow_interceptors.py:{line}" in str(caught.value)


def test_a_finished_run_leaves_its_chain_behind_without_circles(cached: bool) -> None:
    def finish() -> None:
        run = ScriptedRun(careless, 5, cached=cached, interceptors=[Changes, A])
        run.run_to_end({"act": lambda value: value})

    assert left_behind(finish, WorkflowRun, WorkflowInboundInterceptor) == set()


class LooksAtTheClock(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        time.time()
        return await super().execute_workflow(input)


def test_links_are_guarded_as_workflow_code_is(cached: bool) -> None:
    run = ScriptedRun(careless, 5, cached=cached, interceptors=[LooksAtTheClock])
    line = LooksAtTheClock.execute_workflow.__code__.co_firstlineno + 1
    with pytest.raises(WorkflowTaskFailedError, match=rf"test_workflow_interceptors.py:{line}\b.*time\(\)"):
        run.workflow_task()


class ActsItself(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        await workflow.execute_activity("announced", start_to_close_timeout=BOUND)
        return await super().execute_workflow(input)


class GivesActsItself(Interceptor):
    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return ActsItself


async def test_what_links_do_is_replayed_with_them_and_missed_without(cached: bool) -> None:
    run = ScriptedRun(acts, 5, cached=cached, interceptors=[ActsItself])
    run.run_to_end({"announced": lambda: None, "act": lambda value: value})
    history = WorkflowHistory("workflow-id", run.events)
    with_them = Replayer(workflows=[acts], interceptors=[GivesActsItself()])
    assert (await with_them.replay_workflow(history)).replay_failure is None
    with pytest.raises(workflow.NondeterminismError, match="announced"):
        await Replayer(workflows=[acts]).replay_workflow(history)
    state = await state_at_event(history, [acts], 5, interceptors=[GivesActsItself()])
    assert [frame.line for frame in state.tasks[0].frames if frame.user] == [
        ActsItself.execute_workflow.__code__.co_firstlineno + 1
    ]


def test_info_passes_the_chain_and_the_logger_does_not(cached: bool) -> None:
    @workflow.defn
    async def asks() -> str:
        return workflow.info().workflow_id

    run = ScriptedRun(asks, cached=cached, interceptors=[A, B])
    run.workflow_task()
    assert run.result == "workflow-id"
    assert [word for word in SEEN if word.endswith("info")] == ["b info", "a info"]
