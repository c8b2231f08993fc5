"""Event streams of runs as server-sent events: live, to the end of the run, resumable; read by who may query."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest_asyncio

from server._http import SentEvent, in_process_with_http, sent_events
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.converter import DataConverter, PayloadCodec
from tsuzuki.worker import Worker

PATH = "/api/v1/namespaces/default/workflows/w/stream"
QUEUE = "queue"


class Hall:
    """Where the speaker waits for its words."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[object] = asyncio.Queue()

    @activity.defn
    async def speak(self) -> str:
        async with activity.open_stream(every=0) as stream:
            while (word := await self.words.get()) is not None:
                await stream.publish(word)
        return ""


@workflow.defn
class Speech:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity("speak", start_to_close_timeout=timedelta(minutes=1))


@asynccontextmanager
async def speech(codec: PayloadCodec | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, Hall, str]]:
    """A run whose activity says what the test tells it to, on a worker over gRPC."""
    hall = Hall()
    async with (
        in_process_with_http() as (server, http),
        await Client.connect(server.target, data_converter=DataConverter(payload_codec=codec)) as client,
        Worker(client, task_queue=QUEUE, workflows=[Speech], activities=[hall.speak]),
    ):
        handle = await client.start_workflow(Speech.run, id="w", task_queue=QUEUE)
        yield http, hall, handle.result_run_id or ""
        hall.words.put_nowait(None)


@pytest_asyncio.fixture
async def running() -> AsyncIterator[tuple[httpx.AsyncClient, Hall, str]]:
    async with speech() as made:
        yield made


async def whole(http: httpx.AsyncClient, path: str = PATH, last_event_id: str = "") -> list[SentEvent]:
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    async with http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        return [event async for event in sent_events(response)]


async def test_words_come_as_they_are_said(running: tuple[httpx.AsyncClient, Hall, str]) -> None:
    http, hall, run_id = running
    async with http.stream("GET", PATH) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        live = sent_events(response)
        begin = await anext(live)
        assert (begin.id, begin.data["kind"]) == (f"{run_id}:1", "begin")
        hall.words.put_nowait("line\nend\u2028")
        word = await anext(live)
        time = word.data.pop("time")
        assert word.data == {
            "offset": 2,
            "kind": "data",
            "activityId": "1",
            "activityType": "speak",
            "attempt": 1,
            "seq": 2,
            "value": "line\nend\u2028",
        }
        assert str(time).endswith("Z")
        hall.words.put_nowait(None)
        assert [(it.kind, it.data.get("kind")) async for it in live] == [("message", "end"), ("end", None)]


async def test_a_reader_goes_on_after_the_last_event_it_has_seen(running: tuple[httpx.AsyncClient, Hall, str]) -> None:
    http, hall, run_id = running
    for word in (1, 2, 3, None):
        hall.words.put_nowait(word)
    events = await whole(http)
    assert [it.data.get("value") for it in events] == [None, 1, 2, 3, None, None]
    for seen in range(1, 5):
        assert await whole(http, PATH, f"{run_id}:{seen}") == events[seen:]
        assert await whole(http, f"/api/v1/workflows/w/stream?lastEventId={run_id}:{seen}") == events[seen:]
    assert (await http.get(PATH, headers={"last-event-id": f"{run_id}:5"})).status_code == 204


async def test_what_cannot_be_read_is_refused(running: tuple[httpx.AsyncClient, Hall, str]) -> None:
    http, _, run_id = running
    assert (await http.get(PATH, headers={"last-event-id": f"{run_id}:x"})).status_code == 400
    assert (await http.get("/api/v1/workflows/nobody/stream")).status_code == 404
    assert (await http.get(f"{PATH}?runId=11111111-1111-4111-8111-111111111111")).status_code == 404


async def test_the_description_of_the_api_has_it(running: tuple[httpx.AsyncClient, Hall, str]) -> None:
    http, _, _ = running
    paths = (await http.get("/api/openapi.json")).json()["paths"]
    for prefix in ("/api/v1/", "/api/v1/namespaces/{namespace}/"):
        for name in ("events", "stream", "logs"):
            described = paths[f"{prefix}workflows/{{workflow_id}}/{name}"]["get"]
            assert "text/event-stream" in described["responses"]["200"]["content"]
            in_path = [it["name"] for it in described["parameters"] if it["in"] == "path"]
            assert all(f"{{{variable}}}" in f"{prefix}workflows/{{workflow_id}}" for variable in in_path)


class Reversed(PayloadCodec):
    async def encode(self, payloads):  # type: ignore[no-untyped-def]
        return [type(it)(metadata={"encoding": b"reversed"}, data=it.SerializeToString()[::-1]) for it in payloads]

    async def decode(self, payloads):  # type: ignore[no-untyped-def]
        return [type(it).FromString(it.data[::-1]) for it in payloads]


async def test_what_a_codec_has_closed_stays_closed() -> None:
    async with speech(Reversed()) as (http, hall, _):
        for word in ("secret", None):
            hall.words.put_nowait(word)
        events = await whole(http)
        assert [it.data.get("kind") for it in events] == ["begin", "data", "end", None]
        assert "secret" not in json.dumps([it.data for it in events])
        assert any("payload" in it.data for it in events)
