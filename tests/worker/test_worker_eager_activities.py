"""Eager activities: asked for only where a slot is free, which is kept until the answer is there, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from scripted_service import ScriptedService, VirtualPace, activities_running, activity_task, settle, values
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
)

from tsuzuki import activity
from tsuzuki.converter import DataConverter, PayloadCodec
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.service._codec import behind_codec
from tsuzuki.worker._activity_worker import REMOTE_POLLS, ActivityWorker
from tsuzuki.worker._eager_activities import EagerActivities
from tsuzuki.worker._turns import Turns
from tsuzuki.worker._workflow_poller import WorkflowTaskHandler

HOUR = timedelta(hours=1)


@activity.defn
async def work() -> str:
    return "done"


@activity.defn
async def endless() -> None:
    await asyncio.Event().wait()


def scheduling(*activities: tuple[str, str]) -> RespondWorkflowTaskCompletedRequest:
    """The completion of a workflow task that schedules activities: type and task queue of each."""
    request = RespondWorkflowTaskCompletedRequest()
    for activity_type, queue in activities:
        command = request.commands.add(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
        asked = command.schedule_activity_task_command_attributes
        asked.activity_type.name, asked.task_queue.name = activity_type, queue
    return request


def wishes(request: RespondWorkflowTaskCompletedRequest) -> list[bool]:
    return [each.schedule_activity_task_command_attributes.request_eager_execution for each in request.commands]


def eager_of(worker: ActivityWorker) -> EagerActivities:
    assert worker.eager is not None
    return worker.eager


async def test_it_asks_for_three_of_its_own_at_most() -> None:
    async with activities_running(work, slots=20, local=False) as setting:
        await settle()
        request = scheduling(("work", "other"), ("unknown", "queue"), *[("work", "queue")] * 4)
        kept = eager_of(setting.worker).ask(request)
        assert wishes(request) == [False, False, True, True, True, False]
        eager_of(setting.worker).put_back(kept)


async def test_it_asks_for_as_many_as_it_has_slots_that_neither_run_nor_poll() -> None:
    async with activities_running(work, slots=REMOTE_POLLS + 2, local=False) as setting:
        await settle()
        eager = eager_of(setting.worker)
        kept = eager.ask(scheduling(*[("work", "queue")] * 2))
        assert len(kept) == 2
        full = scheduling(("work", "queue"))
        assert eager.ask(full) == []
        assert wishes(full) == [False]
        eager.put_back(kept)
        again = eager.ask(scheduling(*[("work", "queue")] * 3))
        assert len(again) == 2
        eager.put_back(again)


async def test_what_comes_is_run_and_the_other_slots_poll_again() -> None:
    async with activities_running(work, slots=REMOTE_POLLS + 3, local=False) as setting:
        await settle()
        eager = eager_of(setting.worker)
        kept = eager.ask(scheduling(*[("work", "queue")] * 3))
        eager.hand_out(kept, [activity_task("work")])
        assert values((await setting.service.received()).result) == ["done"]
        assert setting.service.polls_open == REMOTE_POLLS
        await settle()
        again = eager.ask(scheduling(*[("work", "queue")] * 3))
        assert len(again) == 3
        eager.put_back(again)


async def test_a_service_in_this_process_is_not_asked() -> None:
    async with activities_running(work) as setting:
        assert setting.worker.eager is None


async def test_an_activity_that_comes_while_the_worker_stops_is_run_and_told_to_stop() -> None:
    async with activities_running(endless, slots=20, local=False) as setting:
        await settle()
        eager = eager_of(setting.worker)
        kept = eager.ask(scheduling(("endless", "queue")))
        stopping = asyncio.ensure_future(setting.worker.stop(timedelta(0)))
        await settle()
        await setting.time.advance(0)
        assert not stopping.done(), "it did not wait for the slot that is kept"
        assert eager.ask(scheduling(("endless", "queue"))) == []
        eager.hand_out(kept, [activity_task("endless")])
        failed = await setting.service.received()
        assert "shut" in failed.failure.message
        await stopping


async def test_a_slot_that_is_put_back_while_the_worker_stops_ends() -> None:
    async with activities_running(work, slots=20, local=False) as setting:
        await settle()
        eager = eager_of(setting.worker)
        kept = eager.ask(scheduling(("work", "queue")))
        stopping = asyncio.ensure_future(setting.worker.stop(HOUR))
        await settle()
        assert not stopping.done()
        eager.put_back(kept)
        await stopping
        assert setting.service.polls_open == 0


class Refusing(PayloadCodec):
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise RuntimeError("the codec refuses")


async def test_an_activity_that_the_codec_cannot_decode_fails_its_attempt_and_nothing_else() -> None:
    service, task = ScriptedService(), activity_task("work", "word")

    async def respond(request: RespondWorkflowTaskCompletedRequest) -> RespondWorkflowTaskCompletedResponse:
        return RespondWorkflowTaskCompletedResponse(activity_tasks=[task])

    service.respond_workflow_task_completed = respond  # type: ignore[method-assign,assignment]
    behind = behind_codec(service, Refusing(), worker=True)  # type: ignore[arg-type]
    answer = await behind.respond_workflow_task_completed(scheduling(("work", "queue")))
    assert not answer.activity_tasks
    [failed] = service.sent
    assert isinstance(failed, RespondActivityTaskFailedRequest)
    assert (failed.task_token, "the codec refuses" in failed.failure.message) == (task.task_token, True)


class Answering:
    """Answers workflow tasks with one completion."""

    def __init__(self, completion: RespondWorkflowTaskCompletedRequest) -> None:
        self.completion = completion

    async def process(self, task: PollWorkflowTaskQueueResponse) -> RespondWorkflowTaskCompletedRequest:
        return self.completion

    def evict(self, run_id: str) -> None: ...

    def rewind(self, task: PollWorkflowTaskQueueResponse) -> None: ...

    def close(self) -> None: ...


def answering(
    service: ScriptedService, completion: RespondWorkflowTaskCompletedRequest, eager: EagerActivities | None = None
) -> WorkflowTaskHandler:
    return WorkflowTaskHandler(
        service,  # type: ignore[arg-type]
        Answering(completion),
        namespace="default",
        identity="me",
        converter=DataConverter.default,
        pace=VirtualPace().pace,
        eager=eager,
    )


async def test_slots_that_were_kept_for_an_answer_that_was_not_taken_poll_again() -> None:
    turns: Turns[PollActivityTaskQueueResponse] = Turns(0)
    waiting = asyncio.ensure_future(turns.take())
    await settle()
    service, completion = ScriptedService(local=False), scheduling(("work", "queue"))
    service.refuse("workflow completed", ServiceError(StatusCode.NOT_FOUND, "over"))
    handler = answering(service, completion, EagerActivities(turns, "queue", {"work"}))
    await handler.execute(PollWorkflowTaskQueueResponse(task_token=b"1"))
    assert wishes(completion) == [True]
    assert turns.keep() is not None
    waiting.cancel()


@pytest.mark.parametrize(
    ("local", "sticky", "wished"), [(False, True, True), (False, False, False), (True, True, False)]
)
async def test_the_next_workflow_task_is_wished_for_where_it_spares_a_poll(
    local: bool, sticky: bool, wished: bool
) -> None:
    service, completion = ScriptedService(local=local), RespondWorkflowTaskCompletedRequest()
    if sticky:
        completion.sticky_attributes.worker_task_queue.name = "its own"
    await answering(service, completion).execute(PollWorkflowTaskQueueResponse(task_token=b"1"))
    [sent] = service.sent
    assert isinstance(sent, RespondWorkflowTaskCompletedRequest)
    assert sent.return_new_workflow_task is wished


async def test_turns_go_round_in_order_of_arrival() -> None:
    turns: Turns[str] = Turns(1)
    assert await turns.take() is None
    first, second = (asyncio.ensure_future(turns.take()) for _ in range(2))
    await settle()
    turns.end()
    await settle()
    assert (first.done(), second.done()) == (True, False)
    turns.end()
    assert await second is None


async def test_a_turn_that_comes_to_one_who_leaves_goes_to_the_next() -> None:
    turns: Turns[str] = Turns(1)
    await turns.take()
    leaving, staying = (asyncio.ensure_future(turns.take()) for _ in range(2))
    await settle()
    turns.end()
    leaving.cancel()
    assert await asyncio.wait_for(staying, 60) is None


async def test_who_is_put_back_has_a_turn_at_once_if_one_is_free() -> None:
    turns: Turns[str] = Turns(1)
    await turns.take()
    waiting = asyncio.ensure_future(turns.take())
    await settle()
    kept = turns.keep()
    assert kept is not None
    turns.end()
    await settle()
    assert not waiting.done()
    turns.put_back(kept)
    assert await waiting is None
