"""Namespaces of one engine: made, changed, deleted; and nothing of one is seen in another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import HOUR, MINUTE, Refused, duration
from engine_site import Site
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, NamespaceState
from temporalio.api.errordetails.v1 import (
    NamespaceAlreadyExistsFailure,
    NamespaceInvalidStateFailure,
    NamespaceNotFoundFailure,
)
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DeprecateNamespaceRequest,
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListNamespacesRequest,
    PollWorkflowTaskQueueRequest,
    RegisterNamespaceRequest,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
    UpdateNamespaceRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import QUEUE, complete_workflow, schedule_activity, start_timer

DAY = timedelta(days=1)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def register(server: LocalServer, name: str, *, retention: timedelta = DAY, **fields: Any) -> None:
    request = RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=duration(retention), **fields
    )
    server.call(server.service.register_namespace(request))


def describe(server: LocalServer, name: str = "", namespace_id: str = "") -> DescribeNamespaceResponse:
    request = DescribeNamespaceRequest(namespace=name, id=namespace_id)
    return server.call(server.service.describe_namespace(request))


def delete(server: LocalServer, name: str) -> str:
    return server.call(server.service.delete_namespace(DeleteNamespaceRequest(namespace=name))).deleted_namespace


def start_in(server: LocalServer, name: str, workflow_id: str = "w") -> str:
    request = StartWorkflowExecutionRequest(namespace=name, workflow_id=workflow_id, request_id=f"{name} {workflow_id}")
    request.workflow_type.name, request.task_queue.name = "Workflow", QUEUE
    return server.call(server.service.start_workflow_execution(request)).run_id


def sweep(server: LocalServer) -> None:
    """Let the sweeper take a few steps; between them it waits for the disk."""
    for _ in range(5):
        server.advance(timedelta(0))


def take_in(server: LocalServer, name: str) -> bytes:
    request = PollWorkflowTaskQueueRequest(namespace=name)
    request.task_queue.name = QUEUE
    answer = server.call(server._now_or_never(server.service.poll_workflow_task_queue(request)))
    return b"" if answer is None else answer.task_token


def answer_in(server: LocalServer, name: str, token: bytes, *commands: Command) -> None:
    request = RespondWorkflowTaskCompletedRequest(namespace=name, task_token=token, commands=commands)
    server.call(server.service.respond_workflow_task_completed(request))


def count(server: LocalServer, name: str = "default") -> int:
    request = CountWorkflowExecutionsRequest(namespace=name)
    return server.call(server.service.count_workflow_executions(request)).count


def run_to_its_end(server: LocalServer, workflow_id: str, name: str = "default") -> None:
    start_in(server, name, workflow_id)
    answer_in(server, name, take_in(server, name), complete_workflow())


# ---- made, shown, changed ------------------------------------------------------------------------------


def test_a_registered_namespace_is_described_and_lasts(tmp_path: Any) -> None:
    with Site(tmp_path / "a.db") as site:
        register(site.server, "team", description="ours", owner_email="o@x", data={"k": "v"})
        before = describe(site.server, "team")
        after = describe(site.restart(), "team")
    assert before == after
    info = after.namespace_info
    assert (info.name, info.description, info.owner_email, dict(info.data)) == ("team", "ours", "o@x", {"k": "v"})
    assert info.state == NamespaceState.NAMESPACE_STATE_REGISTERED
    assert after.config.workflow_execution_retention_ttl.ToTimedelta() == DAY
    assert after.replication_config.active_cluster_name == after.replication_config.clusters[0].cluster_name


def test_a_name_is_taken_once(server: LocalServer) -> None:
    with Refused(StatusCode.ALREADY_EXISTS, "'default' is there already") as error:
        register(server, "default")
    assert error.value.detail == NamespaceAlreadyExistsFailure()


@pytest.mark.parametrize("retention", [timedelta(0), HOUR - timedelta(seconds=1)])
def test_retention_is_at_least_an_hour(server: LocalServer, retention: timedelta) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "at least one hour"):
        register(server, "team", retention=retention)
    register(server, "team", retention=HOUR)


@pytest.mark.parametrize("name", ["", "x" * 1001])
def test_a_name_has_1_to_1000_characters(server: LocalServer, name: str) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "the namespace"):
        register(server, name)


def test_described_by_id_or_by_name(server: LocalServer) -> None:
    register(server, "team")
    by_name = describe(server, "team")
    assert describe(server, namespace_id=by_name.namespace_info.id) == by_name
    with Refused(StatusCode.INVALID_ARGUMENT, "give one of them"):
        describe(server, "team", by_name.namespace_info.id)
    with Refused(StatusCode.NOT_FOUND, "namespace 'nobody' is not found") as error:
        describe(server, namespace_id="nobody")
    assert error.value.detail == NamespaceNotFoundFailure(namespace="nobody")
    with Refused(StatusCode.INVALID_ARGUMENT, "names no namespace"):
        describe(server)


def test_an_update_changes_what_it_names(server: LocalServer) -> None:
    register(server, "team", description="ours", owner_email="o@x", data={"k": "v"})
    request = UpdateNamespaceRequest(namespace="team")
    request.update_info.description = "theirs"
    request.update_info.data["l"] = "w"
    server.call(server.service.update_namespace(request))
    info = describe(server, "team").namespace_info
    assert (info.description, info.owner_email, dict(info.data)) == ("theirs", "o@x", {"k": "v", "l": "w"})
    assert describe(server, "team").config.workflow_execution_retention_ttl.ToTimedelta() == DAY


def test_what_is_deprecated_goes_on_and_starts_nothing(server: LocalServer) -> None:
    register(server, "team")
    start_in(server, "team")
    server.call(server.service.deprecate_namespace(DeprecateNamespaceRequest(namespace="team")))
    with Refused(StatusCode.FAILED_PRECONDITION, "deprecated") as error:
        start_in(server, "team", "another")
    assert isinstance(error.value.detail, NamespaceInvalidStateFailure)
    answer_in(server, "team", take_in(server, "team"), complete_workflow())
    request = UpdateNamespaceRequest(namespace="team")
    request.update_info.state = NamespaceState.NAMESPACE_STATE_REGISTERED
    with Refused(StatusCode.INVALID_ARGUMENT, "stays so"):
        server.call(server.service.update_namespace(request))


def test_list_in_pages(server: LocalServer) -> None:
    for name in ("b", "a", "c"):
        register(server, name)
    request, names = ListNamespacesRequest(page_size=2), []
    while True:
        page = server.call(server.service.list_namespaces(request))
        assert len(page.namespaces) <= 2
        names += [each.namespace_info.name for each in page.namespaces]
        request.next_page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert names == ["a", "b", "c", "default"]


# ---- apart from each other -----------------------------------------------------------------------------


def test_the_same_workflow_id_lives_in_two_namespaces(server: LocalServer) -> None:
    """Invariant 34 is per namespace."""
    register(server, "team")
    assert start_in(server, "team") != start_in(server, "default")
    assert (count(server, "team"), count(server)) == (1, 1)


def test_a_task_goes_to_the_workers_of_its_namespace(server: LocalServer) -> None:
    register(server, "team")
    start_in(server, "team")
    assert not take_in(server, "default")
    assert take_in(server, "team")


def test_a_run_id_is_of_its_namespace(server: LocalServer) -> None:
    register(server, "team")
    run_id = start_in(server, "team")
    request = DescribeWorkflowExecutionRequest(namespace="default")
    request.execution.workflow_id, request.execution.run_id = "w", run_id
    with Refused(StatusCode.NOT_FOUND, "no workflow 'w'"):
        server.call(server.service.describe_workflow_execution(request))


def test_a_token_is_of_its_namespace(server: LocalServer) -> None:
    """Invariant 42."""
    register(server, "team")
    start_in(server, "team")
    token = take_in(server, "team")
    with Refused(StatusCode.INVALID_ARGUMENT, "of another namespace than 'default'"):
        answer_in(server, "default", token, complete_workflow())
    with Refused(StatusCode.NOT_FOUND, "namespace 'nowhere' is not found"):
        answer_in(server, "nowhere", token, complete_workflow())
    answer_in(server, "", token, complete_workflow())


def test_an_activity_token_is_of_its_namespace(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    token = server.take_activity().task_token
    register(server, "team")
    with Refused(StatusCode.INVALID_ARGUMENT, "of another namespace than 'team'"):
        server.call(
            server.service.respond_activity_task_completed(
                RespondActivityTaskCompletedRequest(namespace="team", task_token=token)
            )
        )


def test_a_page_of_history_is_of_its_namespace(server: LocalServer) -> None:
    register(server, "team")
    start_in(server, "team")
    request = GetWorkflowExecutionHistoryRequest(namespace="team", maximum_page_size=1)
    request.execution.workflow_id = "w"
    token = server.call(server.service.get_workflow_execution_history(request)).next_page_token
    request = GetWorkflowExecutionHistoryRequest(namespace="default", next_page_token=token)
    request.execution.workflow_id = "w"
    with Refused(StatusCode.INVALID_ARGUMENT, "of another namespace"):
        server.call(server.service.get_workflow_execution_history(request))


def _signal(namespace: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION)
    asked = command.signal_external_workflow_execution_command_attributes
    asked.namespace, asked.execution.workflow_id, asked.signal_name = namespace, "other", "s"
    return command


def _cancel(namespace: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION)
    asked = command.request_cancel_external_workflow_execution_command_attributes
    asked.namespace, asked.workflow_id = namespace, "other"
    return command


@pytest.mark.parametrize("command", [_signal, _cancel])
def test_commands_do_not_cross_namespaces(server: LocalServer, command: Any) -> None:
    register(server, "team")
    server.start_workflow("other")
    server.take_workflow_task()
    start_in(server, "team")
    with Refused(StatusCode.INVALID_ARGUMENT, "do not cross namespaces"):
        answer_in(server, "team", take_in(server, "team"), command("default"))
    assert server.notation("other") == "Started | WorkflowTaskScheduled | WorkflowTaskStarted"


# ---- deleted -------------------------------------------------------------------------------------------


def test_a_deleted_namespace_takes_its_runs_along(tmp_path: Any) -> None:
    with Site(tmp_path / "a.db") as site:
        server = site.server
        register(server, "team")
        namespace_id = describe(server, "team").namespace_info.id
        run_to_its_end(server, "closed", "team")
        start_in(server, "team", "open")
        server.start_workflow("ours")
        assert delete(server, "team") == f"team-deleted-{namespace_id[:5]}"
        sweep(server)
        with Refused(StatusCode.NOT_FOUND, "'team' is not found"):
            start_in(server, "team")
        with Refused(StatusCode.NOT_FOUND, "is not found"):
            describe(server, namespace_id=namespace_id)
        assert server.store.any_runs("team", 10) == []
        assert count(server) == 1
        register(server, "team")
        assert count(server, "team") == 0


def test_a_deleted_namespace_goes_on_going_after_a_crash(tmp_path: Any) -> None:
    with Site(tmp_path / "a.db") as site:
        server = site.server
        register(server, "team")
        start_in(server, "team")
        server.service._engine.sweeper.look = lambda: None  # type: ignore[method-assign]  # killed before it began
        delete(server, "team")
        assert server.store.any_runs("team", 10) != []
        server = site.restart()
        sweep(server)
        assert server.store.any_runs("team", 10) == []
        register(server, "team")


def test_a_name_that_is_being_deleted_can_be_registered_again(server: LocalServer) -> None:
    """However many runs are still to go."""
    register(server, "team")
    for number in range(250):
        start_in(server, "team", f"w{number}")
    server.call(_delete_and_register(server))
    assert count(server, "team") == 0


async def _delete_and_register(server: LocalServer) -> None:
    await server.service.delete_namespace(DeleteNamespaceRequest(namespace="team"))
    request = RegisterNamespaceRequest(namespace="team", workflow_execution_retention_period=duration(DAY))

    registering = asyncio.ensure_future(server.service.register_namespace(request))
    while not registering.done():
        await server.clock.advance(MINUTE)
    await registering


def test_a_poll_in_a_deleted_namespace_ends(server: LocalServer) -> None:

    async def poll_and_delete() -> bytes:
        request = PollWorkflowTaskQueueRequest(namespace="team")
        request.task_queue.name = QUEUE
        poll = asyncio.ensure_future(server.service.poll_workflow_task_queue(request))
        await server.clock.settle()
        await server.service.delete_namespace(DeleteNamespaceRequest(namespace="team"))
        return (await poll).task_token

    register(server, "team")
    assert server.call(poll_and_delete()) == b""


# ---- retention -----------------------------------------------------------------------------------------


def test_closed_runs_go_when_their_retention_has_passed(tmp_path: Any) -> None:
    with Site(tmp_path / "a.db") as site:
        server = site.server
        register(server, "team", retention=HOUR)
        run_to_its_end(server, "early", "team")
        start_in(server, "team", "open")
        answer_in(server, "team", take_in(server, "team"), start_timer("t", timedelta(days=30)))
        server.advance(HOUR / 2)
        run_to_its_end(server, "late", "team")
        server.advance(HOUR / 2 - timedelta(seconds=1))
        assert count(server, "team") == 3
        server.advance(MINUTE + timedelta(seconds=1))
        assert count(server, "team") == 2
        server.advance(HOUR)
        assert count(server, "team") == 1  # the open one stays
        assert server.store.history(1) == []


def test_without_retention_closed_runs_stay(server: LocalServer) -> None:
    run_to_its_end(server, "w")
    server.advance(timedelta(days=2))
    assert count(server) == 1


def test_a_run_that_was_deleted_for_its_age_can_be_started_again(server: LocalServer) -> None:
    register(server, "team", retention=HOUR)
    run_to_its_end(server, "w", "team")
    server.advance(HOUR + MINUTE)
    run_to_its_end(server, "w", "team")
    assert count(server, "team") == 1


def test_retention_goes_on_after_a_restart(tmp_path: Any) -> None:
    with Site(tmp_path / "a.db") as site:
        register(site.server, "team", retention=HOUR)
        run_to_its_end(site.server, "w", "team")
        server = site.restart(HOUR)
        sweep(server)
        assert count(server, "team") == 0


def test_a_longer_retention_counts_for_what_is_closed_already(server: LocalServer) -> None:
    register(server, "team", retention=HOUR)
    run_to_its_end(server, "w", "team")
    request = UpdateNamespaceRequest(namespace="team")
    request.config.workflow_execution_retention_ttl.FromTimedelta(DAY)
    server.call(server.service.update_namespace(request))
    server.advance(DAY - MINUTE)
    assert count(server, "team") == 1
    server.advance(2 * MINUTE)
    assert count(server, "team") == 0


def test_a_step_deletes_a_bounded_number_of_runs(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    register(server, "team", retention=HOUR)
    for number in range(7):
        run_to_its_end(server, f"w{number}", "team")
    monkeypatch.setattr("tsuzuki.engine._sweeper.RUNS_MAX", 3)
    batches = []
    write = server.store.write

    def counting(batch: Any) -> None:
        batches.append(len(batch.runs_gone))
        write(batch)

    monkeypatch.setattr(server.store, "write", counting)
    server.advance(HOUR + MINUTE)
    assert [each for each in batches if each] == [3, 3, 1]


def test_run_keys_are_never_given_twice(tmp_path: Any) -> None:
    """Else the token of a deleted run's activity could come to fit another run's."""
    with Site(tmp_path / "a.db") as site:
        register(site.server, "team", retention=HOUR)
        run_to_its_end(site.server, "w", "team")
        before = site.server.store.last_run_key
        server = site.restart(HOUR)
        sweep(server)
        assert count(server, "team") == 0
        server = site.restart()
        start_in(server, "team")
        assert server.store.last_run_key == before + 1
