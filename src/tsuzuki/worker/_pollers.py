"""What every poller does: ask, wait out an outage, stop without losing a task that was already handed over.

A slot is one asyncio task. It polls only when it has room to run what comes, so nothing is ever taken from
a queue to wait here. With an engine in this process all slots poll at once, so that the engine knows each
free one; over the network a few polls at a time are enough.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from temporalio.api.worker.v1 import WorkerSlotsInfo

from tsuzuki.service import ServiceError

from ._pace import Outage, Pace, is_transient
from ._turns import Turns

_logger = logging.getLogger("tsuzuki.worker")


class PolledTask(Protocol):
    """An answer to a poll; without a token it is empty."""

    @property
    def task_token(self) -> bytes: ...


Task = TypeVar("Task", bound=PolledTask)
Request = TypeVar("Request")


class TaskSource(Generic[Request, Task]):
    """One queue to poll, shared by the slots that poll it.

    Args:
        poll: The RPC.
        request: Its request, the same each time.
        polls_max: Most polls at a time; None for as many as there are slots.
        on_fatal: Told of a refusal that no later poll will escape.
        pace: Time and chance.
        what: Name of the poll in log lines.

    Attributes:
        turns: The slots' turns to poll; None if there is no bound.
    """

    def __init__(
        self,
        poll: Callable[[Request], Awaitable[Task]],
        request: Request,
        *,
        polls_max: int | None,
        on_fatal: Callable[[BaseException], None],
        pace: Pace,
        what: str,
    ) -> None:
        self._poll = poll
        self._request = request
        self.turns: Turns[Task] | None = None if polls_max is None else Turns(polls_max)
        self._on_fatal = on_fatal
        self._outage = Outage(what, pace, _logger)
        self._polling: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._closed = False

    def finish(self) -> None:
        """Begin no further poll; those that are open go on."""
        self._closed = True
        if self.turns is not None:
            self.turns.close()

    async def polls_ended(self) -> None:
        """Wait until no poll is open."""
        while self._polling:
            self._idle.clear()
            await self._idle.wait()

    def close(self) -> None:
        """End every poll; those that have a task already keep it."""
        self.finish()
        for slot in tuple(self._polling):
            self._end_poll(slot)

    async def take(self, this: asyncio.Task[None]) -> Task | None:
        """Return the next task; None once the source is closed. `this` is the asyncio task that calls."""
        failures = 0
        self._polling.add(this)
        try:
            while not self._closed:
                try:
                    task = await (self._poll(self._request) if self.turns is None else self._poll_in_turn(self.turns))
                except ServiceError as error:
                    refused = error
                else:
                    if task is not None and task.task_token:
                        self._outage.over()
                        return task
                    failures = 0
                    await asyncio.sleep(0)  # a service that answers empty at once must not starve the loop
                    continue
                if not is_transient(refused):
                    self._on_fatal(refused)
                    return None
                failures += 1
                await self._outage.wait(refused, failures)
        except asyncio.CancelledError:
            if not self._closed:
                raise
            this.uncancel()
        finally:
            self._polling.discard(this)
            if not self._polling:
                self._idle.set()
        return None

    async def _poll_in_turn(self, turns: Turns[Task]) -> Task | None:
        handed = await turns.take()
        if handed is not None:
            return handed
        try:
            return None if self._closed else await self._poll(self._request)
        finally:
            turns.end()

    def _end_poll(self, slot: asyncio.Task[None]) -> None:
        if slot not in self._polling or slot.done():
            return
        # Cancelling a task that is about to be resumed with an answer would throw that answer away. What it
        # waits for tells: only a wait that is still open may be cancelled; otherwise look again a step later.
        waiting_for = getattr(slot, "_fut_waiter", None)
        if self.turns is not None and self.turns.is_kept(waiting_for):
            return  # it gets a task, or its turn and then the end
        if waiting_for is None or waiting_for.done():
            asyncio.get_running_loop().call_soon(self._end_poll, slot)
        else:
            slot.cancel()


class Slots(Generic[Request, Task]):
    """A number of slots that take tasks from one source and run them.

    Args:
        source: Where tasks come from.
        execute: Runs one task to its end.
        renew: True for user code: a slot runs one task in its own asyncio task and then opens its
            successor. So each attempt has the asyncio task that cancellation needs, without a hand-over, and
            context variables that one attempt sets never reach the next.
        on_fatal: Told of an error that `execute` let escape.

    Attributes:
        taken: Tasks that were taken so far.
        ended: Those of them that have ended.
    """

    def __init__(
        self,
        source: TaskSource[Request, Task],
        execute: Callable[[Task], Awaitable[None]],
        *,
        renew: bool,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._source = source
        self._execute = execute
        self._renew = renew
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._open: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._all_closed = asyncio.Event()
        self._closed = False
        self.taken = 0
        self.ended = 0
        self._context = contextvars.copy_context()

    def open(self, count: int) -> None:
        """Open slots; they begin to poll at once."""
        for _ in range(count):
            self._open_one()

    def finish(self) -> None:
        """Begin no further poll; those that are open go on."""
        self._source.finish()

    async def polls_ended(self) -> None:
        """Wait until no poll is open."""
        await self._source.polls_ended()

    async def close(self) -> None:
        """Stop polling and wait until every running task has ended."""
        self._closed = True
        self._source.close()
        if self._open or self._beside:
            await self._all_closed.wait()

    def step_aside(self) -> None:
        """Let the task that calls this run on beside the slots, and open a slot in place of its own."""
        this = asyncio.current_task()
        if this in self._open and not self._closed:
            self._open.remove(this)
            self._beside.add(this)
            self._open_one()

    def _open_one(self) -> None:
        self._open.add(self._loop.create_task(self._run(), context=self._context.copy()))

    async def _run(self) -> None:
        this = asyncio.current_task()
        assert this is not None
        try:
            while (task := await self._source.take(this)) is not None:
                self.taken += 1
                await self._execute(task)
                self.ended += 1
                if self._renew:
                    return
            self._closed = True
        except asyncio.CancelledError:
            self._closed = True  # the loop is being torn down
            raise
        except Exception as error:
            _logger.exception("A worker slot failed")
            self._on_fatal(error)
        finally:
            if this in self._beside:
                self._beside.remove(this)
            else:
                self._open.discard(this)
                if not self._closed:
                    self._open_one()
            if self._closed and not self._open and not self._beside:
                self._all_closed.set()


def tell_slots(info: WorkerSlotsInfo, slots: Slots[Request, Task], count: int) -> None:
    """Add what a number of slots has in use and has done. A task that stepped aside takes no slot."""
    used = min(slots.taken - slots.ended, count)
    info.current_used_slots += used
    info.current_available_slots += count - used
    info.total_processed_tasks += slots.ended
    info.slot_supplier_kind = "Fixed"
