"""`tsuzuki workflow logs`: what was logged, as text and as lines of JSON, from any line on."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from cli._site import run
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker, _run_logs

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the last lines may take longer."""
    monkeypatch.setattr(_run_logs, "LAST_S_MAX", 60.0)


@activity.defn
async def weigh() -> None:
    activity.logger.info("süß\n\x1b[2J", extra={"kilos": 3})
    try:
        raise ValueError("broken")
    except ValueError:
        activity.logger.exception("by hand")


@workflow.defn
class Parcel:
    @workflow.run
    async def run(self) -> None:
        workflow.logger.info("come")
        await workflow.execute_activity(weigh, start_to_close_timeout=timedelta(minutes=1))


async def posted() -> None:
    async with (
        await Client.connect("sqlite:///runs.db") as client,
        Worker(client, task_queue="q", workflows=[Parcel], activities=[weigh]),
    ):
        await client.execute_workflow(Parcel.run, id="one", task_queue="q")


def test_a_log_is_shown_as_text_and_as_json() -> None:
    asyncio.run(posted())
    shown = run("workflow", "logs", "-w", "one").stdout.splitlines()
    assert [line.partition("Z ")[2] for line in shown[:3]] == [
        "INFO     [workflow] come",
        "INFO     [weigh 1] süß",
        "",
    ]
    assert shown[2] == "\\x1b[2J  kilos=3", "what others wrote does not steer the terminal"
    shown[1:3] = ["\n".join(shown[1:3])]
    assert shown[2].endswith("Z ERROR    [weigh 1] by hand")
    assert shown[3] == "Traceback (most recent call last):"
    assert shown[-1] == "ValueError: broken"
    lines = [json.loads(line) for line in run("workflow", "logs", "-w", "one", "--output", "json").stdout.splitlines()]
    for line, text in zip(lines, (shown[0], *shown[1:3]), strict=True):
        assert (line["time"][:19], line["time"][-1]) == (text[:19], "Z"), "as in all JSON of this command"
    assert [sorted(line) for line in lines[:2]] == [
        ["id", "level", "logger", "message", "time"],
        ["activityId", "activityType", "attempt", "fields", "id", "level", "logger", "message", "time"],
    ]
    assert [(line["level"], line.get("activityType"), line.get("fields")) for line in lines] == [
        (20, None, None),
        (20, "weigh", {"kilos": 3}),
        (40, "weigh", None),
    ]
    after = run("workflow", "logs", "-w", "one", "--follow", "--after", lines[1]["id"]).stdout.splitlines()
    assert after == shown[2:]
    assert run("workflow", "logs", "-w", "one", "--last", "1").stdout.splitlines() == shown[2:]
    assert run("workflow", "logs", "-w", "one", "--level", "WARNING").stdout.splitlines() == shown[2:]


def test_what_cannot_be_shown_is_said_in_a_line() -> None:
    asyncio.run(posted())
    assert "'loud' is no level" in run("workflow", "logs", "-w", "one", "--level", "loud", code=2).stderr
    assert "no position in a log" in run("workflow", "logs", "-w", "one", "--after", "x", code=2).stderr
