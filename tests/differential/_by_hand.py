"""A worker and an operator, played by hand against one server: what they do and see becomes a transcript."""

from __future__ import annotations

import asyncio
import difflib
import itertools
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import CommandType, EventType, TaskQueueKind, WorkflowExecutionStatus
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from differential._notation import Notation
from differential._pairings import our_server

WAIT_S: Final = 60
NOTHING_S: Final = 0.4
"""How long a poll is watched that nothing should come to."""
LOOK_AGAIN_S: Final = 0.05

_numbers = itertools.count()


def text(value: str) -> Payloads:
    return Payloads(payloads=[Payload(metadata={"encoding": b"json/plain"}, data=f'"{value}"'.encode())])


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=value))
    return duration


def failure(message: str, **fields: Any) -> Failure:
    return Failure(message=message, application_failure_info={"type": "Broken", **fields})


class Hand:
    """One scenario on one server. `said` is what it saw, without anything that differs from run to run."""

    def __init__(self, channel: grpc.aio.Channel, *, words: bool = False) -> None:
        """`words`: also note what refusals say."""
        self.stub = WorkflowServiceStub(channel)
        self._words = words
        self.workflow_id = f"w-{time.time_ns()}-{next(_numbers)}"
        self.said: list[str] = []
        self.run_id = ""

    def note(self, what: object) -> None:
        self.said.append(str(what).replace(self.workflow_id, "<w>").replace(self.run_id or "<none>", "<run>"))

    async def call(self, method: str, note: str | None = None, /, **fields: Any) -> Any:
        """An RPC of this namespace; a refusal is noted, and an answer that says something."""
        request = getattr(rpc, f"{method}Request")(namespace="default", **fields)
        label = note or f"{method} {_shown(fields)}"
        try:
            answer = await getattr(self.stub, method)(request, timeout=WAIT_S)
        except grpc.RpcError as error:
            said = f": {error.details()}" if self._words else ""  # type: ignore[attr-defined]
            self.note(f"{label} -> {error.code().name}{said}")  # type: ignore[attr-defined]
            return None
        shown = _dict(answer)
        self.note(f"{label} -> {shown or 'done'}")
        return answer

    # ---- the run -----------------------------------------------------------------------------------

    @property
    def execution(self) -> dict[str, str]:
        return {"workflow_id": self.workflow_id}

    async def start(self, **fields: Any) -> None:
        request = rpc.StartWorkflowExecutionRequest(
            namespace="default", workflow_id=self.workflow_id, request_id=self.workflow_id, identity="client", **fields
        )
        request.workflow_type.name, request.task_queue.name = "Workflow", self.workflow_id
        self.run_id = (await self.stub.StartWorkflowExecution(request)).run_id

    async def take(self) -> Any:
        """The next workflow task."""
        request = rpc.PollWorkflowTaskQueueRequest(namespace="default", identity="worker")
        request.task_queue.name = self.workflow_id
        task = await self.stub.PollWorkflowTaskQueue(request, timeout=WAIT_S)
        assert task.task_token
        return task

    def poll_sticky(self) -> Any:
        """A worker that waits on the sticky queue of this workflow."""
        request = rpc.PollWorkflowTaskQueueRequest(namespace="default", identity="worker")
        request.task_queue.name = f"{self.workflow_id}-sticky"
        request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
        request.task_queue.normal_name = self.workflow_id
        return asyncio.ensure_future(self.stub.PollWorkflowTaskQueue(request, timeout=WAIT_S))

    async def cancel_poll(self, polling: Any) -> None:
        polling.cancel()
        await asyncio.wait([polling])

    async def no_task(self) -> None:
        """Note that no workflow task comes."""
        request = rpc.PollWorkflowTaskQueueRequest(namespace="default", identity="worker")
        request.task_queue.name = self.workflow_id
        self.note(f"workflow task: {await _watched(self.stub.PollWorkflowTaskQueue(request, timeout=WAIT_S))}")

    async def answer(self, task: Any, *commands: Command) -> None:
        await self.call(
            "RespondWorkflowTaskCompleted",
            "answered the workflow task",
            task_token=task.task_token,
            commands=commands,
            identity="worker",
        )

    async def task(self, *commands: Command) -> None:
        await self.answer(await self.take(), *commands)

    async def begin(self, *activities: Command, **fields: Any) -> None:
        """Start the workflow, which starts these activities."""
        await self.start(**fields)
        await self.task(*activities)

    def activity(self, activity_id: str = "a", kind: str = "Act", queue: str = "", **fields: Any) -> Command:
        command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
        asked = command.schedule_activity_task_command_attributes
        fields.setdefault("start_to_close_timeout", seconds(60))
        fields.setdefault("retry_policy", {"initial_interval": seconds(0.05), "backoff_coefficient": 1.0})
        asked.MergeFrom(type(asked)(**fields))
        asked.activity_id, asked.activity_type.name = activity_id, kind
        asked.task_queue.name = f"{self.workflow_id}-{queue or 'activities'}"
        return command

    async def signal(self, name: str = "s") -> None:
        await self.call(
            "SignalWorkflowExecution",
            f"signal {name}",
            workflow_execution=self.execution,
            signal_name=name,
            request_id=f"{self.workflow_id}-{name}",
            identity="client",
        )

    async def terminate(self) -> None:
        await self.call(
            "TerminateWorkflowExecution",
            "terminate",
            workflow_execution=self.execution,
            reason="enough",
            identity="client",
        )

    # ---- attempts ----------------------------------------------------------------------------------

    def _poll(self, queue: str) -> Any:
        request = rpc.PollActivityTaskQueueRequest(namespace="default", identity="worker")
        request.task_queue.name = f"{self.workflow_id}-{queue}"
        return self.stub.PollActivityTaskQueue(request, timeout=WAIT_S)

    async def attempt_quietly(self, queue: str = "activities") -> Any:
        """The next attempt, of which only its number is noted."""
        task = await self._poll(queue)
        assert task.task_token
        self.note(f"attempt {task.attempt} of '{task.activity_id}'")
        return task

    async def attempt(self, queue: str = "activities") -> Any:
        """The next attempt of an activity, noted with all that its worker is told."""
        task = await self._poll(queue)
        assert task.task_token
        self.note(f"attempt {_dict(task, leave_out=_OF_TASK)}")
        return task

    async def no_attempt(self, queue: str = "activities") -> None:
        self.note(f"attempt: {await _watched(self._poll(queue))}")

    async def heartbeat(self, task: Any, details: str = "") -> None:
        fields = {"details": text(details)} if details else {}
        await self.call(
            "RecordActivityTaskHeartbeat",
            f"heartbeat {details}",
            task_token=task.task_token,
            identity="worker",
            **fields,
        )

    async def fail(self, task: Any, message: str = "failed", **fields: Any) -> None:
        await self.call(
            "RespondActivityTaskFailed",
            f"fail '{message}'",
            task_token=task.task_token,
            failure=failure(message, **fields),
            identity="worker",
        )

    async def complete(self, task: Any) -> None:
        await self.call(
            "RespondActivityTaskCompleted",
            "complete",
            task_token=task.task_token,
            result=text("result"),
            identity="worker",
        )

    # ---- the operator ------------------------------------------------------------------------------

    async def pause(self, **fields: Any) -> None:
        await self._operate("PauseActivity", **{"reason": "why", **_meant(fields)})

    async def unpause(self, **fields: Any) -> None:
        await self._operate("UnpauseActivity", **_meant(fields))

    async def reset(self, **fields: Any) -> None:
        await self._operate("ResetActivity", **_meant(fields))

    async def options(self, paths: str = "", given: dict[str, Any] | None = None, **fields: Any) -> None:
        mask = {"update_mask": {"paths": paths.split()}} if paths else {}
        await self._operate("UpdateActivityOptions", activity_options=given, **mask, **_meant(fields))

    async def _operate(self, method: str, **fields: Any) -> None:
        await self.call(method, **{"execution": self.execution, "identity": "operator", **fields})

    # ---- looking -----------------------------------------------------------------------------------

    async def describe(self) -> Any:
        return await self.stub.DescribeWorkflowExecution(
            rpc.DescribeWorkflowExecutionRequest(namespace="default", execution=self.execution)
        )

    async def pending(self) -> None:
        """Note the pending activities, by id."""
        answer = await self.describe()
        for each in sorted(answer.pending_activities, key=lambda each: str(each.activity_id)):
            self.note(f"pending {_dict(each, leave_out=_OF_PENDING)}")
        if not answer.pending_activities:
            self.note("no pending activity")

    async def elapse(self, real_s: float) -> None:
        """Let time pass: servers have clocks of their own."""
        await asyncio.sleep(real_s)

    async def until_pending(self, reached: Any) -> None:
        """Wait until a pending activity is as asked."""
        async with asyncio.timeout(WAIT_S):
            while not any(map(reached, (await self.describe()).pending_activities)):
                await self.elapse(LOOK_AGAIN_S)

    async def events(self) -> list[Any]:
        answer = await self.stub.GetWorkflowExecutionHistory(
            rpc.GetWorkflowExecutionHistoryRequest(namespace="default", execution=self.execution)
        )
        return list(answer.history.events)

    async def until_event(self, kind: str) -> None:
        async with asyncio.timeout(WAIT_S):
            wanted = EventType.Value(f"EVENT_TYPE_{kind}")
            while not any(event.event_type == wanted for event in await self.events()):
                await self.elapse(LOOK_AGAIN_S)

    async def until_gone(self) -> None:
        """Wait until the server does not know the run any more, and note that."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    await self.describe()
                except grpc.RpcError as error:
                    self.note(f"describe -> {error.code().name}")  # type: ignore[attr-defined]
                    return
                await self.elapse(LOOK_AGAIN_S)

    async def listed(self, query: str) -> list[str]:
        """The status of each run of this workflow id that a list filter finds."""
        answer = await self.stub.ListWorkflowExecutions(
            rpc.ListWorkflowExecutionsRequest(
                namespace="default", query=f"({query}) AND WorkflowId = '{self.workflow_id}'"
            )
        )
        return [WorkflowExecutionStatus.Name(found.status) for found in answer.executions]

    async def until_listed(self, query: str) -> None:
        """Wait until a list filter finds the run: the real server's index is a moment behind."""
        async with asyncio.timeout(WAIT_S):
            while not await self.listed(query):
                await self.elapse(LOOK_AGAIN_S)

    async def history(self) -> list[str]:
        """The events, in the notation of all histories here; none if the run is gone."""
        notation = Notation({self.workflow_id: "<w>"}, f"{self.workflow_id}-activities")
        try:
            return list(notation.lines(await self.events()))
        except grpc.RpcError:
            return []


