"""Record a run of a workflow from before it had control: python tests/agents/record_run_without_control.py

Run it only when that code itself was wrong: what the test proves is that a history from before is still replayed.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "examples")]

from virtual_run import QUEUE, virtual_site  # noqa: E402

from tsuzuki import activity, workflow  # noqa: E402

HISTORY = Path(__file__).with_name("histories") / "without_control.json"


@activity.defn
async def step(name: str) -> str:
    return name


@workflow.defn(name="TwoSteps")
class WithoutControl:
    @workflow.run
    async def run(self) -> str:
        bound = timedelta(seconds=30)
        first = await workflow.execute_activity(step, "first", start_to_close_timeout=bound)
        await workflow.sleep(60)
        return first + await workflow.execute_activity(step, "second", start_to_close_timeout=bound)


async def record() -> str:
    """The history of a run that was asked to pause half way, which it could not."""
    async with virtual_site() as site, site.worker([WithoutControl], [step]):
        handle = await site.client.start_workflow(WithoutControl.run, id="old", task_queue=QUEUE)
        await site.advance(1)
        await handle.signal("pause")
        await site.advance(100)
        return (await handle.fetch_history()).to_json()


if __name__ == "__main__":
    HISTORY.parent.mkdir(exist_ok=True)
    HISTORY.write_text(asyncio.run(record()) + "\n", encoding="utf-8")
