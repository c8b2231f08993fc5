"""Histories as server-sent events: live, to the end of the run, resumable at any event."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from server._http import START, SentEvent, in_process_with_http, sent_events

PATH = "/api/v1/namespaces/default/workflows/w"


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with in_process_with_http() as (_, client):
        yield client


async def start(http: httpx.AsyncClient) -> str:
    answer = await http.post(PATH, json={**START, "input": ["line\nend\u2028", "\r"]})
    run_id: str = answer.json()["runId"]
    return run_id


async def terminate(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{PATH}/terminate", json={"reason": "enough"})).status_code == 200


async def everything(http: httpx.AsyncClient, path: str, last_event_id: str = "") -> list[SentEvent]:
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    async with http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        return [event async for event in sent_events(response)]


async def test_events_come_as_they_are_recorded(http: httpx.AsyncClient) -> None:
    run_id = await start(http)
    async with http.stream("GET", f"{PATH}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = sent_events(response)
        assert [(await anext(events)).id for _ in range(2)] == [f"{run_id}:1", f"{run_id}:2"]
        await http.post(f"{PATH}/signal/s", json={"input": [1]})
        signaled = await anext(events)
        assert signaled.data["workflowExecutionSignaledEventAttributes"] == {"signalName": "s", "input": [1]}
        await terminate(http)
        assert [event.kind async for event in events] == ["message", "end"]


async def test_data_is_the_event_as_the_api_gives_it(http: httpx.AsyncClient) -> None:
    await start(http)
    await terminate(http)
    streamed = [event.data for event in await everything(http, f"{PATH}/events") if event.kind == "message"]
    assert streamed == (await http.get(f"{PATH}/history")).json()["history"]["events"]


async def test_a_stream_goes_on_after_the_last_event_seen(http: httpx.AsyncClient) -> None:
    run_id = await start(http)
    for _ in range(10):
        await http.post(f"{PATH}/signal/s")
    await terminate(http)
    whole = await everything(http, f"{PATH}/events")
    for seen in range(1, 13):
        rest = await everything(http, f"{PATH}/events", f"{run_id}:{seen}")
        assert [event.id for event in rest] == [event.id for event in whole[seen:]]
    after = await http.get(f"{PATH}/events", headers={"last-event-id": f"{run_id}:13"})
    assert after.status_code == 204


async def test_it_goes_on_in_the_same_run_when_there_is_a_newer_one(http: httpx.AsyncClient) -> None:
    first = await start(http)
    await terminate(http)
    second = await start(http)
    assert second != first
    rest = await everything(http, "/api/v1/workflows/w/events", f"{first}:1")
    assert [event.id for event in rest if event.id] == [f"{first}:2", f"{first}:3"]


async def test_an_open_run_is_waited_for_after_its_newest_event(http: httpx.AsyncClient) -> None:
    run_id = await start(http)
    async with http.stream("GET", f"{PATH}/events", headers={"last-event-id": f"{run_id}:2"}) as response:
        events = sent_events(response)
        await http.post(f"{PATH}/signal/s")
        assert (await anext(events)).id == f"{run_id}:3"


@pytest.mark.parametrize(("path", "last", "status"), [("none", "", 404), ("w", "nonsense", 400), ("w", "x:3", 404)])
async def test_refusals(http: httpx.AsyncClient, path: str, last: str, status: int) -> None:
    await start(http)
    headers = {"last-event-id": last} if last else {}
    answer = await http.get(f"/api/v1/workflows/{path}/events", headers=headers)
    assert answer.status_code == status
    assert answer.json()["message"]
