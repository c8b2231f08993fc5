"""`asyncio` for an example whose activities sleep side by side: the shorter sleep is over first on a busy machine too.

On another server one activity begins later than the other, and the lengths of their sleeps alone settle nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.api.enums.v1 import EventType

from tsuzuki.client import WorkflowHandle

HANGS_S: Final = 3600


class InTurn:
    """Stands for the module `asyncio`, whose `sleep` lasts until `conduct` ends it.

    Args:
        count: So many sleep at the same time.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._all_sleep = asyncio.Event()
        self._over: dict[float, asyncio.Event] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        over = self._over[seconds] = asyncio.Event()
        if len(self._over) == self._count:
            self._all_sleep.set()
        await over.wait()

    async def conduct(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Once all sleep, end one after the other, each when the workflow has taken what the one before it did."""
        await self._all_sleep.wait()
        for number, seconds in enumerate(sorted(it for it in self._over if it < HANGS_S)):
            while await _taken(handle) < number:  # noqa: ASYNC110 - it is elsewhere
                await asyncio.sleep(0.01)
            self._over[seconds].set()


async def _taken(handle: WorkflowHandle[Any, Any]) -> int:
    """How many results a workflow task has brought that is over: of those that one task brings any may be first."""
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    while kinds and kinds[-1] != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
        kinds.pop()
    return kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
