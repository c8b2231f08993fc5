"""Queries in the engine: where they are asked, what they wait for, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from engine_requests import HOUR, Refused
from engine_site import Site
from temporalio.api.enums.v1 import QueryRejectCondition, QueryResultType, WorkflowExecutionStatus
from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.api.query.v1 import WorkflowQueryResult
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
)

from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow, fail_workflow, notation

ANSWERED = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
FAILED = QueryResultType.QUERY_RESULT_TYPE_FAILED


class Asked:
    """A query on its way."""

    def __init__(
        self, server: LocalServer, workflow_id: str = "w", *, name: str = "state", condition: int = 0, size: int = 0
    ) -> None:
        request = QueryWorkflowRequest(
            namespace=NAMESPACE,
            query_reject_condition=condition,  # type: ignore[arg-type]
        )
        request.execution.workflow_id = workflow_id
        request.query.query_type = name
        if size:
            request.query.query_args.payloads.add().data = bytes(size)
        self._server = server
        loop = server._loop
        self._future = asyncio.ensure_future(server.service.query_workflow(request), loop=loop)
        server.call(server.clock.settle())

    @property
    def waits(self) -> bool:
        return not self._future.done()

    @property
    def response(self) -> QueryWorkflowResponse:
        return self._future.result()

    @property
    def answer(self) -> bytes:
        return self.response.query_result.payloads[0].data

    def give_up(self) -> None:
        self._future.cancel()
        self._server.call(self._server.clock.settle())


def answer(server: LocalServer, task: PollWorkflowTaskQueueResponse, data: bytes) -> None:
    """Answer a query that is a task of its own."""
    request = RespondQueryTaskCompletedRequest(task_token=task.task_token, completed_type=ANSWERED)
    request.query_result.payloads.add().data = data
    server.call(server.service.respond_query_task_completed(request))


def complete_with(server: LocalServer, task: PollWorkflowTaskQueueResponse, **answers: bytes) -> None:
    """Complete a workflow task, answering the queries in it by the name of the query."""
    request = RespondWorkflowTaskCompletedRequest(task_token=task.task_token)
    for number, query in task.queries.items():
        if query.query_type in answers:
            result = WorkflowQueryResult(result_type=ANSWERED)
            result.answer.payloads.add().data = answers[query.query_type]
            request.query_results[number].CopyFrom(result)
    server.call(server.service.respond_workflow_task_completed(request))


def test_an_idle_run_is_asked_by_a_task_of_its_own_which_is_not_recorded(server: LocalServer) -> None:
    """Invariant 24."""
    run_id = server.start_workflow()
    server.complete_workflow_task()
    before = server.notation()
    asked = Asked(server)
    task = server.take_workflow_task()
    assert task.query.query_type == "state"
    assert task.workflow_execution.run_id == run_id
    assert notation(list(task.history.events)) == "Started | WFT"
    assert asked.waits
    answer(server, task, b"idle")
    assert asked.answer == b"idle"
    assert server.notation() == before
    assert server.poll_workflow_task() is None


def test_a_query_before_the_first_workflow_task_rides_with_it(server: LocalServer) -> None:
    server.start_workflow()
    first, second = Asked(server, name="first"), Asked(server, name="second")
    task = server.take_workflow_task()
    assert sorted(query.query_type for query in task.queries.values()) == ["first", "second"]
    complete_with(server, task, first=b"1", second=b"2")
    assert (first.answer, second.answer) == (b"1", b"2")
    assert server.notation() == "Started | WFT"


def test_a_query_sees_a_signal_that_was_acknowledged_before_it(server: LocalServer) -> None:
    """Invariant 24."""
    server.start_workflow()
    server.complete_workflow_task()
    server.signal("s")
    asked = Asked(server)
    task = server.take_workflow_task()
    assert notation(list(task.history.events)).endswith("Signaled s | WorkflowTaskScheduled | WorkflowTaskStarted")
    complete_with(server, task, state=b"signalled")
    assert asked.answer == b"signalled"


def test_a_query_during_a_workflow_task_is_asked_after_it(server: LocalServer) -> None:
    """Its worker may have looked before the query came."""
    server.start_workflow()
    task = server.take_workflow_task()
    asked = Asked(server)
    server.signal("s")
    server.answer_workflow_task(task)
    assert asked.waits
    following = server.take_workflow_task()
    assert "Signaled s" in notation(list(following.history.events))
    complete_with(server, following, state=b"after")
    assert asked.answer == b"after"


def test_a_query_that_the_workflow_task_left_unanswered_is_asked_again(server: LocalServer) -> None:
    server.start_workflow()
    asked = Asked(server)
    server.fail_workflow_task(server.take_workflow_task())
    task = server.take_workflow_task()
    assert [query.query_type for query in task.queries.values()] == ["state"]
    server.answer_workflow_task(task)
    alone = server.take_workflow_task()
    answer(server, alone, b"at last")
    assert asked.answer == b"at last"


@pytest.mark.parametrize("end", [complete_workflow, fail_workflow])
def test_a_closed_run_is_asked(server: LocalServer, end: object) -> None:
    """Invariant 24."""
    server.start_workflow()
    server.complete_workflow_task(end())  # type: ignore[operator]
    before = server.notation()
    asked = Asked(server)
    task = server.take_workflow_task()
    assert notation(list(task.history.events)) == before
    answer(server, task, b"closed")
    assert asked.answer == b"closed"


def test_a_query_whose_run_closes_meanwhile_is_asked_of_the_closed_run(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    asked = Asked(server)
    server.terminate()
    with Refused(StatusCode.NOT_FOUND, "is over"):
        server.answer_workflow_task(task)
    server.advance(timedelta(seconds=10))
    answer(server, server.take_workflow_task(), b"terminated")
    assert asked.answer == b"terminated"


def test_a_sticky_worker_is_asked_first_and_any_worker_when_it_is_gone(server: LocalServer) -> None:
    server.start_workflow()
    server.poll_workflow_task("sticky", sticky=True)
    server.complete_workflow_task(sticky_queue="sticky")
    asked = Asked(server)
    assert server.poll_workflow_task() is None
    task = server.take_workflow_task("sticky", sticky=True)
    answer(server, task, b"cached")
    assert asked.answer == b"cached"
    asked = Asked(server)
    server.advance(timedelta(seconds=10))
    answer(server, server.take_workflow_task(), b"replayed")
    assert asked.answer == b"replayed"


def test_a_query_that_no_worker_answers_ends(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task()
    asked = Asked(server)
    server.advance(HOUR)
    with Refused(StatusCode.DEADLINE_EXCEEDED, "no worker answered query 'state' of workflow 'w' within 30 s"):
        _ = asked.response
    assert server.poll_workflow_task() is None


def test_an_answer_that_nobody_waits_for_is_dropped(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task()
    asked = Asked(server)
    task = server.take_workflow_task()
    asked.give_up()
    with Refused(StatusCode.NOT_FOUND, "its client has gone"):
        answer(server, task, b"late")
    asked = Asked(server)
    asked.give_up()
    assert server.poll_workflow_task() is None


def test_a_failed_query_says_why(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task()
    asked = Asked(server)
    request = RespondQueryTaskCompletedRequest(
        task_token=server.take_workflow_task().task_token, completed_type=FAILED, error_message="no such query"
    )
    request.failure.message = "no such query"
    server.call(server.service.respond_query_task_completed(request))
    with Refused(StatusCode.INVALID_ARGUMENT, "no such query") as refused:
        _ = asked.response
    assert isinstance(refused.value, ServiceError)
    assert isinstance(refused.value.detail, QueryFailedFailure)
    assert refused.value.detail.failure.message == "no such query"


@pytest.mark.parametrize(
    ("end", "condition", "rejected"),
    [
        (None, QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN, False),
        (None, QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY, False),
        (complete_workflow, QueryRejectCondition.QUERY_REJECT_CONDITION_NONE, False),
        (complete_workflow, QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN, True),
        (complete_workflow, QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY, False),
        (fail_workflow, QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN, True),
        (fail_workflow, QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY, True),
    ],
)
def test_reject_conditions(server: LocalServer, end: object, condition: int, rejected: bool) -> None:
    server.start_workflow()
    server.complete_workflow_task(*([end()] if end else []))  # type: ignore[operator]
    asked = Asked(server, condition=condition)
    assert asked.waits is not rejected
    if rejected:
        expected = (
            WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
            if end is complete_workflow
            else WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED
        )
        assert asked.response.query_rejected.status == expected
    else:
        answer(server, server.take_workflow_task(), b"")


def test_a_run_that_is_not_there_cannot_be_asked(server: LocalServer) -> None:
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'nobody'"):
        _ = Asked(server, "nobody").response


def test_a_run_on_disk_is_asked_after_a_restart(site: Site) -> None:
    site.server.start_workflow()
    site.server.complete_workflow_task()
    server = site.restart(HOUR)
    asked = Asked(server)
    task = server.take_workflow_task()
    assert notation(list(task.history.events)) == "Started | WFT"
    answer(server, task, b"from disk")
    assert asked.answer == b"from disk"


def test_a_workflow_task_reaches_its_worker_however_much_is_asked() -> None:
    with LocalServer() as server:
        server.start_workflow()
        asked = [Asked(server, name=f"q{number}", size=400_000) for number in range(5)]
        task = server.take_workflow_task()
        assert sorted(query.query_type for query in task.queries.values()) == ["q0", "q1"]
        complete_with(server, task, q0=b"0", q1=b"1")
        for number in range(2, 5):
            own = server.take_workflow_task()
            assert own.query.query_type == f"q{number}"
            answer(server, own, str(number).encode())
        assert [each.answer for each in asked] == [b"0", b"1", b"2", b"3", b"4"]


def test_queries_that_nobody_answers_are_bounded() -> None:
    with LocalServer() as server:
        server.start_workflow()
        with Refused(StatusCode.INVALID_ARGUMENT, "the query 'state' has .* bytes, the limit is"):
            _ = Asked(server, size=2 * 1024 * 1024).response
        waiting = [Asked(server) for _ in range(1000)]
        with Refused(StatusCode.RESOURCE_EXHAUSTED, "1,000 queries that wait"):
            _ = Asked(server).response
        waiting[0].give_up()
        waiting.append(Asked(server))
        assert waiting[-1].waits
        server.advance(timedelta(seconds=40))
        assert not any(each.waits for each in waiting)
        assert len(server.take_workflow_task().queries) == 0


def test_no_more_queries_ride_with_a_workflow_task_than_it_has_room_for() -> None:
    with LocalServer() as server:
        server.start_workflow()
        asked = [Asked(server) for _ in range(101)]
        assert len(server.take_workflow_task().queries) == 100
        for each in asked:
            each.give_up()
