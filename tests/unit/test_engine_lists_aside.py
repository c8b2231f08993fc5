"""Lists and counts that take long: found in another thread, while the engine goes on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from engine_requests import Refused
from engine_site import Site
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    ListWorkflowExecutionsRequest,
    StartWorkflowExecutionRequest,
)

from tsuzuki.engine import _lists_aside
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import _reads
from tsuzuki.store._aside import ListsAside
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "a.db")


@pytest.fixture(autouse=True)
def everything_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reads, "BRIEF_STEPS_MAX", 1)


class Slow:
    """Every query of the other thread waits until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on, self.began = threading.Event(), threading.Event()
        inner = ListsAside._bounded

        def bounded(lists: ListsAside, *arguments: Any) -> list[Any]:
            self.began.set()
            assert self.go_on.wait(60)
            return inner(lists, *arguments)

        monkeypatch.setattr(ListsAside, "_bounded", bounded)


def count(server: LocalServer, query: str = "") -> asyncio.Future[Any]:
    request = CountWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    return asyncio.ensure_future(server.service.count_workflow_executions(request), loop=server._loop)


def test_the_engine_goes_on_meanwhile(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start, a poll and an answer are done while a count waits in its thread."""
    slow = Slow(monkeypatch)
    with site:
        server = site.server
        server.start_workflow("a")
        counting = count(server)
        server.call(asyncio.sleep(0))
        assert slow.began.wait(60)
        server.start_workflow("b")
        server.complete_workflow_task()
        assert not counting.done()
        slow.go_on.set()
        assert server._loop.run_until_complete(counting).count == 2, "it looks when its turn comes"


def test_lists_and_counts_see_what_was_acknowledged(site: Site) -> None:
    """Invariant 11, from the other thread."""
    with site:
        server = site.server
        for number in range(30):
            server.start_workflow(f"w{number}")
            assert server.call(_counted(server, "")) == number + 1
        server.terminate("w3")
        listed = server.call(
            server.service.list_workflow_executions(
                ListWorkflowExecutionsRequest(namespace=NAMESPACE, query="ExecutionStatus = 'Terminated'")
            )
        )
        assert [info.execution.workflow_id for info in listed.executions] == ["w3"]
        assert server.call(_counted(server, "ExecutionStatus = 'Running' GROUP BY ExecutionStatus")) == 29


async def _counted(server: LocalServer, query: str) -> int:
    request = CountWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    return (await server.service.count_workflow_executions(request)).count


def test_what_an_index_answers_pays_no_thread(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reads, "BRIEF_STEPS_MAX", 100_000)

    def never(lists: ListsAside, *arguments: Any) -> list[Any]:
        raise AssertionError("another thread was asked")

    monkeypatch.setattr(ListsAside, "_bounded", never)
    with site:
        site.server.start_workflow("a")
        assert site.server.call(_counted(site.server, "WorkflowId = 'a'")) == 1


def test_only_so_many_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 41."""
    slow = Slow(monkeypatch)
    monkeypatch.setattr(_lists_aside, "WAITING_MAX", 2)
    with site:
        waiting = [count(site.server), count(site.server)]
        site.server.call(asyncio.sleep(0))
        with Refused(StatusCode.RESOURCE_EXHAUSTED, "wait already"):
            site.server.call(_counted(site.server, ""))
        slow.go_on.set()
        assert [answer.count for answer in site.server._loop.run_until_complete(asyncio.gather(*waiting))] == [0, 0]


def test_one_that_takes_too_long_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reads, "LISTING_STEPS_MAX", 10)
    with site:
        for number in range(30):
            site.server.start_workflow(f"w{number}")
        with Refused(StatusCode.RESOURCE_EXHAUSTED, "given up after 10 steps"):
            site.server.call(_counted(site.server, "WorkflowType != 'x'"))


def test_closing_breaks_off_what_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    with site:
        counting = count(site.server)
        site.server.call(asyncio.sleep(0))
        assert slow.began.wait(60)
        aside = site.server.store.aside()
        assert isinstance(aside, ListsAside)
        aside.close()
        slow.go_on.set()
        with pytest.raises(ServiceError, match="was closed or reopened"):
            site.server._loop.run_until_complete(counting)


def test_many_starts_and_lists_at_once(site: Site) -> None:
    """Each list sees at least what was acknowledged before it was asked for."""

    async def one(server: LocalServer, number: int) -> None:
        request = StartWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id=f"w{number}", request_id="r")
        request.workflow_type.name, request.task_queue.name = "W", "q"
        await server.service.start_workflow_execution(request)
        assert await _counted(server, f"WorkflowId = 'w{number}' AND WorkflowType != 'x'") == 1

    async def all_of_them(server: LocalServer) -> None:
        await asyncio.gather(*(one(server, number) for number in range(15)))

    with site:
        site.server.call(all_of_them(site.server))
