"""`tsuzuki workflow stream`: what activities said, as text and as lines of JSON, from any event on."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from cli._site import run
from tsuzuki import activity, workflow
from tsuzuki.cli import _workflow_stream
from tsuzuki.client import Client, StreamEvent, StreamEventKind
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
    assert [list(event) for event in events[2:4]] == [
        ["id", "kind", "activityId", "activityType", "attempt", "seq", "time"],
        ["id", "kind", "activityId", "activityType", "attempt", "seq", "time", "value"],
    ]
    assert all(event["time"].endswith("Z") for event in events), "as in all JSON of this command"
    assert [(event["kind"], event.get("value")) for event in events[2:]] == [
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


def test_what_a_model_writes_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    written = _workflow_stream._Text()
    for value in ("a\n\tb\r\n\x1b]52;c;", {"c": "\x9b2J"}):
        written.add(
            StreamEvent("r:1", StreamEventKind.DATA, value, "1", "speak", 1, 1, datetime(2026, 1, 1, tzinfo=UTC))
        )
    written.end()
    assert capsys.readouterr().out == 'a\n\tb\n\\x1b]52;c;\n{"c": "\\x9b2J"}\n'
