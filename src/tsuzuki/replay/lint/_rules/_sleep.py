"""TSU002: sleeping with the thread instead of the workflow."""

from __future__ import annotations

from typing import Final

from ._forbidden import calls
from ._rule import Rule

_CALLS: Final = {"time.sleep": "await workflow.sleep(...)"}

RULE: Final = Rule(
    code="TSU002",
    name="blocking sleep",
    why=(
        "`time.sleep` stops the worker, and every other workflow in it, and is slept again on each replay. "
        "`workflow.sleep` (`asyncio.sleep` is the same) is a timer in the history: it goes on counting while no "
        "worker runs, and costs nothing."
    ),
    bad="time.sleep(60)",
    good="await workflow.sleep(60)",
    check=calls(_CALLS, "stops the whole worker, and again on every replay"),
    calls=_CALLS,
)
