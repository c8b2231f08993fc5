"""Work and workers that wait for each other: nothing waits twice, and no worker waits where nothing comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine_requests import HOUR, duration
from engine_site import Site
from temporalio.api.common.v1 import Priority
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    PauseActivityRequest,
    ResetActivityRequest,
    UnpauseActivityRequest,
)

from tsuzuki.engine._matching import QUEUES_KEPT, Matching, Poll, ReadyTask
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, QUEUE, schedule_activity

KEY = (NAMESPACE, QUEUE, True)
HOUR_NS = duration(HOUR).ToNanoseconds()


def waiting(server: LocalServer) -> int:
    """How many activity tasks are said to wait."""
    request = DescribeTaskQueueRequest(
        namespace=NAMESPACE,
        report_stats=True,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    request.task_queue.name = QUEUE
    return server.call(server.service.describe_task_queue(request)).stats.approximate_backlog_count


def operate(server: LocalServer, method: str, request: type[Any]) -> None:
    server.call(getattr(server.service, method)(request(namespace=NAMESPACE, execution={"workflow_id": "w"}, id="a")))


def test_what_an_operator_lets_begin_anew_waits_once(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    for _ in range(3):
        operate(server, "reset_activity", ResetActivityRequest)
        operate(server, "pause_activity", PauseActivityRequest)
        operate(server, "unpause_activity", UnpauseActivityRequest)
    assert waiting(server) == 1
    assert server.take_activity().attempt == 1
    assert (waiting(server), server.poll_activity()) == (0, None)


def test_what_is_read_from_the_store_again_and_again_waits_once(site: Site) -> None:
    server = site.restart(cached_runs_max=2)
    runs = [f"w{number}" for number in range(8)]
    for workflow_id in runs:
        server.start_workflow(workflow_id)
    for _ in runs:
        server.complete_workflow_task(schedule_activity("a"))
    server.start_workflow("one more")  # now that the others are idle, there is one too many in memory
    for _ in range(3):
        for workflow_id in runs:
            request = DescribeWorkflowExecutionRequest(namespace=NAMESPACE)
            request.execution.workflow_id = workflow_id
            server.call(server.service.describe_workflow_execution(request))
    assert waiting(server) == len(runs)
    assert {server.take_activity().workflow_execution.workflow_id for _ in runs} == set(runs)
    assert server.poll_activity() is None


def test_what_becomes_more_urgent_while_it_waits_goes_first() -> None:
    priorities = {1: Priority(priority_key=3), 2: Priority(priority_key=4)}
    taken: list[ReadyTask] = []
    matching = Matching(lambda task, poll: taken.append(task) is None, lambda task: priorities[task[0]], lambda: 0)
    for number in (1, 2):
        matching.offer(KEY, (number, 5))
    priorities[2] = Priority(priority_key=1)
    matching.offer(KEY, (2, 5))
    matching.attach(KEY, _poll(), 0)
    assert taken == [(2, 5)]


@pytest.mark.parametrize("again", [False, True])
def test_a_queue_that_a_poll_goes_back_to_is_not_forgotten(again: bool) -> None:
    """To find a task gone may bring work for other queues, and so a look for idle ones in that very moment."""
    now_ns = 2 * HOUR_NS
    handed: list[ReadyTask] = []

    def hand(task: ReadyTask, poll: Poll) -> bool:
        handed.append(task)
        for number in range(QUEUES_KEPT):
            matching.queue((NAMESPACE, f"other {number}", False))
        return False

    matching = Matching(hand, lambda task: None, lambda: now_ns)
    poll = _poll()
    if again:
        matching.offer(KEY, (1, 5))
        matching.attach_again(KEY, poll)
    else:
        matching.attach(KEY, poll, now_ns - 2 * HOUR_NS)
        matching.offer(KEY, (1, 5))
    matching.offer(KEY, (2, 5))
    assert handed == [(1, 5), (2, 5)]


def _poll() -> Poll:
    loop = asyncio.new_event_loop()
    loop.close()
    return Poll(loop.create_future(), "worker", False, None)
