"""TSU010: threads, pools, and other event loops."""

from __future__ import annotations

from typing import Final

from ._forbidden import IN_ACTIVITY, calls, each
from ._rule import Rule

_TASK: Final = "asyncio.create_task(...) for what decides, an activity for what works"
_LOCK: Final = "the asyncio class of the same name"

_CALLS: Final = {
    "asyncio.to_thread": IN_ACTIVITY,
    **each("asyncio.get_running_loop()", "run_in_executor", IN_ACTIVITY),
    **each("asyncio.get_event_loop()", "run_in_executor", IN_ACTIVITY),
    **each("asyncio", "run run_coroutine_threadsafe new_event_loop", "await it: the workflow has an event loop"),
    **each("threading", "Thread Timer", _TASK),
    **each("threading", "Lock RLock Event Condition Semaphore BoundedSemaphore Barrier", _LOCK),
    **each("_thread", "start_new_thread", _TASK),
    **each("concurrent.futures", "ThreadPoolExecutor ProcessPoolExecutor InterpreterPoolExecutor", _TASK),
    **each("concurrent.futures", "wait as_completed", "the asyncio function of the same name"),
}

RULE: Final = Rule(
    code="TSU010",
    name="threads",
    why=(
        "The system decides which thread runs when, and differently each time; the workflow's own event loop runs "
        "everything in the same order on every replay. A lock of `threading` stops the whole worker."
    ),
    bad="total = await asyncio.to_thread(add_up, order)",
    good="total = await workflow.execute_activity(add_up, order, start_to_close_timeout=MINUTE)",
    check=calls(_CALLS, "leaves the workflow's event loop, whose order is the same on every replay"),
    calls=_CALLS,
)
