"""Listing and counting: pages, limits, and what a row says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from answering_service import AnsweringService
from temporalio.api.common.v1 import Payload
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsResponse, ListWorkflowExecutionsResponse

from tsuzuki.client import Client, WorkflowExecutionStatus


def page(*ids: str, token: bytes = b"") -> ListWorkflowExecutionsResponse:
    answer = ListWorkflowExecutionsResponse(next_page_token=token)
    for workflow_id in ids:
        answer.executions.add().execution.workflow_id = workflow_id
    return answer


@pytest.mark.parametrize(
    ("limit", "listed", "asked"),
    [
        (None, ["a", "b", "c", "d", "e"], [2, 2, 2]),
        (3, ["a", "b", "c"], [2, 1]),
        (2, ["a", "b"], [2]),
        (1, ["a"], [1]),
        (0, [], []),
        (9, ["a", "b", "c", "d", "e"], [2, 2, 2]),
    ],
)
async def test_pages_follow_each_other_up_to_the_limit(limit: int | None, listed: list[str], asked: list[int]) -> None:
    service = AnsweringService(page("a", "b", token=b"1"), page("c", "d", token=b"2"), page("e"))
    client = Client(service.service)

    found = [run.id async for run in client.list_workflows("WorkflowType='X'", page_size=2, limit=limit)]

    assert found == listed
    assert [request.page_size for request in service.requests] == asked
    assert [request.next_page_token for request in service.requests] == [b"", b"1", b"2"][: len(asked)]
    assert all(request.query == "WorkflowType='X'" for request in service.requests)


async def test_an_empty_page_does_not_end_the_list() -> None:
    service = AnsweringService(page(token=b"1"), page("a"))
    assert [run.id async for run in Client(service.service).list_workflows()] == ["a"]


async def test_a_row_says_what_the_engine_said() -> None:
    info = WorkflowExecutionInfo(status=2, history_length=11, task_queue="q")  # type: ignore[arg-type]
    info.execution.workflow_id, info.execution.run_id = "w", "r"
    info.type.name = "Research"
    info.parent_execution.workflow_id = "parent"
    info.start_time.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    info.close_time.FromDatetime(datetime(2026, 1, 3, tzinfo=UTC))
    for name, kind, data in [
        ("Topic", b"Keyword", b'"x"'),
        ("Old", b"Keyword", b'["x"]'),
        ("Tags", b"KeywordList", b'["x"]'),
        ("At", b"Datetime", b'"2026-01-02T00:00:00Z"'),
        ("Score", b"Double", b"3"),
        ("Count", b"Int", b"3"),
    ]:
        info.search_attributes.indexed_fields[name].CopyFrom(
            Payload(metadata={"encoding": b"json/plain", "type": kind}, data=data)
        )
    service = AnsweringService(ListWorkflowExecutionsResponse(executions=[info]))

    (run,) = [run async for run in Client(service.service).list_workflows()]

    assert (run.id, run.run_id, run.workflow_type, run.task_queue) == ("w", "r", "Research", "q")
    assert run.status is WorkflowExecutionStatus.COMPLETED
    assert run.history_length == 11
    assert (run.parent_id, run.parent_run_id, run.root_id) == ("parent", None, None)
    assert run.start_time == datetime(2026, 1, 2, tzinfo=UTC)
    assert run.close_time == datetime(2026, 1, 3, tzinfo=UTC)
    assert run.execution_time is None
    assert run.search_attributes == {
        "Topic": "x",
        "Old": "x",
        "Tags": ["x"],
        "At": datetime(2026, 1, 2, tzinfo=UTC),
        "Score": 3.0,
        "Count": 3,
    }
    assert type(run.search_attributes["Score"]) is float
    assert repr(run) == "<WorkflowExecution Research 'w' COMPLETED run r>"


async def test_memo_and_search_attributes_are_in_the_order_of_their_names() -> None:
    names = list("abcdefghijkl")
    info = WorkflowExecutionInfo()
    for name in names:
        value = Payload(metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=b'"x"')
        info.search_attributes.indexed_fields[name].CopyFrom(value)
        info.memo.fields[name].CopyFrom(value)
    service = AnsweringService(ListWorkflowExecutionsResponse(executions=[info]))

    (run,) = [run async for run in Client(service.service).list_workflows()]

    assert list(run.search_attributes) == list(await run.memo()) == names


async def test_a_count_has_its_groups() -> None:
    answer = CountWorkflowExecutionsResponse(count=5)
    for status, count in (("Running", 2), ("Failed", 3)):
        group = answer.groups.add(count=count)
        group.group_values.append(
            Payload(metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=f'"{status}"'.encode())
        )
    service = AnsweringService(answer)

    counted = await Client(service.service).count_workflows("GROUP BY ExecutionStatus")

    assert counted.count == 5
    assert [(group.count, group.group_values) for group in counted.groups] == [
        (2, ["Running"]),
        (3, ["Failed"]),
    ]
