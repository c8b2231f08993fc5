"""What task queues and workers say of themselves, and that a worker that goes takes no more tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from engine_requests import HOUR, Refused
from temporalio.api.enums.v1 import DescribeTaskQueueMode, QueryResultType, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueStats
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkerRequest,
    ListTaskQueuePartitionsRequest,
    ListWorkersRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RecordWorkerHeartbeatRequest,
    RespondQueryTaskCompletedRequest,
    ShutdownWorkerRequest,
    StartWorkflowExecutionRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import QUEUE, complete_workflow, schedule_activity

ENHANCED = DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED
ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def describe(server: LocalServer, **fields: object) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(namespace="default", **fields)  # type: ignore[arg-type]
    request.task_queue.name = QUEUE
    return server.call(server.service.describe_task_queue(request))


# ---- task queues ---------------------------------------------------------------------------------------


def test_who_polls_a_queue_is_shown_for_five_minutes(server: LocalServer) -> None:
    server.poll_workflow_task()
    assert [poller.identity for poller in describe(server).pollers] == ["worker"]
    assert list(describe(server, task_queue_type=ACTIVITY).pollers) == []
    server.advance(timedelta(minutes=5))
    assert len(describe(server).pollers) == 1
    server.advance(timedelta(seconds=1))
    assert list(describe(server).pollers) == []


def test_what_waits_is_counted(server: LocalServer) -> None:
    for number in range(3):
        server.start_workflow(f"w{number}")
    assert describe(server, report_stats=True).stats.approximate_backlog_count == 3
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b"))
    shown = describe(server, api_mode=ENHANCED, report_stats=True, report_pollers=True).versions_info[""].types_info
    assert {kind: info.stats.approximate_backlog_count for kind, info in shown.items()} == {1: 2, 2: 2}
    assert [poller.identity for poller in shown[1].pollers] == ["worker"]


def rates(stats: TaskQueueStats) -> tuple[float, float]:
    return pytest.approx(stats.tasks_add_rate), pytest.approx(stats.tasks_dispatch_rate)


def test_rates_are_those_of_the_last_half_minute(server: LocalServer) -> None:
    for number in range(30):
        server.start_workflow(f"w{number}")
    assert rates(describe(server, report_stats=True).stats) == (30, 0)
    server.advance(timedelta(seconds=10))
    assert rates(describe(server, report_stats=True).stats) == (3, 0)
    for _ in range(15):
        server.complete_workflow_task(schedule_activity("a"))
    server.advance(timedelta(seconds=10))
    both = describe(server, api_mode=ENHANCED, report_stats=True).versions_info[""].types_info
    assert rates(both[1].stats) == (1.5, 0.75)
    assert rates(both[2].stats) == (1.5, 0)
    server.advance(timedelta(seconds=9))
    assert rates(describe(server, report_stats=True).stats) == (30 / 29, 15 / 29)
    server.advance(timedelta(seconds=1))  # the starts are half a minute old
    assert rates(describe(server, report_stats=True).stats) == (0, 0.5)
    server.advance(timedelta(days=1))
    assert rates(describe(server, report_stats=True).stats) == (0, 0)
    assert rates(describe(server, report_stats=True, task_queue_type=ACTIVITY).stats) == (0, 0)


def test_a_task_that_meets_a_waiting_worker_comes_and_goes(server: LocalServer) -> None:
    async def meet() -> None:
        polling = asyncio.ensure_future(poll(server, "a"))
        await asyncio.sleep(0)
        request = StartWorkflowExecutionRequest(namespace="default", workflow_id="w", request_id="r")
        request.workflow_type.name, request.task_queue.name = "Workflow", QUEUE
        await server.service.start_workflow_execution(request)
        assert await polling

    server.call(meet())
    assert rates(describe(server, report_stats=True).stats) == (1, 1)


def test_each_priority_has_rates_and_a_backlog_of_its_own(server: LocalServer) -> None:
    for number, level in enumerate((0, 1, 1, 9)):
        server.start_workflow(f"w{number}", priority={"priority_key": level})
    server.advance(timedelta(seconds=2))
    server.complete_workflow_task()  # of level 1
    answer = describe(server, report_stats=True)
    shown = {
        level: (s.approximate_backlog_count, s.tasks_add_rate, s.tasks_dispatch_rate)
        for level, s in answer.stats_by_priority_key.items()
    }
    assert shown == {1: (1, 1, 0.5), 3: (1, 0.5, 0), 5: (1, 0.5, 0)}
    assert [s.approximate_backlog_age.seconds for s in answer.stats_by_priority_key.values()] == [2, 2, 2]
    assert (answer.stats.approximate_backlog_count, answer.stats.tasks_add_rate) == (3, 2)
    assert list(describe(server, report_stats=True, task_queue_type=ACTIVITY).stats_by_priority_key) == [3]


def test_how_long_the_oldest_task_has_waited(server: LocalServer) -> None:
    def ages() -> dict[int, float]:
        shown = describe(server, api_mode=ENHANCED, report_stats=True).versions_info[""].types_info
        return {kind: info.stats.approximate_backlog_age.ToTimedelta().total_seconds() for kind, info in shown.items()}

    assert ages() == {1: 0, 2: 0}
    server.start_workflow("w1")
    server.advance(timedelta(seconds=5))
    server.start_workflow("w2")
    server.advance(timedelta(seconds=2))
    assert ages() == {1: 7, 2: 0}
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b"))
    server.advance(timedelta(seconds=3))
    assert ages() == {1: 5, 2: 3}
    server.take_activity()
    server.complete_workflow_task()
    assert ages() == {1: 0, 2: 3}


def test_the_queues_that_were_used_are_known_by_name(server: LocalServer) -> None:
    names = server.service.task_queue_names
    assert names("default") == []
    server.start_workflow("w")
    server.complete_workflow_task(schedule_activity("a", queue="other"))
    server.poll_workflow_task("of one worker alone", sticky=True)
    assert names("default") == ["other", QUEUE]
    assert names("elsewhere") == []


def test_a_queue_is_one_partition(server: LocalServer) -> None:
    request = ListTaskQueuePartitionsRequest(namespace="default")
    request.task_queue.name = QUEUE
    answer = server.call(server.service.list_task_queue_partitions(request))
    assert [each.key for each in answer.workflow_task_queue_partitions] == [QUEUE]


# ---- workers -------------------------------------------------------------------------------------------


def beat(server: LocalServer, *keys: str, queue: str = QUEUE) -> None:
    beats = [WorkerHeartbeat(worker_instance_key=key, worker_identity="me", task_queue=queue) for key in keys]
    request = RecordWorkerHeartbeatRequest(namespace="default", worker_heartbeat=beats)
    server.call(server.service.record_worker_heartbeat(request))


def listed(server: LocalServer, query: str = "", page_size: int = 0) -> list[list[str]]:
    request, pages = ListWorkersRequest(namespace="default", query=query, page_size=page_size), []
    while True:
        page = server.call(server.service.list_workers(request))
        pages.append([each.worker_instance_key for each in page.workers])
        if not page.next_page_token:
            return pages
        request.next_page_token = page.next_page_token


def test_workers_that_say_how_they_are_are_listed(server: LocalServer) -> None:
    beat(server, "c", "a")
    beat(server, "b", queue="other")
    assert listed(server) == [["a", "b", "c"]]
    assert listed(server, page_size=2) == [["a", "b"], ["c"]]
    assert listed(server, f"TaskQueue = '{QUEUE}' AND WorkerIdentity = \"me\"") == [["a", "c"]]
    with Refused(StatusCode.INVALID_ARGUMENT, "not understood at"):
        listed(server, "Nope = 'x'")
    server.advance(HOUR + timedelta(seconds=1))
    assert listed(server) == [[]]


def test_however_much_workers_say_it_is_bounded(server: LocalServer) -> None:
    """A flood of heartbeats takes no more memory than is set aside for it, and no page outgrows an answer."""

    def flood(*keys: str, text: str) -> None:
        beats = [WorkerHeartbeat(worker_instance_key=key, sdk_name=text) for key in keys]
        request = RecordWorkerHeartbeatRequest(namespace="default", worker_heartbeat=beats)
        server.call(server.service.record_worker_heartbeat(request))

    with Refused(StatusCode.INVALID_ARGUMENT, "heartbeat of worker 'b' has .* the limit is 65,536"):
        flood("b", text="x" * 65_536)
    with Refused(StatusCode.INVALID_ARGUMENT, "instance key is too long"):
        flood("k" * 1001, text="")
    assert listed(server) == [[]]
    for first in range(0, 1200, 60):
        flood(*(f"{number:04}" for number in range(first, first + 60)), text="x" * 65_000)
    pages = listed(server)
    known = [key for page in pages for key in page]
    assert known == [f"{number:04}" for number in range(1200 - len(known), 1200)]
    assert 900 < len(known) * 65_000 // 2**16 <= 1024
    assert max(map(len, pages)) <= 16


def test_names_of_workers_that_are_kept_are_bounded(server: LocalServer) -> None:
    long, queue = "x" * 1001, TaskQueue(name=QUEUE)
    service = server.service
    for call in (
        service.poll_workflow_task_queue(
            PollWorkflowTaskQueueRequest(namespace="default", task_queue=queue, identity=long)
        ),
        service.poll_workflow_task_queue(
            PollWorkflowTaskQueueRequest(namespace="default", task_queue=queue, worker_instance_key=long)
        ),
        service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(namespace="default", task_queue=queue, identity=long)
        ),
        service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(namespace="default", task_queue=queue, worker_instance_key=long)
        ),
        service.shutdown_worker(ShutdownWorkerRequest(namespace="default", worker_instance_key=long)),
    ):
        with Refused(StatusCode.INVALID_ARGUMENT, "too long: it has 1001 characters"):
            server.call(call)


def test_a_question_for_workers_is_read_in_one_go(server: LocalServer) -> None:
    """Its time would grow with the square of its spaces: this one would take hours."""
    with Refused(StatusCode.INVALID_ARGUMENT, "not understood"):
        listed(server, "TaskQueue = 'q'" + " " * 1_000_000 + "x")
    beat(server, "a")
    assert listed(server, f" TaskQueue = '{QUEUE}'   and\n  WorkerIdentity = 'me' ") == [["a"]]


def test_a_worker_is_described(server: LocalServer) -> None:
    beat(server, "a")
    request = DescribeWorkerRequest(namespace="default", worker_instance_key="a")
    heartbeat = server.call(server.service.describe_worker(request)).worker_info.worker_heartbeat
    assert (heartbeat.worker_identity, heartbeat.task_queue) == ("me", QUEUE)
    with Refused(StatusCode.NOT_FOUND, "worker b was not heard of"):
        server.call(server.service.describe_worker(DescribeWorkerRequest(namespace="default", worker_instance_key="b")))


async def poll(server: LocalServer, key: str) -> bytes:
    request = PollWorkflowTaskQueueRequest(namespace="default", worker_instance_key=key)
    request.task_queue.name = QUEUE
    return (await server.service.poll_workflow_task_queue(request)).task_token


async def poll_activity(server: LocalServer, key: str) -> bytes:
    request = PollActivityTaskQueueRequest(namespace="default", worker_instance_key=key)
    request.task_queue.name = QUEUE
    return (await server.service.poll_activity_task_queue(request)).task_token


def test_a_worker_that_goes_takes_no_more_tasks(server: LocalServer) -> None:
    """Its polls end, those that are still on their way too; other workers of the queue get the task."""

    async def shut_down() -> tuple[list[bytes], bytes]:
        going = [asyncio.ensure_future(call) for call in (poll(server, "a"), poll(server, "a"))]
        going.append(asyncio.ensure_future(poll_activity(server, "a")))
        staying = asyncio.ensure_future(poll(server, "b"))
        await server.clock.settle()
        await server.service.shutdown_worker(ShutdownWorkerRequest(namespace="default", worker_instance_key="a"))
        ended = [await each for each in going]
        ended.append(await poll(server, "a"))
        assert not staying.done()
        return ended, await _with_a_task(server, staying)

    ended, token = server.call(shut_down())
    assert ended == [b""] * 4
    assert token


async def _with_a_task(server: LocalServer, staying: asyncio.Future[bytes]) -> bytes:
    request = StartWorkflowExecutionRequest(namespace="default", workflow_id="w", request_id="1")
    request.workflow_type.name, request.task_queue.name = "Workflow", QUEUE
    await server.service.start_workflow_execution(request)
    return await staying


def test_the_sticky_queue_of_a_worker_that_goes_is_left(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(sticky_queue="sticky")
    server.poll_workflow_task("sticky", sticky=True)
    request = ShutdownWorkerRequest(namespace="default", sticky_task_queue="sticky")
    server.call(server.service.shutdown_worker(request))
    server.signal("s")
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | WFT | Signaled s | WFT | Completed"


def test_what_waits_in_the_sticky_queue_of_a_worker_that_goes_is_for_all_workers_at_once(server: LocalServer) -> None:
    """And waits once, also when the sticky time-out would have come."""
    server.start_workflow()
    server.complete_workflow_task(sticky_queue="sticky")
    server.poll_workflow_task("sticky", sticky=True)
    server.signal("s")
    assert server.poll_workflow_task() is None
    request = ShutdownWorkerRequest(namespace="default", sticky_task_queue="sticky")
    server.call(server.service.shutdown_worker(request))
    server.advance(timedelta(minutes=1))
    assert describe(server, report_stats=True).stats.approximate_backlog_count == 1
    task = server.take_workflow_task()
    assert task.history.events[0].event_id == 1
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == "Started | WFT | Signaled s | WFT | Completed"


def test_a_query_that_waits_for_a_worker_that_goes_is_asked_of_another_at_once(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(sticky_queue="sticky")
    server.poll_workflow_task("sticky", sticky=True)
    query = QueryWorkflowRequest(namespace="default")
    query.execution.workflow_id, query.query.query_type = "w", "how"

    async def ask() -> QueryWorkflowResponse:
        asking = asyncio.ensure_future(server.service.query_workflow(query))
        await server.clock.settle()
        await server.service.shutdown_worker(ShutdownWorkerRequest(namespace="default", sticky_task_queue="sticky"))
        token = await asyncio.wait_for(poll(server, "b"), 30)
        answer = RespondQueryTaskCompletedRequest(namespace="default", task_token=token)
        answer.completed_type = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
        answer.query_result.payloads.add().data = b"well"
        await server.service.respond_query_task_completed(answer)
        return await asking

    assert server.call(ask()).query_result.payloads[0].data == b"well"
