"""Signals: each acknowledged one is in the history of its run exactly once, in order, where the workflow can see it."""

from __future__ import annotations

import pytest
from engine_requests import HOUR, MIB, Refused, duration, payloads_of
from engine_site import Site
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest

from tsuzuki.engine import Limits
from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow, fail_workflow


def test_signals_are_recorded_in_their_order(server: LocalServer) -> None:
    """Invariant 21."""
    server.start_workflow()
    server.complete_workflow_task()
    for name in "abc":
        server.signal(name)
    assert server.notation() == ("Started | WFT | Signaled a | WorkflowTaskScheduled | Signaled b | Signaled c")


def test_signals_during_a_workflow_task_follow_its_end_in_order_of_arrival(server: LocalServer) -> None:
    """Invariant 17."""
    server.start_workflow()
    task = server.take_workflow_task()
    for name in "abc":
        server.signal(name)
    assert server.notation() == "Started | WorkflowTaskScheduled | WorkflowTaskStarted"
    server.answer_workflow_task(task)
    assert server.notation() == "Started | WFT | Signaled a | Signaled b | Signaled c | WorkflowTaskScheduled"


def test_signals_during_a_workflow_task_follow_its_timeout(server: LocalServer) -> None:
    """Invariant 17."""
    server.start_workflow()
    server.take_workflow_task()
    server.signal("a")
    server.advance(HOUR)
    assert server.notation().endswith("WorkflowTaskTimedOut START_TO_CLOSE | Signaled a | WorkflowTaskScheduled")


def test_a_request_id_counts_once(server: LocalServer) -> None:
    """Invariants 2, 4, 22."""
    server.start_workflow()
    server.signal("s", request_id="r")
    server.signal("s", request_id="r")
    task = server.take_workflow_task()
    server.signal("during", request_id="q")
    server.signal("during", request_id="q")
    server.answer_workflow_task(task)
    server.signal("during", request_id="q")
    assert server.notation().count("Signaled s") == 1
    assert server.notation().count("Signaled during") == 1
    signaled = server.history()[2].workflow_execution_signaled_event_attributes
    assert signaled.request_id == "r"


def test_without_a_request_id_each_signal_counts(server: LocalServer) -> None:
    server.start_workflow()
    server.signal("s")
    server.signal("s")
    assert server.notation().count("Signaled s") == 2


def test_a_request_id_counts_once_across_processes(site: Site) -> None:
    """Invariants 2, 4."""
    site.server.start_workflow()
    site.server.signal("s", request_id="r")
    server = site.restart()
    server.signal("s", request_id="r")
    assert server.notation().count("Signaled s") == 1


def test_a_request_id_of_a_closed_run_is_answered_as_before(server: LocalServer) -> None:
    """Invariant 4: sending again is safe, whatever happened since."""
    server.start_workflow()
    server.signal("s", request_id="r")
    server.complete_workflow_task(complete_workflow())
    server.signal("s", request_id="r")
    with Refused(StatusCode.NOT_FOUND, "workflow 'w' has no open run"):
        server.signal("s", request_id="another")


def test_signals_that_waited_when_the_process_ended_are_there(site: Site) -> None:
    """Invariants 2, 17."""
    site.server.start_workflow()
    site.server.take_workflow_task()
    site.server.signal("a")
    site.server.signal("b")
    server = site.restart()
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE"
        " | Signaled a | Signaled b | WorkflowTaskScheduled"
    )
    server.complete_workflow_task(complete_workflow())


def test_an_unknown_workflow_takes_no_signal(server: LocalServer) -> None:
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'nobody' in this store"):
        server.signal("s", "nobody")


def test_a_signal_during_a_start_delay_waits_with_the_workflow(server: LocalServer) -> None:
    """Invariant 33: it does not cut the delay short."""
    server.start_workflow(workflow_start_delay=duration(HOUR))
    server.signal("a")
    server.signal("b")
    assert server.poll_workflow_task() is None
    assert server.notation() == "Started | Signaled a | Signaled b"
    server.advance(HOUR)
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | Signaled a | Signaled b | WFT | Completed"


def test_a_signal_reaches_the_newest_run(server: LocalServer) -> None:
    first = server.start_workflow()
    server.complete_workflow_task(fail_workflow())
    second = server.start_workflow()
    server.signal("s")
    assert "Signaled" not in server.notation("w", first)
    assert "Signaled s" in server.notation("w", second)


def test_a_signal_with_a_run_id_reaches_that_run_only(server: LocalServer) -> None:
    first = server.start_workflow()
    server.complete_workflow_task(fail_workflow())
    server.start_workflow()
    request = SignalWorkflowExecutionRequest(namespace=NAMESPACE, signal_name="s")
    request.workflow_execution.workflow_id = "w"
    request.workflow_execution.run_id = first
    with Refused(StatusCode.NOT_FOUND, f"run {first} is closed"):
        server.call(server.service.signal_workflow_execution(request))


@pytest.mark.parametrize(("size", "fits"), [(2 * MIB - 1, True), (2 * MIB, True), (2 * MIB + 1, False)])
def test_the_input_of_a_signal_is_bounded(server: LocalServer, size: int, fits: bool) -> None:
    """Invariant 41."""
    server.start_workflow()
    request = SignalWorkflowExecutionRequest(namespace=NAMESPACE, signal_name="big", input=payloads_of(size))
    request.workflow_execution.workflow_id = "w"
    if fits:
        server.call(server.service.signal_workflow_execution(request))
    else:
        with Refused(StatusCode.INVALID_ARGUMENT, "input of signal 'big' has 2,097,153 bytes, the limit is 2,097,152"):
            server.call(server.service.signal_workflow_execution(request))
    assert ("Signaled big" in server.notation()) is fits


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_workflow_task_ends_when_too_much_waits_for_it(site: Site, count: int) -> None:
    """Invariants 17, 41: at most so many events wait; the signals are taken and the task is done anew."""
    server = site.restart(limits=Limits(buffered_events_max=3))
    server.start_workflow()
    task = server.take_workflow_task()
    for number in range(count):
        server.signal(str(number))
    if count <= 3:
        server.answer_workflow_task(task)
        assert server.notation().startswith("Started | WFT | Signaled 0 | Signaled 1")
        return
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed FORCE_CLOSE_COMMAND"
        " | Signaled 0 | Signaled 1 | Signaled 2 | WorkflowTaskScheduled | Signaled 3"
    )
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(task)


def test_a_workflow_task_ends_when_too_many_bytes_wait_for_it(site: Site) -> None:
    """Invariants 17, 41."""
    server = site.restart(limits=Limits(buffered_bytes_max=1000))
    server.start_workflow()
    server.take_workflow_task()
    server.signal("a" * 500)
    server.signal("b" * 500)
    assert "WorkflowTaskFailed" not in server.notation()
    server.signal("c")
    assert server.notation().endswith(f"Signaled {'b' * 500} | WorkflowTaskScheduled | Signaled c")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_run_takes_a_limited_number_of_signals(site: Site, count: int) -> None:
    """Invariant 41."""
    server = site.restart(limits=Limits(signals_max=3))
    server.start_workflow()
    for number in range(min(count, 3)):
        server.signal(str(number))
    if count > 3:
        with Refused(StatusCode.INVALID_ARGUMENT, "has 3 signals, which is the limit; continue as new"):
            server.signal("more")
    assert server.notation().count("Signaled") == min(count, 3)
