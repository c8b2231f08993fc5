"""Deleting a run: all of it goes, others learn of it as of a termination, and other runs of its id stay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_requests import Refused
from engine_site import Site
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, ParentClosePolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, StartWorkflowExecutionRequest

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import complete_workflow, schedule_activity


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def delete(server: LocalServer, workflow_id: str = "w", run_id: str = "") -> None:
    request = DeleteWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id, request.workflow_execution.run_id = workflow_id, run_id
    server.call(server.service.delete_workflow_execution(request))


def start_child(workflow_id: str, policy: ParentClosePolicy.ValueType) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
    asked = command.start_child_workflow_execution_command_attributes
    asked.workflow_id, asked.workflow_type.name, asked.task_queue.name = workflow_id, "Child", "children"
    asked.parent_close_policy = policy
    return command


TERMINATE = ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE


def test_a_deleted_run_is_gone_for_good(tmp_path: Path) -> None:
    with Site(tmp_path / "a.db") as site:
        server = site.server
        run_id = server.start_workflow()
        server.complete_workflow_task(complete_workflow())
        delete(server)
        with Refused(StatusCode.NOT_FOUND, "no workflow 'w'"):
            server.describe()
        server = site.restart()
        with Refused(StatusCode.NOT_FOUND, "no workflow 'w'"):
            server.history(run_id=run_id)
        assert server.store.history(1) == []


def test_a_run_is_gone_before_its_deletion_is_on_disk(server: LocalServer) -> None:
    """Else who comes in between would read it from the store again, and it would stay in memory for ever."""
    first = server.start_workflow()
    server.complete_workflow_task(complete_workflow())
    gone = DeleteWorkflowExecutionRequest(namespace="default")
    gone.workflow_execution.workflow_id = "w"
    policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    again = StartWorkflowExecutionRequest(
        namespace="default", workflow_id="w", request_id="again", workflow_id_reuse_policy=policy
    )
    again.workflow_type.name, again.task_queue.name = "Any", "q"

    async def both() -> str:
        deleting = asyncio.ensure_future(server.service.delete_workflow_execution(gone))
        starting = asyncio.ensure_future(server.service.start_workflow_execution(again))
        await deleting
        return (await starting).run_id

    assert server.call(both()) != first


def test_what_is_not_there_cannot_be_deleted(server: LocalServer) -> None:
    with Refused(StatusCode.NOT_FOUND, "no workflow 'w'"):
        delete(server)
    with Refused(StatusCode.INVALID_ARGUMENT, "workflow id is empty"):
        delete(server, "")


def test_the_runs_before_it_stay(tmp_path: Path) -> None:
    """Invariant 12. The id alone does not find them, as on the real server, and may be used as if it were new."""
    with Site(tmp_path / "a.db") as site:
        server = site.server
        first = server.start_workflow()
        server.complete_workflow_task(complete_workflow())
        server.start_workflow()
        server.complete_workflow_task(complete_workflow())
        before = server.history(run_id=first)
        delete(server)
        server = site.restart()
        assert server.history(run_id=first) == before
        with Refused(StatusCode.NOT_FOUND, "no workflow 'w'"):
            server.describe()
        policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        assert server.start_workflow(workflow_id_reuse_policy=policy) != first


def test_the_answers_of_its_workers_find_nothing(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b"))
    server.signal("s")
    workflow_task, activity = server.take_workflow_task(), server.take_activity()
    delete(server)
    with Refused(StatusCode.NOT_FOUND, "is over"):
        server.answer_workflow_task(workflow_task)
    with Refused(StatusCode.NOT_FOUND, "does not exist"):
        server.complete_activity(activity)
    assert server.poll_activity() is None


def test_a_run_that_was_just_started_is_deleted_in_the_same_commit(tmp_path: Path) -> None:
    async def start_and_delete(server: LocalServer) -> None:
        started = StartWorkflowExecutionRequest(namespace="default", workflow_id="w", request_id="1")
        started.workflow_type.name, started.task_queue.name = "Workflow", "queue"
        deleted = DeleteWorkflowExecutionRequest(namespace="default")
        deleted.workflow_execution.workflow_id = "w"
        service = server.service
        await asyncio.gather(
            service.start_workflow_execution(started),
            service.delete_workflow_execution(deleted),
            service.start_workflow_execution(started),
        )

    with Site(tmp_path / "a.db") as site:
        site.server.call(start_and_delete(site.server))
        assert site.server.store.run(1) is None
        assert site.server.describe().workflow_execution_info.history_length == 2


def test_a_parent_learns_that_its_child_was_terminated(server: LocalServer) -> None:
    server.start_workflow("parent")
    server.complete_workflow_task(start_child("child", TERMINATE))
    delete(server, "child")
    assert server.notation("parent").endswith("ChildWorkflowExecutionTerminated")


def test_the_children_of_a_deleted_parent_are_closed_as_it_asked(server: LocalServer) -> None:
    server.start_workflow("parent")
    server.complete_workflow_task(start_child("child", TERMINATE))
    delete(server, "parent")
    assert server.notation("child") == "Started | WorkflowTaskScheduled | Terminated"
