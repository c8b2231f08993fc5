"""Runs one polled activity task: decode, call, encode, respond.

The path of an async activity that succeeds is kept bare on purpose: it runs in the asyncio task that polled
it, makes one `Attempt`, and awaits nothing but the user's code and the response.

Invariant: every attempt ends in at most one response, and in exactly one unless the user's code completes it
from elsewhere or the engine no longer knows it.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any, Final, Protocol

from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki import activity
from tsuzuki.activity import ActivityCancellationDetails, ActivityDefinition, CompleteAsyncSignal, current_context
from tsuzuki.exceptions import ApplicationError, CancelledError

from ._activity_arguments import decode_arguments
from ._activity_attempt import ActivityHost, Attempt
from ._activity_chain import ActivityChain, SyncCall
from ._activity_info import seconds_left
from ._activity_outcome import (
    Outcome,
    canceled,
    completed,
    error_of_cancellation,
    failed,
    failure_of,
    is_benign,
    is_cancellation,
)
from ._activity_respond import respond
from ._interceptor import Interceptor

OVERDUE_CHECK_S: Final = 5.0
OVERDUE_GRACE_S: Final = 5.0
"""How much later than the engine the worker gives an attempt up: the answer may be on its way."""
TIMED_OUT: Final = ActivityCancellationDetails(timed_out=True)

_logger = logging.getLogger("tsuzuki.worker")


class SyncExecutor(SyncCall, Protocol):
    """Runs synchronous activities off the loop."""

    async def run(self, attempt: Attempt, definition: ActivityDefinition) -> Outcome:
        """Run an attempt to its outcome, or raise what its code raised."""
        ...

    def worker_shutdown(self) -> None:
        """Tell running attempts that the worker is shutting down, where they cannot see it themselves."""
        ...

    async def close(self) -> None:
        """Give back what it holds; no attempt is running any more."""
        ...


class ActivityRunner:
    """Runs the attempts of one worker and can stop them all."""

    def __init__(
        self,
        host: ActivityHost,
        definitions: Mapping[str | None, ActivityDefinition],
        sync_executor: SyncExecutor | None,
        on_fatal: Callable[[BaseException], None],
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        self._host = host
        self._definitions = definitions
        self._dynamic = definitions.get(None)
        self._sync_executor = sync_executor
        self._on_fatal = on_fatal
        self._chain = ActivityChain(interceptors, sync_executor) if interceptors else None
        self._attempts: set[Attempt] = set()
        self._stopped_for: ActivityCancellationDetails | None = None
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def stop_all(self, details: ActivityCancellationDetails) -> None:
        """Tell every running attempt to stop, and those that are still on their way."""
        self._stopped_for = details
        for attempt in tuple(self._attempts):
            attempt.stop(details)

    async def watch_overdue(self) -> None:
        """Stop attempts that have run past their timeout; runs until cancelled.

        The engine has given such an attempt up and may run the next one elsewhere. Code that sends no
        heartbeats would never hear of it, and would hold its slot for as long as it likes.
        """
        pace = self._host.pace
        while True:
            await pace.sleep(OVERDUE_CHECK_S)
            now_s = pace.now()
            for attempt in tuple(self._attempts):
                if now_s > attempt.started_s + seconds_left(attempt.task) + OVERDUE_GRACE_S:
                    attempt.stop(TIMED_OUT)

    async def run(self, task: PollActivityTaskQueueResponse) -> None:
        """Run an attempt and tell the service how it ended; its own asyncio task must be the caller's.

        Raises:
            asyncio.CancelledError: The asyncio task was cancelled from outside; nothing was told.
        """
        attempt = Attempt(self._host, task, self._loop, self._loop_thread)
        outcome = await self.execute(attempt)
        if outcome is not None:
            await respond(attempt, outcome)

    async def execute(self, attempt: Attempt) -> Outcome:
        """Run an attempt to its outcome; its own asyncio task must be the caller's.

        Raises:
            asyncio.CancelledError: The asyncio task was cancelled from outside.
        """
        host, task = self._host, attempt.task
        self._attempts.add(attempt)
        if self._stopped_for is not None:
            self._loop.call_soon(attempt.stop, self._stopped_for)
        unwatch = attempt.watch()
        current_context.set(attempt)
        try:
            definition = self._definitions.get(task.activity_type.name) or self._dynamic
            if definition is None:
                raise self._unknown(task)
            if self._chain is not None:
                return await self._run_in_chain(self._chain, attempt, definition)
            if definition.is_async:
                args = decode_arguments(host.converter.payload_converter, definition, task)
                result = await self._call_async(attempt, definition.fn, args)
                attempt.finish()
                return completed(attempt, result)
            assert self._sync_executor is not None, "the worker gives one when it has such activities"
            return await self._sync_executor.run(attempt, definition)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            return self._outcome_of(attempt, error)
        finally:
            unwatch()
            self._attempts.discard(attempt)
            attempt.finish()

    async def _run_in_chain(self, chain: ActivityChain, attempt: Attempt, definition: ActivityDefinition) -> Outcome:
        args = decode_arguments(self._host.converter.payload_converter, definition, attempt.task)
        result = await self._call_async(attempt, chain.around(attempt, definition, args), ())
        attempt.finish()
        return completed(attempt, result)

    async def _call_async(self, attempt: Attempt, fn: Callable[..., Any], args: Sequence[Any]) -> Any:
        this = asyncio.current_task()
        assert this is not None
        interrupted = False

        def cancel() -> None:
            nonlocal interrupted
            if not attempt.done:
                interrupted = this.cancel()

        # Not at once: the wish may come from the activity's own step, and a task that cancels itself would
        # meet the cancellation at a later wait, perhaps one of ours.
        attempt.interrupt = lambda: self._loop.call_soon(cancel)
        try:
            return await fn(*args)
        finally:
            attempt.done = True
            if interrupted:
                this.uncancel()

    def _outcome_of(self, attempt: Attempt, error: BaseException) -> Outcome:
        last_heartbeat = attempt.finish()
        if isinstance(error, CompleteAsyncSignal):
            return None
        if is_cancellation(error):
            details = attempt.cancellation_details
            if details is None:
                this = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and this is not None and this.cancelling():
                    raise error  # not by us: the loop is being torn down
            elif attempt.error is not None:
                error = attempt.error
            elif details.not_found or details.timed_out:
                activity.logger.debug("Activity stopped; the engine no longer knows this attempt")
                return None
            elif details.cancel_requested:
                reported = error.details if isinstance(error, CancelledError) else ()
                activity.logger.debug("Activity cancelled")
                return canceled(attempt, self._host.converter.payload_converter.to_payloads(reported))
            else:
                error = error_of_cancellation(details) or error
        return self._failed(attempt, error, last_heartbeat)

    def _failed(self, attempt: Attempt, error: BaseException, last_heartbeat: Payloads | None) -> Outcome:
        if isinstance(error, BrokenExecutor):
            self._on_fatal(error)
        level = logging.DEBUG if is_benign(error) else logging.WARNING
        activity.logger.log(level, "Activity failed: %s: %s", type(error).__name__, error, exc_info=error)
        return failed(attempt, failure_of(self._host, error), last_heartbeat)

    def _unknown(self, task: PollActivityTaskQueueResponse) -> ApplicationError:
        known = sorted(name for name in self._definitions if name is not None)
        nearest = difflib.get_close_matches(task.activity_type.name, known, n=1)
        return ApplicationError(
            f"activity {task.activity_type.name!r} is not registered on this worker "
            f"(task queue {self._host.task_queue!r}); "
            + (f"did you mean {nearest[0]!r}? " if nearest else "")
            + f"It knows: {', '.join(known) or 'none'}. What an agent, a budget or a log brings along is given to it "
            "too, as in activities=[..., *agent.activities]. It is tried again as its retry policy allows",
            type="NotFoundError",
        )
