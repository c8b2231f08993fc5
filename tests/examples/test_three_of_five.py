"""Exercise 2, every branch of it, under virtual time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from three_of_five import ThreeOfFive, write_report
from virtual_run import QUEUE, VirtualSite, scheduled, virtual_site

from tsuzuki import activity
from tsuzuki.client import WorkflowExecutionStatus

HANGS = 10**6
FAILS = -1


async def research(site: VirtualSite, seconds: dict[str, float], *, over_after_s: float) -> str:
    """Run it with searches that take so long; it must be over then, and not a moment before."""

    @activity.defn(name="search")
    async def search(topic: str) -> str:
        await site.sleep(abs(seconds[topic]))
        if seconds[topic] < 0:
            raise LookupError("there are none")
        return topic

    async with site.worker([ThreeOfFive], [search, write_report]):
        handle = await site.client.start_workflow(ThreeOfFive.run, list(seconds), id="five", task_queue=QUEUE)
        await site.advance(over_after_s - 0.001)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await site.advance(0.001)
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        assert await scheduled(handle) == ["search"] * 5 + ["write_report"]
        cancels = [
            it
            for it in (await handle.fetch_history()).events
            if it.HasField("activity_task_cancel_requested_event_attributes")
        ]
        ended = sum(1 for it in seconds.values() if it >= 0 and it < over_after_s)
        assert len(cancels) <= 5 - min(ended, 3)
        return await handle.result()


@pytest.mark.parametrize(
    ("name", "seconds", "over_after_s", "report"),
    [
        ("all answer, the first three count", [50, 10, 40, 20, 30], 30, ["b", "d", "e"]),
        ("three answer, two hang", [1, HANGS, 2, HANGS, 3], 3, ["a", "c", "e"]),
        ("two fail, three answer late", [FAILS, FAILS, 100, 110, 119], 119, ["c", "d", "e"]),
        ("one fails, one hangs", [FAILS, HANGS, 5, 6, 7], 7, ["c", "d", "e"]),
        ("two answer by the end of the time", [10, 20, HANGS, HANGS, HANGS], 120, ["a", "b"]),
        ("two answer, the third a moment too late", [10, 20, 120.5, HANGS, FAILS], 120, ["a", "b"]),
        ("none answers", [HANGS] * 5, 120, []),
        ("all fail: no need to wait for the end of the time", [FAILS] * 5, 3, []),
        ("three fail, two answer: there is no third to wait for", [FAILS, 8, FAILS, 9, FAILS], 9, ["b", "d"]),
    ],
)
async def test_any_three_within_two_minutes(name: str, seconds: list[Any], over_after_s: float, report: Any) -> None:
    async with virtual_site() as site:
        text = await research(site, dict(zip("abcde", seconds, strict=True)), over_after_s=over_after_s)
    assert text == f"a report on {', '.join(report) or 'nothing'}", json.dumps(name)
