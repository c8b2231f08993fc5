"""Record runs of the code before the change: python tests/examples/record_old_runs.py

Writes one history for each place at which the change may find a run; run it only when the old code itself was
wrong, because what the tests prove is that histories from before are still replayed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "examples")]

from change_code import Before  # noqa: E402
from virtual_run import QUEUE, virtual_site  # noqa: E402

from tsuzuki import activity  # noqa: E402

HISTORIES = Path(__file__).with_name("histories")
PLACES = {"before_a_is_done": (), "after_a": ("step_a",), "after_b": ("step_a", "step_b")}
"""The places, and which steps are done there."""


def steps(done: Sequence[str]) -> list[Callable[..., Any]]:
    """Activities of both versions, of which only some ever end."""

    def step(name: str, letter: str) -> Callable[..., Any]:
        @activity.defn(name=name)
        async def run(given: Any) -> str:
            if name not in done:
                await asyncio.Event().wait()
            return f"{letter}({given['content'] if isinstance(given, dict) else given})"

        return run

    return [step("step_a", "A"), step("step_b", "B"), step("step_c", "C"), step("step_b2", "B2")]


async def record(place: str) -> str:
    async with virtual_site() as site, site.worker([Before], steps(PLACES[place])):
        handle = await site.client.start_workflow(Before.run, "old", id="order-old", task_queue=QUEUE)
        await site.advance(1)
        return (await handle.fetch_history()).to_json()


if __name__ == "__main__":
    for place in PLACES:
        (HISTORIES / f"{place}.json").write_text(asyncio.run(record(place)) + "\n", encoding="utf-8")
