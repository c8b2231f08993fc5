"""The HTTP/JSON API: every RPC with a rule, by path, query string and body; payloads in shorthand; refusals."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from server._http import START, in_process_with_http
from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.server import HttpOptions, HttpServer
from tsuzuki.server._rpcs import RPCS
from tsuzuki.server.http._bindings import BINDINGS, DECLARED, Routes
from tsuzuki.server.http._field_text import find_field
from tsuzuki.worker import Worker

WORKFLOWS = "/api/v1/namespaces/default/workflows"


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with in_process_with_http() as (_, client):
        yield client


async def start(http: httpx.AsyncClient, workflow_id: str, **more: Any) -> dict[str, Any]:
    answer = await http.post(f"{WORKFLOWS}/{workflow_id}", json={**START, **more})
    assert answer.status_code == 200, answer.text
    started: dict[str, Any] = answer.json()
    return started


async def first_event(http: httpx.AsyncClient, workflow_id: str, accept: str = "application/json") -> dict[str, Any]:
    answer = await http.get(f"/api/v1/workflows/{workflow_id}/history", headers={"accept": accept})
    events: list[dict[str, Any]] = answer.json()["history"]["events"]
    attributes: dict[str, Any] = events[0]["workflowExecutionStartedEventAttributes"]
    return attributes


def test_every_rule_of_the_descriptors_is_bound() -> None:
    with_rule = {binding.rpc.name for binding in DECLARED}
    without = {rpc.name for rpc in RPCS.values()} - with_rule
    assert len(with_rule) > 80
    assert {"PollWorkflowTaskQueue", "RespondWorkflowTaskCompleted", "ExecuteMultiOperation"} <= without
    for binding in BINDINGS:
        descriptor = binding.rpc.request.DESCRIPTOR
        for path in [*binding.variables, *([] if binding.body in ("", "*") else [binding.body])]:
            assert find_field(descriptor, path), f"{binding.template}: {path} is no field of {binding.rpc.name}"


def test_each_template_finds_its_own_binding() -> None:
    routes = Routes()
    for binding in BINDINGS:
        path = binding.template.replace("{", "").replace("}", "")
        found = routes.find(binding.verb, path)
        assert found is not None
        assert found[0].rpc == binding.rpc
        assert found[1] == {name: name for name in binding.variables}


async def test_nothing_changes_by_get() -> None:
    changing = ("Start", "Signal", "Terminate", "Reset", "Create", "Delete", "Update", "Respond", "Record", "Request")
    assert [b.template for b in BINDINGS if b.verb == "GET" and b.rpc.name.startswith(changing)] == []


async def test_start_and_describe(http: httpx.AsyncClient) -> None:
    started = await start(http, "w", input=["hello", {"a": 1}])
    described = (await http.get(f"{WORKFLOWS}/w")).json()
    assert described["workflowExecutionInfo"]["execution"] == {"workflowId": "w", "runId": started["runId"]}
    assert described == (await http.get("/api/v1/workflows/w/describe")).json()
    assert described == (await http.get("/namespaces/default/workflows/w")).json()


@pytest.mark.parametrize("workflow_id", ["a/b", "ä ö?#&", "signal", "..%2f", "日本"])
async def test_any_workflow_id_fits_into_a_path(http: httpx.AsyncClient, workflow_id: str) -> None:
    from urllib.parse import quote

    path = f"{WORKFLOWS}/{quote(workflow_id, safe='')}"
    assert (await http.post(path, json=START)).status_code == 200
    described = (await http.get(path)).json()
    assert described["workflowExecutionInfo"]["execution"]["workflowId"] == workflow_id


async def test_the_chapters_signal(http: httpx.AsyncClient) -> None:
    await start(http, "w")
    answer = await http.post("/api/v1/workflows/w/signal", json={"signal_name": "pause"})
    assert (answer.status_code, list(answer.json())) == (200, ["link"])
    events = (await http.get("/api/v1/workflows/w/history")).json()["history"]["events"]
    assert events[-1]["workflowExecutionSignaledEventAttributes"] == {"signalName": "pause"}


async def test_a_workflow_is_paused_and_goes_on(http: httpx.AsyncClient) -> None:
    await start(http, "w")
    assert (await http.post(f"{WORKFLOWS}/w/pause", json={"reason": "look first", "requestId": "1"})).status_code == 200
    described = (await http.get(f"{WORKFLOWS}/w")).json()
    assert described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_PAUSED"
    assert described["workflowExtendedInfo"]["pauseInfo"]["reason"] == "look first"
    again = await http.post(f"{WORKFLOWS}/w/pause", json={"requestId": "2"})
    assert (again.status_code, again.json()["code"]) == (400, 9)
    assert (await http.post(f"{WORKFLOWS}/w/unpause", json={})).status_code == 200
    missing = await http.post("/api/v1/workflows/w/activities/nobody/pause", json={})
    assert (missing.status_code, missing.json()["code"]) == (404, 5)


@pytest.mark.parametrize(
    ("shown", "encoding", "data"),
    [
        ("hello", "json/plain", b'"hello"'),
        ({"b": [1, None], "a": "é"}, "json/plain", '{"a":"é","b":[1,null]}'.encode()),
        ({"metadata": {"encoding": "plain"}}, "json/plain", b'{"metadata":{"encoding":"plain"}}'),
        ({"_protoMessageType": "x.Y", "name": "n"}, "json/protobuf", b'{"name":"n"}'),
        ({"metadata": {"encoding": "YmluYXJ5L3BsYWlu"}, "data": "AQI="}, "binary/plain", b"\x01\x02"),
        ({"metadata": {"encoding": "YmluYXJ5L251bGw="}}, "binary/null", b""),
        # No JSON after all. The real server's answer breaks off there.
        ({"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "e2JhZA=="}, "json/plain", b"{bad"),
        (12345678901234567890, "json/plain", b"12345678901234567890"),
    ],
    ids=str,
)
async def test_payloads_in_shorthand(http: httpx.AsyncClient, shown: Any, encoding: str, data: bytes) -> None:
    await start(http, "w", input=[shown], memo={"fields": {"k": shown}})
    event = await first_event(http, "w")
    everything_short = encoding != "binary/plain" and data != b"{bad"
    assert event["input"] == ([shown] if everything_short else {"payloads": [shown]})
    assert event["memo"] == {"fields": {"k": shown}}
    written_out = await first_event(http, "w", "application/json+no-payload-shorthand")
    (payload,) = written_out["input"]["payloads"]
    assert base64.b64decode(payload["metadata"]["encoding"]).decode() == encoding
    assert base64.b64decode(payload.get("data", "")) == data


async def test_without_shorthand_a_body_is_plain_protobuf_json(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json+no-payload-shorthand"}
    payload = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}
    body = json.dumps({**START, "input": {"payloads": [payload]}})
    assert (await http.post(f"{WORKFLOWS}/w", content=body, headers=headers)).status_code == 200
    assert (await first_event(http, "w"))["input"] == [1]
    refused = await http.post(f"{WORKFLOWS}/v", content=json.dumps({**START, "input": [1]}), headers=headers)
    assert refused.status_code == 400


async def test_query_strings(http: httpx.AsyncClient) -> None:
    started = await start(http, "w")
    page = (await http.get(f"{WORKFLOWS}/w/history?maximumPageSize=1&execution.runId={started['runId']}")).json()
    assert [event["eventId"] for event in page["history"]["events"]] == ["1"]
    rest = await http.get(f"{WORKFLOWS}/w/history", params={"next_page_token": page["nextPageToken"]})
    assert [event["eventId"] for event in rest.json()["history"]["events"]] == ["2"]
    close = "historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT"
    assert (await http.get(f"{WORKFLOWS}/w/history?{close}&unknown=1")).status_code == 200
    listed = (await http.get(WORKFLOWS, params={"query": "WorkflowId = 'w'", "pageSize": "5"})).json()
    assert [run["execution"]["workflowId"] for run in listed["executions"]] == ["w"]
    assert (await http.get("/api/v1/namespaces/default/workflow-count")).json() == {"count": "1"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{WORKFLOWS}?pageSize=abc", 400, 3),
        (f"{WORKFLOWS}/w/history?historyEventFilterType=Nope", 400, 3),
        (f"{WORKFLOWS}/w/history?nextPageToken=!", 400, 3),
        (f"{WORKFLOWS}/w/history?waitNewEvent=perhaps", 400, 3),
        (f"{WORKFLOWS}/none", 404, 5),
        ("/api/v1/namespaces/nowhere/workflows", 404, 5),
        ("/api/v1/nothing", 404, 5),
        (f"{WORKFLOWS}/w/terminate", 501, 12),
        ("/api/v1/namespaces/default/workflow-rules", 501, 12),
    ],
)
async def test_refusals(http: httpx.AsyncClient, path: str, status: int, code: int) -> None:
    await start(http, "w")
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["message"]


async def test_a_refusal_carries_temporals_details(http: httpx.AsyncClient) -> None:
    started = await start(http, "w", requestId="1")
    again = await http.post(f"{WORKFLOWS}/w", json={**START, "requestId": "2"})
    assert again.status_code == 409
    (detail,) = again.json()["details"]
    assert detail["@type"] == "type.googleapis.com/temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure"
    assert detail["runId"] == started["runId"]


@pytest.mark.parametrize("body", ["{bad", '"text"', '{"nonsense": 1}', '{"input": 5}', '{"workflowType": []}', "[]"])
async def test_a_body_that_is_no_request_is_the_callers_mistake(http: httpx.AsyncClient, body: str) -> None:
    answer = await http.post(f"{WORKFLOWS}/w", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


async def test_the_description_names_what_is_offered(http: httpx.AsyncClient) -> None:
    described = (await http.get("/api/openapi.json")).json()
    assert described["openapi"] == "3.1.0"
    signal = described["paths"]["/api/v1/workflows/{workflow_execution.workflow_id}/signal"]["post"]
    assert signal["tags"] == ["SignalWorkflowExecution"]
    assert "/api/v1/namespaces/{namespace}/workflow-rules" not in described["paths"]
    schemas = described["components"]["schemas"]
    referred = {
        part.split('"')[0].removeprefix("#/components/schemas/")
        for part in json.dumps(described).split('"$ref": "')[1:]
    }
    assert referred <= schemas.keys()
    operations = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations))


@workflow.defn
class Switch:
    """Waits to be told to stop."""

    def __init__(self) -> None:
        self.state = "running"

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.state == "stopped", timeout=timedelta(days=1))
        return self.state

    @workflow.signal
    def pause(self) -> None:
        self.state = "paused"

    @workflow.query
    def get_status(self) -> str:
        return self.state

    @workflow.update
    def stop(self, why: str) -> str:
        self.state = "stopped"
        return f"stopped: {why}"


async def test_an_engine_in_this_process_behind_http() -> None:
    """Embedded: signal, query and update of a workflow whose worker is here too."""
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue="q", workflows=[Switch]),
    ):
        server = await HttpServer.start(client.service, HttpOptions(port=0))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http:
            handle = await client.start_workflow(Switch.run, id="s", task_queue="q")
            base = "/api/v1/workflows/s"
            assert (await http.post(f"{base}/query/get_status")).json() == {"queryResult": ["running"]}
            await http.post(f"{base}/signal/pause")
            status = await http.post(f"{base}/query", json={"query_type": "get_status"})
            assert status.json() == {"queryResult": ["paused"]}
            updated = await http.post(f"{base}/update", json={"name": "stop", "args": ["tired"]})
            assert updated.json()["outcome"] == {"success": ["stopped: tired"]}
            assert await handle.result() == "stopped"
            missing = await http.post(f"{base}/query", json={"query_type": "nope"})
            assert missing.status_code == 400
        await server.stop()
