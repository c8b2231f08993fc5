"""Synchronous activities in a thread pool: from an attempt to its outcome."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tsuzuki.activity import ActivityDefinition

from ._activity_arguments import decode_arguments
from ._activity_attempt import Attempt
from ._activity_outcome import Outcome, completed
from ._activity_thread import ThreadCall


class ThreadActivities:
    """Runs synchronous activities in threads; the activity's context goes with them."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.executor = executor

    async def run(self, attempt: Attempt, definition: ActivityDefinition) -> Outcome:
        """Run an attempt to its outcome, or raise what its code raised."""
        converter = attempt.host.converter
        args = decode_arguments(converter.payload_converter, definition, attempt.task)
        result = await self.call(attempt, definition, definition.fn, args)
        attempt.finish()
        return completed(attempt, result)

    async def call(
        self, attempt: Attempt, definition: ActivityDefinition, fn: Callable[..., Any], args: Sequence[Any]
    ) -> Any:
        """Call a function for an attempt and return its result."""
        call = ThreadCall(fn, args, raise_on_cancel=not definition.no_thread_cancel_exception)
        attempt.shield = call.shield  # before the thread can look for it
        running = self.executor.submit(contextvars.copy_context().run, call.run)

        def interrupt() -> None:
            if not running.cancel():  # still in the pool's queue: then it never starts
                call.cancel()

        attempt.interrupt = interrupt
        return await asyncio.wrap_future(running)

    def worker_shutdown(self) -> None:
        """Nothing to tell: threads see the worker's event."""

    async def close(self) -> None:
        """Nothing of its own to close."""
