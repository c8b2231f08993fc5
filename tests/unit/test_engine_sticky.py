"""Sticky queues: the worker that has a run in its cache gets its next task, and is not waited for when it is gone."""

from __future__ import annotations

from datetime import timedelta

from engine_requests import HOUR, MINUTE, SECOND, Refused
from engine_site import Site
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest

from tsuzuki.engine._matching import QUEUES_KEPT
from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import cancel_timer, complete_workflow

STICKY = "sticky"
FAILED = "WorkflowTaskFailed WORKFLOW_WORKER_UNHANDLED_FAILURE"


def _run_with_sticky_worker(server: LocalServer) -> None:
    """A run whose worker was just there."""
    server.start_workflow()
    server.complete_workflow_task(sticky_queue=STICKY)
    assert server.poll_workflow_task(STICKY, sticky=True) is None


def test_the_next_task_goes_to_the_sticky_worker_and_brings_what_is_new(server: LocalServer) -> None:
    _run_with_sticky_worker(server)
    server.signal("s")
    assert server.poll_workflow_task() is None
    task = server.take_workflow_task(STICKY, sticky=True)
    assert [event.event_id for event in task.history.events] == [4, 5, 6, 7]
    assert (task.previous_started_event_id, task.started_event_id) == (3, 7)
    assert task.workflow_execution_task_queue.name == "queue"
    queue = server.history()[5].workflow_task_scheduled_event_attributes.task_queue
    assert (queue.name, queue.kind, queue.normal_name) == (STICKY, TaskQueueKind.TASK_QUEUE_KIND_STICKY, "queue")


def test_a_sticky_worker_that_does_not_come_delays_a_run_by_its_timeout(server: LocalServer) -> None:
    """Invariant 20."""
    _run_with_sticky_worker(server)
    server.signal("s")
    server.advance(5 * SECOND - timedelta(milliseconds=1))
    assert server.poll_workflow_task() is None
    server.advance(timedelta(milliseconds=1))
    task = server.take_workflow_task()
    assert task.attempt == 1
    assert len(task.history.events) == task.started_event_id == 9
    assert server.poll_workflow_task(STICKY, sticky=True) is None
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == (
        "Started | WFT | Signaled s | WorkflowTaskScheduled | WorkflowTaskTimedOut SCHEDULE_TO_START | WFT | Completed"
    )


def test_a_sticky_worker_known_to_be_gone_delays_nothing(server: LocalServer) -> None:
    """Invariant 20: nobody polled its queue for a while."""
    _run_with_sticky_worker(server)
    server.advance(MINUTE)
    server.signal("s")
    task = server.take_workflow_task()
    assert len(task.history.events) == task.started_event_id
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == "Started | WFT | Signaled s | WFT | Completed"


def test_after_a_restart_any_worker_may_have_the_task(site: Site) -> None:
    """Invariant 20: caches died with the process."""
    _run_with_sticky_worker(site.server)
    site.server.signal("s")
    server = site.restart()
    task = server.take_workflow_task()
    assert [event.event_id for event in task.history.events] == [1, 2, 3, 4, 5, 6, 7]


def test_a_task_that_fails_on_the_sticky_worker_counts_anew_on_any_other(server: LocalServer) -> None:
    """As on the real server: the cache may be at fault. Invariant 16 holds from there on."""
    _run_with_sticky_worker(server)
    server.signal("s")
    server.fail_workflow_task(server.take_workflow_task(STICKY, sticky=True))
    for attempt in (1, 2, 3):
        server.advance(MINUTE)
        task = server.take_workflow_task()
        assert task.attempt == attempt
        server.fail_workflow_task(task)
    scheduled = "WorkflowTaskScheduled | WorkflowTaskStarted"
    assert server.notation() == f"Started | WFT | Signaled s | {scheduled} | {FAILED} | {scheduled} | {FAILED}"


def test_a_task_that_times_out_on_the_sticky_worker_counts_anew_on_any_other(server: LocalServer) -> None:
    _run_with_sticky_worker(server)
    server.signal("s")
    server.take_workflow_task(STICKY, sticky=True)
    server.advance(10 * SECOND)
    assert server.take_workflow_task().attempt == 1
    server.advance(10 * SECOND)
    assert server.take_workflow_task().attempt == 2
    timed_out = "WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE"
    assert server.notation() == f"Started | WFT | Signaled s | {timed_out} | {timed_out}"


def test_a_bad_command_of_the_sticky_worker_counts_as_its_failure(server: LocalServer) -> None:
    _run_with_sticky_worker(server)
    server.signal("s")
    with Refused(StatusCode.INVALID_ARGUMENT, "BAD_CANCEL_TIMER_ATTRIBUTES"):
        server.answer_workflow_task(
            server.take_workflow_task(STICKY, sticky=True), cancel_timer("t"), sticky_queue=STICKY
        )
    assert server.take_workflow_task().attempt == 1


def test_a_worker_that_asks_for_it_no_more_loses_the_sticky_queue(server: LocalServer) -> None:
    _run_with_sticky_worker(server)
    server.signal("s")
    server.answer_workflow_task(server.take_workflow_task(STICKY, sticky=True))
    server.signal("t")
    server.complete_workflow_task(complete_workflow())


def test_news_while_the_task_waits_for_the_sticky_worker_are_part_of_it(server: LocalServer) -> None:
    _run_with_sticky_worker(server)
    server.signal("a")
    server.signal("b")
    task = server.take_workflow_task(STICKY, sticky=True)
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == (
        "Started | WFT | Signaled a | WorkflowTaskScheduled | Signaled b | WorkflowTaskStarted"
        " | WorkflowTaskCompleted | Completed"
    )


def test_a_worker_that_answered_keeps_its_run_over_quiet_times(server: LocalServer) -> None:
    _run_with_sticky_worker(server)
    server.advance(HOUR)
    assert server.poll_workflow_task(STICKY, sticky=True) is None  # it polls again
    server.signal("s")
    assert server.take_workflow_task(STICKY, sticky=True).history.events[0].event_id == 4


def test_queues_that_nobody_uses_any_more_are_forgotten(server: LocalServer) -> None:
    """Each start of a worker has a sticky queue of its own, and callers may ask for any name."""
    server.start_workflow("waits")  # its task waits in a queue that nobody polls
    matching = server.service._engine.matching
    for number in range(QUEUES_KEPT - 2):
        matching.queue(("default", f"sticky {number}", False)).sticky = True
    poll = server._loop.create_task(server.service.poll_activity_task_queue(_poll_of("watched")))
    server.call(server.clock.settle())
    server.advance(2 * HOUR)
    matching.queue(("default", "new", False))
    assert {name for _, name, _ in matching._queues} == {"queue", "watched", "new"}
    poll.cancel()
    assert server.take_workflow_task().workflow_execution.workflow_id == "waits"


def _poll_of(queue: str) -> PollActivityTaskQueueRequest:
    request = PollActivityTaskQueueRequest(namespace="default", identity="worker")
    request.task_queue.name = queue
    return request
