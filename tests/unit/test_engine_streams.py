"""The event stream of a run: batches come with heartbeats, each once and in order, and are there after a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from engine_requests import SECOND, Refused, failure_of
from engine_site import Site
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    PauseWorkflowExecutionRequest,
    PollActivityTaskQueueResponse,
    QueryWorkflowRequest,
    RecordActivityTaskHeartbeatRequest,
    ResetActivityRequest,
)

from tsuzuki.common.stream_frames import STREAM_QUERY, read_frame, write_frame
from tsuzuki.engine import Limits
from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore, StoreFailedError
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import complete_workflow, schedule_activity

Task = PollActivityTaskQueueResponse


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def begin(server: LocalServer) -> Task:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    return server.take_activity()


def publish(server: LocalServer, task: Task, seq: int, text: str, kinds: str = "", *details: bytes) -> None:
    """An event for each letter of a text."""
    frame = write_frame({"attempt": task.attempt, "seq": seq, "kinds": kinds or "d" * len(text)})
    events = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(list(text)).encode())
    request = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
    request.details.payloads.extend([frame, events, *(Payload(data=data) for data in details)])
    server.call(server.service.record_activity_task_heartbeat(request))


def query(server: LocalServer, after: int = 0, wait_s: float = 0, run_id: str = "") -> tuple[dict[str, Any], list[Any]]:
    request = QueryWorkflowRequest(namespace="default")
    request.execution.workflow_id, request.execution.run_id = "w", run_id
    request.query.query_type = STREAM_QUERY
    request.query.query_args.payloads.append(write_frame({"after": after, "wait_s": wait_s}))
    answer: Sequence[Payload] = server.call(server.service.query_workflow(request)).query_result.payloads
    return read_frame(answer), [json.loads(payload.data) if payload.data else None for payload in answer[1:]]


def said(server: LocalServer) -> list[str]:
    """Each batch as `<first offset> <attempt>.<seq> <text>`."""
    page, values = query(server)
    return [
        f"{batch['first']} {batch['attempt']}.{batch['seq']} {''.join(events or ['FULL'])}"
        for batch, events in zip(page["batches"], values, strict=True)
    ]


def test_what_attempts_say_is_numbered_by_the_run(server: LocalServer) -> None:
    first = begin(server)
    publish(server, first, 1, "ab")
    publish(server, first, 3, "c")
    server.fail_activity(first, failure_of())
    server.advance(SECOND)
    publish(server, server.take_activity(), 1, "xyz")
    assert said(server) == ["1 1.1 ab", "3 1.3 c", "4 2.1 xyz"]
    assert server.notation() == "Started | WFT | ActivityScheduled a"


def test_a_batch_that_comes_again_is_acknowledged_and_not_taken_twice(server: LocalServer) -> None:
    task = begin(server)
    publish(server, task, 1, "ab")
    publish(server, task, 1, "ab")
    publish(server, task, 3, "c")
    publish(server, task, 1, "ab")
    assert said(server) == ["1 1.1 ab", "3 1.3 c"]


@pytest.mark.parametrize(("seq", "text"), [(4, "d"), (2, "bc")])
def test_a_batch_that_does_not_follow_is_refused(server: LocalServer, seq: int, text: str) -> None:
    task = begin(server)
    publish(server, task, 1, "ab")
    with Refused(StatusCode.INVALID_ARGUMENT, "where event 3 of attempt 1 belongs"):
        publish(server, task, seq, text)
    assert said(server) == ["1 1.1 ab"]


def test_an_attempt_that_is_over_says_nothing_more(server: LocalServer) -> None:
    first = begin(server)
    publish(server, first, 1, "a")
    server.fail_activity(first, failure_of())
    server.advance(SECOND)
    server.take_activity()
    with Refused(StatusCode.NOT_FOUND, "is over"):
        publish(server, first, 2, "b")
    assert said(server) == ["1 1.1 a"]


def test_the_details_of_heartbeats_stay_what_they_are(server: LocalServer) -> None:
    first = begin(server)
    publish(server, first, 1, "a", "", b"progress")
    server.fail_activity(first, failure_of())
    server.advance(SECOND)
    assert [payload.data for payload in server.take_activity().heartbeat_details.payloads] == [b"progress"]


def test_a_stream_outlives_the_process_and_goes_on(site: Site) -> None:
    task = begin(site.server)
    publish(site.server, task, 1, "ab")
    server = site.restart()
    publish(server, server.take_activity(), 1, "cd", "bd")
    assert said(server) == ["1 1.1 ab", "3 2.1 cd"]
    page, _ = query(server)
    assert [batch["kinds"] for batch in page["batches"]] == ["dd", "bd"]
    assert (page["batches"][0]["activity_id"], page["closed"]) == ("a", False)


def test_an_attempt_whose_number_was_given_before_begins_anew(site: Site) -> None:
    """A reset counts attempts from 1 again; what they say is new, and is not taken for what was said before."""
    publish(site.server, begin(site.server), 1, "abc", "bdd")
    server = site.restart()
    again = server.take_activity()
    publish(server, again, 1, "de", "bd")
    reset = ResetActivityRequest(namespace="default", id="a")
    reset.execution.workflow_id = "w"
    server.fail_activity(again, failure_of())
    server.call(server.service.reset_activity(reset))
    first = server.take_activity()
    publish(server, first, 1, "xyzw", "bddd")
    publish(server, first, 1, "xyzw", "bddd")  # its answer was lost
    server.fail_activity(first, failure_of())
    server.call(server.service.reset_activity(reset))
    publish(server, server.take_activity(), 1, "uv", "bd")
    assert said(server) == ["1 1.1 abc", "4 2.1 de", "6 1.1 xyzw", "10 1.1 uv"]


def test_the_stream_of_a_paused_run_is_read(server: LocalServer) -> None:
    task = begin(server)
    pause = PauseWorkflowExecutionRequest(namespace="default", workflow_id="w")
    server.call(server.service.pause_workflow_execution(pause))
    publish(server, task, 1, "a")
    assert said(server) == ["1 1.1 a"]
    assert not query(server)[0]["closed"]


def test_a_disk_that_cannot_be_read_once_harms_nothing(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    task = begin(server)

    def broken(*_: object) -> None:
        raise StoreFailedError("the disk is away")

    with monkeypatch.context() as patched:
        for read in ("stream", "stream_ends"):
            patched.setattr(SqliteStore, read, broken)
        with Refused(StatusCode.UNAVAILABLE, "the disk is away"):
            publish(server, task, 1, "a")
        with Refused(StatusCode.UNAVAILABLE, "the disk is away"):
            query(server)
    publish(server, task, 1, "a")
    assert said(server) == ["1 1.1 a"]


def test_a_reader_goes_on_where_it_stopped_and_waits(server: LocalServer) -> None:
    task = begin(server)
    publish(server, task, 1, "abc")
    page, values = query(server, after=2)
    assert (page["batches"][0]["first"], values) == (1, [["a", "b", "c"]])  # the batch that the third is in
    assert query(server, after=3) == ({"closed": False, "batches": []}, [])
    publish(server, task, 4, "d")
    assert query(server, after=3, wait_s=20)[1] == [["d"]]
    server.complete_activity(task)
    server.complete_workflow_task(complete_workflow())
    assert query(server, after=4, wait_s=20) == ({"closed": True, "batches": []}, [])
    assert query(server)[0]["closed"]


def test_a_long_stream_is_read_in_pages(server: LocalServer) -> None:
    task = begin(server)
    for seq in range(1, 302):
        publish(server, task, seq, "x")
    server.complete_activity(task)
    server.complete_workflow_task(complete_workflow())
    read, after, pages = 0, 0, 0
    while True:
        page, values = query(server, after)
        read += len(values)
        pages += 1
        if page["closed"]:
            break
        after = page["batches"][-1]["first"]
    assert (read, pages) == (301, 2)


@pytest.mark.parametrize("limits", [Limits(stream_events_max=3), Limits(stream_bytes_max=100)])
def test_a_full_stream_refuses_and_says_so_and_the_activity_goes_on(limits: Limits, tmp_path: Path) -> None:
    with Site(tmp_path / "s.db") as site:
        server = site.restart(limits=limits)
        task = begin(server)
        publish(server, task, 1, "abc")
        for _ in range(2):
            with Refused(StatusCode.FAILED_PRECONDITION, "is full"):
                publish(server, task, 4, "d" * 100)
        assert said(server) == ["1 1.1 abc", "4 0.1 FULL"]
        server = site.restart(limits=limits)
        with Refused(StatusCode.FAILED_PRECONDITION, "is full"):
            publish(server, server.take_activity(), 1, "d")
        assert said(server) == ["1 1.1 abc", "4 0.1 FULL"]


def test_a_stream_is_deleted_with_its_run(site: Site) -> None:
    publish(site.server, begin(site.server), 1, "a")
    request = DeleteWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id = "w"
    site.server.call(site.server.service.delete_workflow_execution(request))
    with Refused(StatusCode.NOT_FOUND, "w"):
        query(site.server)
    site.server.start_workflow()
    assert said(site.server) == []


@pytest.mark.parametrize(
    "frame",
    [
        {"seq": 0, "kinds": "d"},
        {"seq": 1, "kinds": ""},
        {"seq": 1, "kinds": "f"},
        {"seq": 1, "kinds": "d" * 1001},
        {"seq": True, "kinds": "d"},
        {"seq": 1 << 60, "kinds": "d"},
        {"kinds": "d"},
        {"seq": 1},
        [],
        None,
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(server: LocalServer, frame: Any) -> None:
    task = begin(server)
    request = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
    request.details.payloads.extend([write_frame(frame), Payload(data=b"[1]")])
    if frame is None:
        request.details.payloads[0].data = b"{"
    with Refused(StatusCode.INVALID_ARGUMENT, "frame"):
        server.call(server.service.record_activity_task_heartbeat(request))


def test_a_frame_without_events_is_refused(server: LocalServer) -> None:
    task = begin(server)
    request = RecordActivityTaskHeartbeatRequest(
        task_token=task.task_token, details=Payloads(payloads=[write_frame({"seq": 1, "kinds": "d"})])
    )
    with Refused(StatusCode.INVALID_ARGUMENT, "followed by its events"):
        server.call(server.service.record_activity_task_heartbeat(request))


@pytest.mark.parametrize(
    "args", [b"[]", b"{", b'{"after": -1}', b'{"after": "1"}', b'{"wait_s": "x"}', b'{"wait_s": -1}']
)
def test_a_question_for_a_stream_that_makes_no_sense_is_refused(server: LocalServer, args: bytes) -> None:
    server.start_workflow()
    request = QueryWorkflowRequest(namespace="default")
    request.execution.workflow_id = "w"
    request.query.query_type = STREAM_QUERY
    request.query.query_args.payloads.add().data = args
    with Refused(StatusCode.INVALID_ARGUMENT, "takes one argument"):
        server.call(server.service.query_workflow(request))


def _waits(server: LocalServer, after: int) -> asyncio.Task[Any]:
    """A reader who waits for an event."""
    request = QueryWorkflowRequest(namespace="default")
    request.execution.workflow_id, request.query.query_type = "w", STREAM_QUERY
    request.query.query_args.payloads.append(write_frame({"after": after, "wait_s": 20}))
    reading = server._loop.create_task(server.service.query_workflow(request))
    server.call(server.clock.settle())
    assert not reading.done()
    return reading


def test_a_reader_who_goes_away_is_forgotten(server: LocalServer) -> None:
    publish(server, begin(server), 1, "a")
    run = server.service._engine.runs.find("default", "w", "")
    assert run is not None
    reading = _waits(server, 1)
    assert len(run.waiters) == 1
    reading.cancel()
    server.call(server.clock.settle())
    assert not run.waiters


def test_a_page_is_bounded_in_bytes_and_one_that_is_not_the_last_does_not_end_the_stream(server: LocalServer) -> None:
    task = begin(server)
    for seq in (1, 2):
        request = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
        request.details.payloads.append(write_frame({"seq": seq, "kinds": "d"}))
        request.details.payloads.add().data = json.dumps(["x" * 700_000]).encode()
        server.call(server.service.record_activity_task_heartbeat(request))
    server.complete_activity(task)
    server.complete_workflow_task(complete_workflow())
    assert [(page["closed"], len(values)) for page, values in (query(server), query(server, after=1))] == [
        (False, 1),
        (True, 1),
    ]


def test_a_reader_waits_on_through_a_failed_commit() -> None:
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        task = begin(server)
        publish(server, task, 1, "a")
        store.faults[Moment(Point.BEFORE_COMMIT, store.passed[Point.BEFORE_COMMIT] + 1)] = Fault.FAILED
        with Refused(StatusCode.UNAVAILABLE, "Nothing is written"):
            publish(server, task, 2, "b")
        reading = _waits(server, 1)
        server.advance(2 * SECOND)  # until the store takes writes again
        publish(server, task, 2, "b")
        server.call(server.clock.settle())
        assert reading.done(), "it waits for a run that is not in memory any more"


@pytest.mark.parametrize("point", [Point.BEFORE_WRITE, Point.AFTER_WRITE, Point.BEFORE_COMMIT, Point.AFTER_COMMIT])
@pytest.mark.parametrize("which", [0, 1])
def test_a_batch_whose_answer_was_lost_is_there_once_when_it_is_sent_again(point: Point, which: int) -> None:
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        task = begin(server)
        batches = [(1, "ab", "bd"), (3, "cd", "dd"), (5, "e", "e")]
        for number, (seq, text, kinds) in enumerate(batches):
            if number == which:
                store.faults[Moment(point, store.passed[point] + 1)] = Fault.FAILED
                with Refused(StatusCode.UNAVAILABLE, "Nothing is written"):
                    publish(server, task, seq, text, kinds)
                server.advance(2 * SECOND)  # until the store takes writes again
            publish(server, task, seq, text, kinds)
        assert said(server) == ["1 1.1 ab", "3 1.3 cd", "5 1.5 e"]
