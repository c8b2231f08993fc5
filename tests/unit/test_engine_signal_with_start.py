"""Signal-with-start: the open run gets the signal, or a new one starts with it; never the run without the signal."""

from __future__ import annotations

from typing import Any

import pytest
from engine_requests import MINUTE, Refused, duration, payloads_of
from engine_site import Site
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, QUEUE, complete_workflow

TERMINATE = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
REJECT = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE


def signal_with_start(server: LocalServer, **fields: Any) -> tuple[str, bool]:
    request = SignalWithStartWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id="w", signal_name="s")
    request.workflow_type.name = "Workflow"
    request.task_queue.name = QUEUE
    request.MergeFrom(SignalWithStartWorkflowExecutionRequest(**fields))
    response = server.call(server.service.signal_with_start_workflow_execution(request))
    return response.run_id, response.started


def test_a_new_run_begins_with_the_signal(server: LocalServer) -> None:
    """Invariant 23."""
    _, started = signal_with_start(server, input=payloads_of(1000), signal_input=payloads_of(2000), identity="me")
    assert started
    assert server.notation() == "Started | Signaled s | WorkflowTaskScheduled"
    first, second, _ = server.history()
    assert first.workflow_execution_started_event_attributes.input.ByteSize() == 1000
    signaled = second.workflow_execution_signaled_event_attributes
    assert (signaled.input.ByteSize(), signaled.identity) == (2000, "me")


def test_the_open_run_gets_the_signal(server: LocalServer) -> None:
    run_id, _ = signal_with_start(server)
    server.complete_workflow_task()
    assert signal_with_start(server) == (run_id, False)
    assert server.notation() == "Started | Signaled s | WFT | Signaled s | WorkflowTaskScheduled"


def test_the_same_request_counts_once(site: Site) -> None:
    """Invariants 4, 22."""
    server = site.server
    run_id, _ = signal_with_start(server, request_id="first")
    assert signal_with_start(server, request_id="first") == (run_id, False)
    assert signal_with_start(server, request_id="second") == (run_id, False)
    assert signal_with_start(server, request_id="second") == (run_id, False)
    expected = "Started | Signaled s | WorkflowTaskScheduled | Signaled s"
    assert server.notation() == expected
    server = site.restart()
    assert signal_with_start(server, request_id="first") == (run_id, False)
    assert signal_with_start(server, request_id="second") == (run_id, False)
    assert server.notation() == expected


def test_it_cuts_the_start_delay_of_an_open_run_short_but_not_its_own(server: LocalServer) -> None:
    """Invariant 33."""
    signal_with_start(server, workflow_start_delay=duration(MINUTE))
    assert server.notation() == "Started | Signaled s"
    server.signal("plain")
    assert server.notation() == "Started | Signaled s | Signaled plain"
    signal_with_start(server, workflow_start_delay=duration(MINUTE))
    assert server.notation().endswith("Signaled plain | Signaled s | WorkflowTaskScheduled")
    server.complete_workflow_task()
    server.advance(2 * MINUTE)
    assert server.notation().endswith("| WFT")


def test_policies(server: LocalServer) -> None:
    first, _ = signal_with_start(server)
    second, started = signal_with_start(server, workflow_id_conflict_policy=TERMINATE)
    assert started
    assert server.notation(run_id=first).endswith("Terminated")
    assert server.notation(run_id=second) == "Started | Signaled s | WorkflowTaskScheduled"
    server.complete_workflow_task(complete_workflow())
    with Refused(StatusCode.ALREADY_EXISTS, "was used before"):
        signal_with_start(server, workflow_id_reuse_policy=REJECT)
    third, started = signal_with_start(server)
    assert started
    assert third != second


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"signal_name": "s" * 1001}, "the signal name has 1001 characters"),
        ({"signal_input": payloads_of(3_000_000)}, "the input of signal 's' has 3,000,000 bytes"),
        ({"workflow_id_conflict_policy": 1}, "CONFLICT_POLICY_FAIL makes no sense"),
        ({"workflow_id_conflict_policy": TERMINATE, "workflow_id_reuse_policy": REJECT}, "cannot be combined"),
    ],
)
def test_what_is_refused_starts_nothing(server: LocalServer, fields: dict[str, Any], message: str) -> None:
    """Invariant 23."""
    with Refused(StatusCode.INVALID_ARGUMENT, message):
        signal_with_start(server, **fields)
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'w'"):
        server.history()
