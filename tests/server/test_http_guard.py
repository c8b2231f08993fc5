"""What the HTTP port refuses whatever is asked, and what it tells browsers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio
from starlette.types import Message, Receive, Scope, Send
from typer.testing import CliRunner

from server._http import START, in_process_with_http
from tsuzuki.cli._app import _app
from tsuzuki.client import Client
from tsuzuki.server import HttpOptions, HttpServer, OpenAddressError, PortTakenError, ServerOptions
from tsuzuki.server.http import _guard, _server

SIGNAL = "/api/v1/workflows/w/signal/s"


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with in_process_with_http() as (_, client):
        await client.post("/api/v1/workflows/w", json=START)
        yield client


async def signals(http: httpx.AsyncClient) -> int:
    events = (await http.get("/api/v1/workflows/w/history")).json()["history"]["events"]
    return sum("workflowExecutionSignaledEventAttributes" in event for event in events)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", ""])
async def test_a_name_that_was_pointed_here_is_refused(http: httpx.AsyncClient, host: str) -> None:
    for path in ("/", "/api/v1/system-info"):
        assert (await http.get(path, headers={"host": host})).status_code == 421


async def test_a_body_that_does_not_come_is_not_waited_for(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_guard, "BODY_S_MAX", 0.01)
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    head = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    writer.write(f"POST {SIGNAL} HTTP/1.1\r\n{head}".encode())
    assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
    writer.close()
    assert await signals(http) == 0


async def test_what_came_of_a_body_is_not_acted_upon_when_the_rest_never_comes() -> None:
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    parts: list[Message] = [
        {"type": "http.request", "body": b'{"reason": "no, do', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError("nobody is there to be answered")

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"50")]
    scope = {"type": "http", "method": "POST", "path": "/approve", "headers": headers}
    await _guard.Guard(app, {"localhost"})(scope, receive, send)
    assert reached == []


async def test_streams_beyond_the_bound_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server, "CONNECTIONS_MAX", 4)
    async with in_process_with_http() as (_, http):
        await http.post("/api/v1/workflows/w", json=START, headers={"connection": "close"})
        async with AsyncExitStack() as opened:
            url = "/api/v1/workflows/w/events"
            asked = [await opened.enter_async_context(http.stream("GET", url)) for _ in range(6)]
            assert [answer.status_code for answer in asked] == [200, 200, 200, 503, 503, 503]
        while (answered := await http.get("/api/v1/workflows/w")).status_code == 503:
            pass  # until the server has seen that they are gone
        assert answered.status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:5"])
async def test_names_of_this_machine_are_served(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/api/v1/system-info", headers={"host": host})).status_code == 200


async def test_further_names_are_allowed_by_choice() -> None:
    options = ServerOptions(port=0, http=HttpOptions(port=0, allowed_hosts=("runs.example",)))
    async with in_process_with_http(options) as (_, http):
        assert (await http.get("/api/v1/system-info", headers={"host": "runs.example"})).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "file://", "http://[", "http://a]b"],
)
async def test_a_page_of_another_origin_gets_nothing(http: httpx.AsyncClient, origin: str) -> None:
    for method, path in (("POST", SIGNAL), ("GET", "/api/v1/workflows/w"), ("OPTIONS", SIGNAL)):
        answer = await http.request(method, path, headers={"origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert await signals(http) == 0


async def test_our_own_page_is_answered(http: httpx.AsyncClient) -> None:
    origin = str(http.base_url).rstrip("/")
    assert (await http.post(SIGNAL, headers={"origin": origin})).status_code == 200


async def test_what_another_site_embeds_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert (await http.get("/api/v1/workflows/w", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", None]
)
async def test_what_a_form_can_send_is_refused(http: httpx.AsyncClient, kind: str | None) -> None:
    answer = await http.post(SIGNAL, content="{}", headers={} if kind is None else {"content-type": kind})
    assert answer.status_code == 415
    assert await signals(http) == 0


async def test_nothing_is_signalled_by_get(http: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        assert (await http.request(method, SIGNAL)).status_code == 501
    assert await signals(http) == 0


async def test_a_body_over_4_mib_is_refused(http: httpx.AsyncClient) -> None:
    def chunks(size: int) -> AsyncIterator[bytes]:
        async def chunked() -> AsyncIterator[bytes]:
            for _ in range(size // 65536):
                yield b" " * 65536

        return chunked()

    headers = {"content-type": "application/json"}
    limit = 4 * 1024 * 1024
    assert (await http.post(SIGNAL, content=b" " * limit, headers=headers)).status_code == 200
    assert (await http.post(SIGNAL, content=b" " * (limit + 1), headers=headers)).status_code == 413
    assert (await http.post(SIGNAL, content=chunks(limit), headers=headers)).status_code == 200
    assert (await http.post(SIGNAL, content=chunks(limit + 65536), headers=headers)).status_code == 413


async def test_browsers_are_told_to_run_nothing_foreign(http: httpx.AsyncClient) -> None:
    for path in ("/", "/api/v1/workflows/w", "/nothing", "/api/v1/workflows/none"):
        headers = (await http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


async def test_an_address_beyond_this_machine_needs_a_word() -> None:
    async with await Client.connect("sqlite://") as client:
        with pytest.raises(OpenAddressError, match="--insecure-no-auth"):
            await HttpServer.start(client.service, HttpOptions(host="0.0.0.0", port=0))
        opened = await HttpServer.start(client.service, HttpOptions("0.0.0.0", 0, insecure_no_auth=True))
        await opened.stop()


def test_the_command_needs_it_too() -> None:
    refused = CliRunner().invoke(_app, ["server", "start", "--host", "0.0.0.0", "--http-port", "0"])
    assert refused.exit_code == 2


async def test_a_second_server_on_the_port_is_refused() -> None:
    async with await Client.connect("sqlite://") as client:
        first = await HttpServer.start(client.service, HttpOptions(port=0))
        with pytest.raises(PortTakenError, match="--http-port"):
            await HttpServer.start(client.service, HttpOptions(port=first.port))
        await first.stop()


async def test_small_answers_are_not_held_back() -> None:
    """Nagle's algorithm and a delayed acknowledgement would make 40 ms of an answer that takes one."""
    async with in_process_with_http() as (server, http):
        await http.get("/api/v1/system-info")
        assert server.http is not None
        (connection,) = server.http._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
