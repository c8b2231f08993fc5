"""Links on events, and starts that meet an open run: the same steps on the real server and on ours."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from temporalio.api.common.v1 import Link, WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowIdConflictPolicy
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from differential._pairings import our_server

USE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
_RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
RUN = "11111111-1111-1111-1111-111111111111"


def link(workflow_id: str, run_id: str = RUN, namespace: str = "default", **event: Any) -> Link:
    found = Link()
    found.workflow_event.namespace, found.workflow_event.workflow_id = namespace, workflow_id
    found.workflow_event.run_id = run_id
    if event:
        found.workflow_event.event_ref.CopyFrom(Link.WorkflowEvent.EventReference(**event))
    return found


def batch(job_id: str) -> Link:
    found = Link()
    found.batch_job.SetInParent()
    found.batch_job.job_id = job_id
    return found


class Caller:
    """One server, and what it answered."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = WorkflowServiceStub(channel)
        self.said: list[Any] = []
        self.queue = uuid.uuid4().hex  # nobody else polls it

    async def note(self, answer: Awaitable[Message]) -> None:
        try:
            told = MessageToDict(await answer)
            told.pop("status", None)
            self.said.append(self.masked(told))
        except grpc.aio.AioRpcError as refused:
            self.said.append(refused.code().name)

    def masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.masked(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.masked(inner) for inner in value]
        return "a run" if isinstance(value, str) and _RUN_ID.fullmatch(value) else value

    def asked(
        self, workflow_id: str, request_id: str, *links: Link, **fields: Any
    ) -> rpc.StartWorkflowExecutionRequest:
        request = rpc.StartWorkflowExecutionRequest(
            namespace="default", workflow_id=workflow_id, request_id=request_id, links=links
        )
        request.workflow_type.name, request.task_queue.name = "W", self.queue
        for name in fields:
            setattr(request.on_conflict_options, name, True)
        return request

    async def start(self, workflow_id: str, request_id: str, *links: Link, **fields: Any) -> None:
        await self.note(self.stub.StartWorkflowExecution(self.asked(workflow_id, request_id, *links, **fields)))

    async def meet(self, request_id: str, *links: Link, **fields: Any) -> None:
        request = self.asked("met", request_id, *links, **fields)
        request.workflow_id_conflict_policy = USE_EXISTING
        request.on_conflict_options.SetInParent()
        await self.note(self.stub.StartWorkflowExecution(request))

    async def history(self, workflow_id: str) -> None:
        request = rpc.GetWorkflowExecutionHistoryRequest(
            namespace="default", execution=WorkflowExecution(workflow_id=workflow_id)
        )
        for event in (await self.stub.GetWorkflowExecutionHistory(request)).history.events:
            updated = event.workflow_execution_options_updated_event_attributes
            self.said.append(
                (
                    EventType.Name(event.event_type),
                    [MessageToDict(each) for each in event.links],
                    MessageToDict(updated),
                    event.worker_may_ignore,
                )
            )


async def links_stand_with_their_events(caller: Caller) -> None:
    x = WorkflowExecution(workflow_id="w")
    await caller.start("w", "r", link("one"), batch("two"))
    await caller.note(
        caller.stub.SignalWorkflowExecution(
            rpc.SignalWorkflowExecutionRequest(
                namespace="default", workflow_execution=x, signal_name="s", request_id="s", links=[link("three")]
            )
        )
    )
    await caller.note(
        caller.stub.RequestCancelWorkflowExecution(
            rpc.RequestCancelWorkflowExecutionRequest(namespace="default", workflow_execution=x, links=[link("four")])
        )
    )
    with_start = rpc.SignalWithStartWorkflowExecutionRequest(
        namespace="default", workflow_id="v", request_id="s", signal_name="s", links=[link("five")]
    )
    with_start.workflow_type.name, with_start.task_queue.name = "W", caller.queue
    await caller.note(caller.stub.SignalWithStartWorkflowExecution(with_start))
    for workflow_id in ("w", "v"):
        await caller.note(
            caller.stub.TerminateWorkflowExecution(
                rpc.TerminateWorkflowExecutionRequest(
                    namespace="default",
                    workflow_execution=WorkflowExecution(workflow_id=workflow_id),
                    links=[link("six")],
                )
            )
        )
        await caller.history(workflow_id)


async def links_that_are_refused(caller: Caller) -> None:
    bad = [
        Link(),
        link(""),
        link("w", run_id=""),
        link("w", namespace=""),
        link("w", event_id=3),
        batch(""),
        link("w" * 4000),
    ]
    for number, each in enumerate([*bad, link("w", event_type=3), link("w", event_type=1, event_id=-3), batch("x")]):
        await caller.start(f"w{number}", "r", each)
    await caller.start("ten", "r", *[link("w")] * 10)
    await caller.start("eleven", "r", *[link("w")] * 11)
    request = rpc.SignalWorkflowExecutionRequest(namespace="default", signal_name="s", links=[Link()])
    request.workflow_execution.workflow_id = "ten"
    await caller.note(caller.stub.SignalWorkflowExecution(request))


async def starts_that_meet_an_open_run(caller: Caller) -> None:
    await caller.start("met", "r")
    await caller.meet("all", link("one"), attach_request_id=True, attach_completion_callbacks=True, attach_links=True)
    await caller.meet("id", link("two"), attach_request_id=True)
    await caller.meet("id", link("two"), attach_request_id=True)
    await caller.meet("links", link("three"), attach_links=True)
    await caller.meet("links", link("three"), attach_links=True)
    await caller.meet("nothing")
    await caller.meet("callbacks", attach_completion_callbacks=True)
    await caller.start("met", "no policy", attach_request_id=True)
    await caller.history("met")


async def test_links_and_attached_starts_are_those_of_the_real_server(real_server: str) -> None:
    scenarios: list[Callable[[Caller], Awaitable[None]]] = [
        links_stand_with_their_events,
        links_that_are_refused,
        starts_that_meet_an_open_run,
    ]
    for scenario in scenarios:
        said = []
        async with our_server() as target:
            for server in (real_server, target):
                async with grpc.aio.insecure_channel(server) as channel:
                    caller = Caller(channel)
                    await scenario(caller)
                    said.append(caller.said)
        assert said[1] == said[0], scenario.__name__
