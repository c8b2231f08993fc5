"""The log of a run: batches of lines from its workers, numbered by the run, bounded, beside everything else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import SECOND, Refused
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RecordActivityTaskHeartbeatByIdRequest,
)

from tsuzuki.common.log_frames import LOG_ACTIVITY_ID, LOG_QUERY
from tsuzuki.common.stream_frames import read_frame, write_frame
from tsuzuki.engine import Limits
from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore, StoreFailedError
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import complete_workflow

Lines = RecordActivityTaskHeartbeatByIdRequest


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        running.start_workflow()
        yield running


def lines(*texts: str, workflow_id: str = "w", run_id: str = "", count: Any = None) -> Lines:
    request = Lines(namespace="default", workflow_id=workflow_id, run_id=run_id, activity_id=LOG_ACTIVITY_ID)
    payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(list(texts)).encode())
    frame = write_frame({"lines": len(texts) if count is None else count})
    request.details.payloads.extend([frame, payload])
    return request


def log(server: LocalServer, *texts: str, **fields: Any) -> None:
    server.call(server.service.record_activity_task_heartbeat_by_id(lines(*texts, **fields)))


def query(**facts: Any) -> QueryWorkflowRequest:
    request = QueryWorkflowRequest(namespace="default")
    request.execution.workflow_id = "w"
    request.query.query_type = LOG_QUERY
    request.query.query_args.payloads.append(write_frame(facts))
    return request


def read(answer: QueryWorkflowResponse) -> tuple[list[str], bool]:
    """Each line as `<offset> <text>`, and whether that was all."""
    payloads = answer.query_result.payloads
    page, said = read_frame(payloads), []
    for batch, payload in zip(page["batches"], payloads[1:], strict=True):
        texts = json.loads(payload.data)
        assert batch["lines"] == len(texts)
        said += [f"{offset} {text}" for offset, text in enumerate(texts, batch["first"]) if offset > page["after"]]
    return said, page["closed"]


def logged(server: LocalServer, **facts: Any) -> list[str]:
    return read(server.call(server.service.query_workflow(query(**facts))))[0]


def test_lines_are_numbered_by_the_run_and_history_shows_nothing_of_them(server: LocalServer) -> None:
    before = server.notation()
    log(server, "a", "b")
    log(server, "c")
    assert logged(server) == ["1 a", "2 b", "3 c"]
    assert logged(server, after=1) == ["2 b", "3 c"]
    assert logged(server, last=1) == ["3 c"]
    assert logged(server, last=99) == ["1 a", "2 b", "3 c"]
    assert server.notation() == before


def test_batches_of_several_runs_and_of_one_go_into_one_commit(server: LocalServer) -> None:
    other = server.start_workflow("other")

    async def at_once() -> None:
        send = server.service.record_activity_task_heartbeat_by_id
        await asyncio.gather(send(lines("a")), send(lines("x", workflow_id="other", run_id=other)), send(lines("b")))

    server.call(at_once())
    assert logged(server) == ["1 a", "2 b"]


def test_a_closed_run_takes_its_last_lines_and_its_readers_wait_for_them(server: LocalServer) -> None:
    log(server, "a")
    server.complete_workflow_task(complete_workflow())
    log(server, "b")
    answer = server.call(server.service.query_workflow(query()))
    assert read(answer) == (["1 a", "2 b"], False)
    server.advance(timedelta(seconds=5))
    assert read(server.call(server.service.query_workflow(query()))) == (["1 a", "2 b"], True)
    assert read(server.call(server.service.query_workflow(query(after=2, wait_s=15)))) == ([], True)


def test_lines_that_come_after_the_end_keep_no_run_in_memory(server: LocalServer) -> None:
    server.complete_workflow_task(complete_workflow())
    in_memory = server.service._engine.runs.in_memory
    assert not in_memory
    log(server, "late")
    assert not in_memory
    assert logged(server) == ["1 late"]


def test_a_reader_of_a_closed_run_is_told_of_a_late_line(server: LocalServer) -> None:
    server.complete_workflow_task(complete_workflow())

    async def wait() -> QueryWorkflowResponse:
        reading = asyncio.ensure_future(server.service.query_workflow(query(wait_s=4)))
        for _ in range(10):  # the run, loaded to be looked at, stays in memory as long as somebody waits
            await asyncio.sleep(0)
        assert not reading.done()
        await server.service.record_activity_task_heartbeat_by_id(lines("late"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert reading.done()
        return await reading

    assert read(server.call(wait())) == (["1 late"], False)
    assert not server.service._engine.runs.in_memory


def test_a_reader_of_a_closed_run_who_has_waited_in_vain_keeps_none_in_memory(server: LocalServer) -> None:
    server.complete_workflow_task(complete_workflow())

    async def wait() -> QueryWorkflowResponse:
        reading = asyncio.ensure_future(server.service.query_workflow(query(wait_s=4)))
        await server.clock.advance(timedelta(seconds=5))
        return await reading

    assert read(server.call(wait())) == ([], False)
    assert not server.service._engine.runs.in_memory


def test_a_reader_waits_for_the_next_line(server: LocalServer) -> None:
    async def wait() -> QueryWorkflowResponse:
        reading = asyncio.ensure_future(server.service.query_workflow(query(wait_s=10)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not reading.done()
        await server.service.record_activity_task_heartbeat_by_id(lines("a"))
        return await reading

    assert read(server.call(wait())) == (["1 a"], False)


def test_the_oldest_lines_are_dropped_when_there_are_too_many() -> None:
    with LocalServer(limits=Limits(log_bytes_max=2000)) as server:
        server.start_workflow()
        for number in range(40):
            log(server, f"{number:03}" + "x" * 97)
            kept = logged(server)
            assert kept[-1].startswith(f"{number + 1} {number:03}")
            assert sum(len(line) for line in kept) <= 2000
        assert len(kept) >= 8


@pytest.mark.parametrize(
    "request_", [lines(), lines("a", count=True), lines("a", count="1"), lines(*"a" * 501), lines("x" * 600_000)]
)
def test_what_are_no_lines_is_refused(server: LocalServer, request_: Lines) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "log"):
        server.call(server.service.record_activity_task_heartbeat_by_id(request_))
    assert logged(server) == []


def test_lines_of_no_frame_and_of_no_run_are_refused(server: LocalServer) -> None:
    bare = lines("a")
    del bare.details.payloads[0]
    with Refused(StatusCode.INVALID_ARGUMENT, "lines of a log are a frame"):
        server.call(server.service.record_activity_task_heartbeat_by_id(bare))
    with Refused(StatusCode.NOT_FOUND, "nobody"):
        log(server, "a", workflow_id="nobody")
    with Refused(StatusCode.INVALID_ARGUMENT, "takes one argument"):
        logged(server, last=-1)
    run_id = server.start_workflow("gone")
    request = DeleteWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id = "gone"
    server.call(server.service.delete_workflow_execution(request))
    with Refused(StatusCode.NOT_FOUND, "gone"):
        log(server, "a", workflow_id="gone", run_id=run_id)


@pytest.mark.parametrize("point", [Point.BEFORE_WRITE, Point.AFTER_WRITE, Point.BEFORE_COMMIT])
def test_lines_of_a_failed_commit_are_refused_and_those_after_it_are_numbered_on(point: Point) -> None:
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        server.start_workflow()
        log(server, "a")
        store.faults[Moment(point, store.passed[point] + 1)] = Fault.FAILED
        with Refused(StatusCode.UNAVAILABLE, "Nothing is written"):
            log(server, "lost")
        server.advance(2 * SECOND)
        log(server, "b")
        assert logged(server) == ["1 a", "2 b"]


def test_lines_that_never_came_to_a_transaction_stand_in_nobodys_way(server: LocalServer) -> None:
    async def lose() -> None:
        sending = asyncio.ensure_future(server.service.record_activity_task_heartbeat_by_id(lines("lost")))
        await asyncio.sleep(0)
        server.service._engine.journal.fail(StoreFailedError("the disk is gone"))
        with Refused(StatusCode.UNAVAILABLE, "the disk is gone"):
            await sending

    server.call(lose())
    server.advance(2 * SECOND)
    log(server, "a")
    assert logged(server) == ["1 a"]
