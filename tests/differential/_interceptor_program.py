"""A program with an interceptor against the official package; for ours it is loaded with the imports changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity, client, worker, workflow
from temporalio.converter import DataConverter

WAIT = timedelta(seconds=20)
seen: list[str] = []


def add(input: Any, text: str) -> None:
    header = DataConverter.default.payload_converter.to_payloads([text])[0]
    input.headers = {**input.headers, "from": header}


def note(what: str, input: Any) -> None:
    arrived = [f"{name}={input.headers[name].data.decode()}" for name in sorted(input.headers)]
    seen.append(f"{what} {list(input.args)} {arrived}")


class Outbound(client.OutboundInterceptor):
    async def start_workflow(self, input: Any) -> Any:
        add(input, f"start {input.workflow} {input.start_signal} {list(input.args)}")
        return await super().start_workflow(input)

    async def signal_workflow(self, input: Any) -> None:
        add(input, f"signal {input.signal}")
        await super().signal_workflow(input)

    async def query_workflow(self, input: Any) -> Any:
        add(input, f"query {input.query}")
        return await super().query_workflow(input)

    async def start_workflow_update(self, input: Any) -> Any:
        add(input, f"update {input.update} {input.update_id}")
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(self, input: Any) -> Any:
        add(input.start_workflow_input, "update with start, start")
        add(input.update_workflow_input, "update with start, update")
        return await super().start_update_with_start_workflow(input)


class FromWorkflow(worker.WorkflowOutboundInterceptor):
    def start_activity(self, input: Any) -> Any:
        add(input, f"activity {input.activity}")
        return super().start_activity(input)

    async def start_child_workflow(self, input: Any) -> Any:
        add(input, f"child {input.workflow}")
        return await super().start_child_workflow(input)

    async def signal_child_workflow(self, input: Any) -> None:
        add(input, f"signal to child {input.signal}")
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: Any) -> None:
        add(input, f"signal to other {input.signal} {input.namespace} {input.workflow_run_id}")
        await super().signal_external_workflow(input)

    def continue_as_new(self, input: Any) -> Any:
        add(input, f"next {input.workflow} {list(input.args)}")
        super().continue_as_new(input)


class ToWorkflow(worker.WorkflowInboundInterceptor):
    def init(self, outbound: Any) -> None:
        super().init(FromWorkflow(outbound))

    async def execute_workflow(self, input: Any) -> Any:
        note(f"execute {workflow.info().workflow_type}", input)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: Any) -> None:
        note(f"signal {input.signal}", input)
        await super().handle_signal(input)

    async def handle_query(self, input: Any) -> Any:
        note(f"query {input.query}", input)
        return await super().handle_query(input)

    def handle_update_validator(self, input: Any) -> None:
        note(f"validator {input.update}", input)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: Any) -> Any:
        note(f"update {input.update}", input)
        return await super().handle_update_handler(input)


class ToActivity(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: Any) -> Any:
        note(f"activity {input.fn.__name__}", input)
        return await super().execute_activity(input)


class Both(client.Interceptor, worker.Interceptor):
    def intercept_client(self, next: Any) -> Any:
        return Outbound(next)

    def intercept_activity(self, next: Any) -> Any:
        return ToActivity(next)

    def workflow_interceptor_class(self, input: Any) -> Any:
        return ToWorkflow


@activity.defn
async def work(text: str) -> str:
    return text


@workflow.defn(name="Child")
class Child:
    def __init__(self) -> None:
        self.told = 0

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.told == 2)

    @workflow.signal
    def tell(self) -> None:
        self.told += 1


@workflow.defn(name="Parent")
class Parent:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, again: bool) -> str:
        if not again:
            return "done"
        await workflow.execute_activity("work", "a", start_to_close_timeout=WAIT)
        child_id = workflow.info().workflow_id + "-child"
        child = await workflow.start_child_workflow("Child", id=child_id)
        await child.signal("tell")
        await workflow.get_external_workflow_handle(child_id).signal("tell")
        await child
        await workflow.wait_condition(lambda: self.done)
        workflow.continue_as_new(False)
        return ""

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.signal
    def begin(self, word: str) -> None:
        pass

    @workflow.query
    def ask(self, word: str) -> str:
        return word

    @workflow.update
    def change(self, word: str) -> str:
        return word

    @change.validator
    def check(self, word: str) -> None:
        pass
