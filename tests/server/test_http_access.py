"""Who may do what over HTTP: the same keys, the same table and the same tokens as over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from server._guarded import Guarded, guarded
from server._http import START
from tsuzuki.server import HttpOptions

READ = ("GET", "/api/v1/workflows/w")
STREAM = ("GET", "/api/v1/workflows/w/events")
SAID = ("GET", "/api/v1/workflows/w/stream")
WRITE = ("POST", "/api/v1/workflows/w/signal/s")
SERVER = ("GET", "/api/v1/namespaces")
PUBLIC = ("GET", "/api/v1/system-info")


@pytest_asyncio.fixture
async def closed(tmp_path: Path) -> AsyncIterator[tuple[Guarded, httpx.AsyncClient]]:
    async with guarded(tmp_path, http=HttpOptions(port=0)) as running:
        assert running.server.http is not None
        async with httpx.AsyncClient(base_url=running.server.http.url, trust_env=False, timeout=60) as http:
            headers = dict(running.metadata("admin"))
            for _ in range(2):
                await http.post("/api/v1/workflows/w", json=START, headers=headers)
                await http.post("/api/v1/workflows/w/terminate", json={}, headers=headers)
            yield running, http


@pytest.mark.parametrize(
    ("caller", "call", "status"),
    [
        ("nobody", READ, 401),
        ("nobody", STREAM, 401),
        ("nobody", SAID, 401),
        ("nobody", ("GET", "/api/v1/nothing"), 401),
        ("nobody", PUBLIC, 200),
        ("reader", READ, 200),
        ("reader", STREAM, 200),
        ("reader", SAID, 200),
        ("reader", WRITE, 403),
        ("writer", WRITE, 404),
        ("worker", READ, 403),
        ("worker", SAID, 403),
        ("admin", SERVER, 403),
        ("other namespace", READ, 403),
        ("other namespace", STREAM, 403),
        ("other namespace", SAID, 403),
    ],
)
async def test_the_matrix(
    closed: tuple[Guarded, httpx.AsyncClient], caller: str, call: tuple[str, str], status: int
) -> None:
    running, http = closed
    verb, path = call
    answer = await http.request(verb, path, headers=dict(running.metadata(caller)))
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("what", ["events", "stream", "logs"])
async def test_a_stream_ends_with_the_key_that_opened_it(closed: tuple[Guarded, httpx.AsyncClient], what: str) -> None:
    running, http = closed
    path, as_writer = "/api/v1/workflows/open", dict(running.metadata("writer"))
    await http.post(path, json=START, headers=dict(running.metadata("admin")))
    async with http.stream("GET", f"{path}/{what}", headers=dict(running.metadata("reader"))) as response:
        assert response.status_code == 200
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith("retry:")  # it is open, and waits for more
        running.file.revoke(running.keys["reader"].split("_")[1], now_s=running.clock.now_s)
        running.clock.now_s += 10
        await http.post(f"{path}/signal/secret", json={}, headers=as_writer)
        await http.post(f"{path}/terminate", json={}, headers=dict(running.metadata("admin")))
        rest = "\n".join([line async for line in lines])
    assert "event: refused" in rest
    assert "is revoked" in rest
    assert "secret" not in rest


async def test_page_tokens_are_signed(closed: tuple[Guarded, httpx.AsyncClient]) -> None:
    running, http = closed
    headers = dict(running.metadata("reader"))
    path = "/api/v1/workflows/w/history"
    token = (await http.get(path, params={"maximumPageSize": 1}, headers=headers)).json()["nextPageToken"]
    again = await http.get(path, params={"nextPageToken": token}, headers=headers)
    assert again.json()["history"]["events"][0]["eventId"] == "2"
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    assert (await http.get(path, params={"nextPageToken": forged}, headers=headers)).status_code == 400


async def test_a_stream_is_resumed_with_signed_tokens(closed: tuple[Guarded, httpx.AsyncClient]) -> None:
    running, http = closed
    headers = dict(running.metadata("reader"))
    whole = (await http.get("/api/v1/workflows/w/events", headers=headers)).text
    first = whole.split("id: ")[1].splitlines()[0]
    rest = (await http.get("/api/v1/workflows/w/events", headers={**headers, "last-event-id": first})).text
    assert rest.count("id: ") == whole.count("id: ") - 1