async def _watched(poll: Any) -> str:
    """What came to a poll within a moment."""
    waiting = asyncio.ensure_future(poll)
    done, _ = await asyncio.wait([waiting], timeout=NOTHING_S)
    if not done:
        poll.cancel()
        return "none"
    return f"one: {_dict(waiting.result(), leave_out=_OF_TASK)}"


_OF_TASK: Final = frozenset({"taskToken", "workflowExecution", "startedEventId", "pollerScalingDecision"})
_OF_PENDING: Final = frozenset({"lastDeploymentVersion", "useWorkflowBuildId"})
"""Of worker deployments."""


def _meant(fields: dict[str, Any]) -> dict[str, Any]:
    """By default it is activity `a`."""
    return fields if fields.keys() & {"id", "type", "unpause_all", "match_all"} else {"id": "a", **fields}


def _dict(message: Message, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    shown: dict[str, Any] = _masked(MessageToDict(message))
    return {key: value for key, value in sorted(shown.items()) if key not in leave_out}


def _masked(value: Any) -> Any:
    """Times and intervals are told from each other by their presence only; maps have no order, here they get one."""
    if isinstance(value, dict):
        return {key: _told(key, inner) for key, inner in sorted(value.items()) if key not in _LEFT_OUT}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return value


def _told(key: str, value: Any) -> Any:
    if key.endswith("Time"):
        return "<time>"
    return "<interval>" if key == "currentRetryInterval" else _masked(value)


_LEFT_OUT: Final = frozenset({"kind", "normalName", "expirationTime"})
"""Of a task queue in options; and when an activity is over, which the real server does not show once it was changed."""


def _shown(fields: dict[str, Any]) -> str:
    left_out = {"identity", "execution", "reason"}
    return " ".join(
        f"{key}={str(value).replace(chr(10), ' ').strip()}" for key, value in fields.items() if key not in left_out
    )


# ---- the comparison ----------------------------------------------------------------------------------

Scenario = Callable[[Hand], Awaitable[None]]
_OUR_WORDS: Final = re.compile(r"failure=\(message=.*?\) (?=scheduled)")
"""Why a workflow task failed is told in our words."""


class Played:
    """Scenarios played on the real server and on ours: all at once at first, for some of them wait."""

    def __init__(self, scenarios: Mapping[str, Scenario], real: str) -> None:
        self._scenarios = scenarios
        self._real = real
        self._theirs, self._ours = self._play(list(scenarios))

    def check(self, name: str) -> None:
        """Compare what was seen; where it differs, once more and alone: a busy machine may have been late."""
        if self._theirs[name] != self._ours[name] or self._is_broken(name):
            theirs, ours = self._play([name])
            self._theirs |= theirs
            self._ours |= ours
        theirs_said, ours_said = self._theirs[name], self._ours[name]
        assert not self._is_broken(name), "\n".join(theirs_said)
        difference = difflib.unified_diff(theirs_said, ours_said, "the real server", "ours", lineterm="", n=2)
        assert theirs_said == ours_said, "\n".join(difference)

    def _is_broken(self, name: str) -> bool:
        return any(line.startswith("broken") for line in self._theirs[name])

    def _play(self, names: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        async def both() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
            async with our_server() as ours:
                return await asyncio.gather(self._on(self._real, names), self._on(ours, names))

        return asyncio.run(both())

    async def _on(self, target: str, names: Sequence[str]) -> dict[str, list[str]]:
        async with grpc.aio.insecure_channel(target) as channel:

            async def one(name: str) -> list[str]:
                hand = Hand(channel)
                try:
                    await self._scenarios[name](hand)
                except Exception as error:
                    return [*hand.said, f"broken: {type(error).__name__}: {error}"]
                return [_OUR_WORDS.sub("failure=<words> ", line) for line in (*hand.said, *await hand.history())]

            told = await asyncio.gather(*(one(name) for name in names))
        return dict(zip(names, told, strict=True))
