"""`tsuzuki workflow stream`: what activities said, as text and as lines of JSON, from any event on."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from cli._site import run
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import Worker

pytestmark = pytest.mark.usefixtures("here")


@activity.defn
async def speak() -> str:
    async with activity.open_stream(every=0) as stream:
        await stream.publish("Once ")
        if activity.info().attempt == 1:
            raise ConnectionError("gone")
        await stream.publish({"tool": "süß"})
        await stream.publish("upon a time")
    return ""


@workflow.defn
class Speech:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            speak,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )


async def spoken(target: str) -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="q", workflows=[Speech], activities=[speak]),
    ):
        await client.execute_workflow(Speech.run, id="one", task_queue="q")


def test_a_stream_is_shown_as_text_and_as_json() -> None:
    asyncio.run(spoken("sqlite:///runs.db"))
    assert run("workflow", "stream", "-w", "one").stdout.splitlines() == [
        "--- speak 1, attempt 1",
        "Once ",
        "--- speak 1, attempt 2",
        "Once ",
        '{"tool": "süß"}',
        "upon a time",
        "--- end of speak 1",
    ]
    events = [json.loads(line) for line in run("workflow", "stream", "-w", "one", "-o", "json").stdout.splitlines()]
    assert [(event["kind"], event["value"]) for event in events[2:]] == [
        ("begin", None),
        ("data", "Once "),
        ("data", {"tool": "süß"}),
        ("data", "upon a time"),
        ("end", None),
    ]
    rest = run("workflow", "stream", "-w", "one", "--follow", "--after", events[4]["id"]).stdout.splitlines()
    assert rest == ["upon a time", "--- end of speak 1"]
    failed = run("workflow", "stream", "-w", "one", "--after", "seven", code=2)
    assert "position" in failed.stderr
