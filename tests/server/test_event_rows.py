"""Events as the page shows them: what markers and search attributes say, and that anything may stand in them."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError
from tsuzuki.server.http._page._event_rows import row
from tsuzuki.worker import Worker

SHORT = {"start_to_close_timeout": timedelta(seconds=5), "retry_policy": RetryPolicy(maximum_attempts=2)}


@activity.defn
async def price_of(item: str) -> int:
    if activity.info().attempt == 1 and item == "switch":
        raise ConnectionError("busy")
    if item == "unicorn":
        raise LookupError("there are none")
    return 12


@workflow.defn
class Quote:
    @workflow.run
    async def run(self) -> None:
        workflow.get_version("cheaper_switches_v1", workflow.DEFAULT_VERSION, 3)
        workflow.patched("no-lamps")
        workflow.side_effect(lambda: "seven")
        for item in ("switch", "unicorn"):
            try:
                await workflow.execute_local_activity(price_of, item, **SHORT)
            except ApplicationError:
                continue


async def rows() -> list[list[Any]]:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue="q", workflows=[Quote], activities=[price_of]),
    ):
        handle = await client.start_workflow(Quote.run, id="w", task_queue="q")
        await handle.result()
        return [row(event) for event in (await handle.fetch_history()).events]


async def test_markers_say_what_they_stand_for() -> None:
    shown = [(each[2], each[3], each[4], each[7], each[8]) for each in await rows()]
    marker, upsert = "MarkerRecorded", "UpsertWorkflowSearchAttributes"
    assert [each for each in shown if each[0] in (marker, upsert)] == [
        (marker, "version", "cheaper_switches_v1", "version 3", 0),
        (upsert, "version", "TemporalChangeVersion", "", 0),
        (marker, "version", "no-lamps", "patched", 0),
        (upsert, "version", "TemporalChangeVersion", "", 0),
        (marker, "marker", "SideEffect", '"seven"', 0),
        (marker, "local", "price_of", "12", 2),
        (marker, "local-failed", "price_of", "LookupError: there are none", 2),
    ]


def test_a_marker_of_somebody_else_is_shown_as_it_is() -> None:
    seed = int(os.environ.get("TSUZUKI_SEED") or random.randrange(10**9))
    print(f"TSUZUKI_SEED={seed} pytest tests/server/test_event_rows.py -k somebody_else")
    chance = random.Random(seed)
    for _ in range(300):
        event = HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
        marker = event.marker_recorded_event_attributes
        marker.marker_name = chance.choice(["core_local_activity", "Version", "core_patch", "SideEffect", "mine"])
        for key in chance.sample(["data", "change-id", "version", "result"], chance.randrange(4)):
            marker.details[key].payloads.add(
                metadata={"encoding": b"json/plain"},
                data=chance.choice([b"", b"7", b"[]", b"{}", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"id": 3}']),
            )
        shown = row(event)
        assert shown[2] == "MarkerRecorded"
        assert all(isinstance(each, str | int) for each in shown)
