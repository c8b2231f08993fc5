"""Workflows of the Go program, written in Python: the histories that Go left replay on them.

Go names an activity by the event that schedules it, so the names are given here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tsuzuki import workflow

STEP = timedelta(seconds=30)


@workflow.defn(name="DeterministicWorkflow")
class Deterministic:
    @workflow.run
    async def run(self, mode: str) -> dict[str, Any]:
        got = {"Now": workflow.now().isoformat(), "Mode": mode}
        got["Number"] = workflow.side_effect(lambda: 1)
        got["ID"] = workflow.side_effect(lambda: "made here")
        got["Page"] = await workflow.execute_activity(
            "FetchActivity", "here", activity_id="7", start_to_close_timeout=STEP
        )
        await workflow.signal_channel("go on").receive()
        return got


async def step(name: str, activity_id: str) -> str:
    done: str = await workflow.execute_activity(name, activity_id=activity_id, start_to_close_timeout=STEP)
    return done


@workflow.defn(name="MyWorkflow")
class MyWorkflow:
    @workflow.run
    async def run(self) -> list[str]:
        done = [await step("ActivityA", "5")]
        if workflow.get_version("add_activity_new", workflow.DEFAULT_VERSION, 1) >= 1:
            done.append(await step("ActivityNew", "13"))
        await workflow.signal_channel("go on").receive()
        # Two more events if the worker that it was sticky to went away without a word.
        scheduled_event_id = workflow.info().get_current_history_length() + 2
        done.append(await step("ActivityB", str(scheduled_event_id)))
        return done
