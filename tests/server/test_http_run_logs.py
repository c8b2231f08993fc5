"""Logs of runs as server-sent events: live, from the newest lines on, resumable; written and read over gRPC."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatByIdRequest

from server._http import in_process_with_http, sent_events
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common.log_frames import LOG_ACTIVITY_ID
from tsuzuki.common.stream_frames import write_frame
from tsuzuki.converter import DataConverter, PayloadConverter
from tsuzuki.worker import Worker

from .test_http_run_streams import Reversed, whole

PATH = "/api/v1/namespaces/default/workflows/w/logs"
QUEUE = "queue"


class Clerk:
    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    @activity.defn
    async def weigh(self) -> None:
        activity.logger.info("heavy\u2028")
        await self.go_on.wait()


@workflow.defn
class Parcel:
    @workflow.run
    async def run(self) -> None:
        workflow.logger.warning("secret")
        await workflow.execute_activity("weigh", start_to_close_timeout=timedelta(minutes=1))
        workflow.logger.info("gone")


@pytest.mark.parametrize("codec", [None, Reversed()])
async def test_lines_come_as_they_are_logged_and_a_reader_goes_on_where_it_stopped(codec: Reversed | None) -> None:
    clerk = Clerk()
    async with (
        in_process_with_http() as (server, http),
        await Client.connect(server.target, data_converter=DataConverter(payload_codec=codec)) as client,
        Worker(client, task_queue=QUEUE, workflows=[Parcel], activities=[clerk.weigh]),
    ):
        handle = await client.start_workflow(Parcel.run, id="w", task_queue=QUEUE)
        async with http.stream("GET", PATH) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            live = sent_events(response)
            first = await anext(live)
            assert first.id == f"{handle.result_run_id}:1"
            clerk.go_on.set()
            rest = [event async for event in live]
        lines = [line async for line in handle.read_logs()]
        assert [line.message for line in lines] == ["secret", "heavy\u2028", "gone"]
        events = await whole(http, PATH)
        assert events == [first, *rest]
        if codec is not None:
            assert [event.data.get("offset") for event in events] == [1, 2, 3, None]
            assert "secret" not in json.dumps([event.data for event in events])
            return
        assert [event.data.get("message") for event in events] == ["secret", "heavy\u2028", "gone", None]
        at = lines[1].at.strftime("%Y-%m-%dT%H:%M:%S")
        time = rest[0].data.pop("time")
        assert (time[:19], time[-1]) == (at, "Z")
        assert rest[0].data == {
            "offset": 2,
            "level": 20,
            "logger": "tsuzuki.activity",
            "message": "heavy\u2028",
            "activityId": "1",
            "activityType": "weigh",
            "attempt": 1,
        }
        assert first.data["level"] == 30
        described = (await http.get("/api/openapi.json")).json()["paths"]["/api/v1/workflows/{workflow_id}/logs"]
        said = described["get"]["responses"]["200"]["description"]
        assert [name for name in ("time", *rest[0].data) if name not in said] == []
        assert await whole(http, f"{PATH}?last=1") == events[2:]
        assert await whole(http, PATH, f"{handle.result_run_id}:2") == events[2:]
        assert await whole(http, "/api/v1/workflows/w/logs?last=2", f"{handle.result_run_id}:2") == events[2:]
        assert (await http.get(PATH, headers={"last-event-id": f"{handle.result_run_id}:3"})).status_code == 204
        assert (await http.get(f"{PATH}?last=x")).status_code == 400
        assert (await http.get("/api/v1/workflows/nobody/logs")).status_code == 404


@pytest.mark.parametrize("at_ns", [None, "now", True, 1.5, -1, 1 << 80])
async def test_what_a_worker_says_of_the_time_breaks_no_stream(at_ns: object) -> None:
    async with in_process_with_http() as (server, http), await Client.connect(server.target) as client:
        handle = await client.start_workflow(Parcel.run, id="w", task_queue=QUEUE)
        await handle.terminate()
        request = RecordActivityTaskHeartbeatByIdRequest(
            namespace="default", workflow_id="w", activity_id=LOG_ACTIVITY_ID
        )
        lines = [{"at_ns": at_ns, "message": "a"}]
        request.details.payloads.extend([write_frame({"lines": 1}), PayloadConverter.default.to_payload(lines)])
        await client.service.record_activity_task_heartbeat_by_id(request)
        events = await whole(http, PATH)
        assert [event.data for event in events] == [{"offset": 1, "message": "a"}, {}]
