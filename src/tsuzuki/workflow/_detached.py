"""Work that goes on beside the workflow's own path: nobody waits for it, or nobody may cut it short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from ._logger import logger
from ._runtime import current_runtime

Result = TypeVar("Result")


def fire_and_forget(work: Awaitable[Any]) -> None:
    """Start something that nobody waits for; a failure is logged, and changes nothing else.

    It does not keep the workflow open: an activity that is still running when the workflow closes is cancelled
    by that. To have it finished first, say `fire_and_forget(shield(...))`.

    Args:
        work: A coroutine such as `execute_activity(...)`, or a handle.
    """
    current_runtime().check_may_act("start work")
    asyncio.ensure_future(work).add_done_callback(_log_failure)


def shield(work: Awaitable[Result]) -> asyncio.Future[Result]:
    """Protect something from cancellation, and let the workflow close only when it is done.

    Awaiting the result can be cancelled, as ever; the work runs on. However the workflow ends (returns, fails,
    is cancelled, continues as new), it closes after the last shielded work. A failure that nobody
    awaited is logged.

        try:
            await long_running()
        finally:
            await workflow.shield(workflow.execute_activity(clean_up, start_to_close_timeout=MINUTE))

    Args:
        work: A coroutine such as `execute_activity(...)`, or a handle.
    """
    runtime = current_runtime()
    runtime.check_may_act("start work")
    inner = asyncio.ensure_future(work)
    runtime.close_after(inner)
    return asyncio.shield(inner)


def _log_failure(done: asyncio.Future[Any]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        logger.warning("work that nobody waits for failed: %s", error, exc_info=error)
