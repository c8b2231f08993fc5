"""The engine: executions moved by synchronous transitions, made durable by the journal.

Owns: what follows a transition (`settle`): its events go to the journal, its tasks to their queues, its wake-ups to
the heap; and what a commit makes of it. All transitions happen on one event loop, so they are serial and need no
locks; between reading a run and settling it there is no `await`. The files beside this one own the rest: which runs
are in memory (`_runs`), opening and starting over (`_recovery`), the way of a task to its worker (`_ready_tasks`).

Crash-only: opening is recovering. After a failed commit the engine starts over from the store in the same way, and
until that succeeds it refuses to write. So it does when a transition breaks one of its own assertions, for nothing of
a half-made change may reach the disk; the run in question is then left alone until the next opening.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType

from tsuzuki.core import close, start, wakeup
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import Limits
from tsuzuki.core.moment import Moment
from tsuzuki.core.refusal import Refusal
from tsuzuki.core.wake import WakeKey
from tsuzuki.core.workflow_task import ENGINE_IDENTITY
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import Store

from ._between_runs import deliver
from ._caller import CALLER
from ._cancel_watches import CancelWatches
from ._clock import Clock
from ._journal import Journal
from ._matching import Matching
from ._namespaces import Namespaces
from ._news import tell_news
from ._ready_tasks import ReadyTasks
from ._recovery import Recovery, unavailable
from ._runs import Runs
from ._search_attributes import SearchAttributeRegister
from ._sweeper import Sweeper
from ._timers import WakeHeap

logger = logging.getLogger("tsuzuki.engine")


class Changing:
    """See `Engine.changing`. A class and not a generator: it frames every transition, so its cost counts."""

    __slots__ = ("_engine", "_run")

    def __init__(self, engine: Engine, run: Execution) -> None:
        self._engine = engine
        self._run = run

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.caller = None
        if kind is None:
            try:
                self._engine.settle(self._run)
            except ServiceError:
                raise
            except Exception as broken:
                raise self._engine.broke(self._run, broken) from broken
        elif isinstance(error, Exception) and not isinstance(error, (Refusal, ServiceError)):
            raise self._engine.broke(self._run, error) from error


class Engine:
    """One store's executions. The RPCs are in the files beside this one; all go through here."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        limits: Limits,
        namespace_limits: Mapping[str, Limits] | None = None,
        cached_runs_max: int = 10_000,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = store
        self.clock = clock
        self.new_id = new_id
        self.limits = limits
        """Where there is no namespace to ask for its own: of names, and of what is not in one."""
        self._namespace_limits = dict(namespace_limits or {})
        self.incarnation = store.incarnation
        self.search_attributes = SearchAttributeRegister(store)
        self.runs = Runs(self, cached_runs_max)
        self.recovery = Recovery(self)
        self.ready_tasks = ReadyTasks(self)
        self.matching = Matching(self.ready_tasks.hand, self.ready_tasks.priority_of, clock.now_ns)
        self.journal = Journal(
            store, clock, self.search_attributes, self._on_durable, self.recovery.start_over, unavailable
        )
        self.namespaces = Namespaces(store, self.journal, new_id)
        self.sweeper = Sweeper(self)
        self.cancel_watches = CancelWatches(self.journal)
        self.wakes = WakeHeap(clock, self._on_due, self.runs.awaits)
        self.left_alone: set[int] = set()
        """Keys of runs on which a transition broke: shown, but neither changed nor woken until the next opening."""
        self.closings: dict[tuple[str, str, str], Callable[[Execution], None]] = {}
        """By namespace, workflow id and first run id: who is told, in the same transaction, when the last run of a
        chain has closed."""
        self.closed = False
        self._next_stamp = store.incarnation << 32  # none is given twice, by an earlier process neither
        self._when_namespace_gone: list[Callable[[str], None]] = []

    # ---- what transitions are given ----------------------------------------------------------------

    def limits_of(self, namespace: str) -> Limits:
        """The limits of what runs in a namespace."""
        return self._namespace_limits.get(namespace, self.limits)

    def moment(self, namespace: str) -> Moment:
        """Now, for a transition of a run in a namespace."""
        return Moment(self.clock.now_ns(), self.limits_of(namespace), self.new_id, self.search_attributes.kinds)

    def new_stamp(self) -> int:
        self._next_stamp += 1
        return self._next_stamp

    def new_request_id(self) -> str:
        """An id for a start that the engine itself makes: unique in the store, cheap."""
        return f"{self.new_stamp():x}"

    # ---- transitions -------------------------------------------------------------------------------

    def changing(self, run: Execution) -> Changing:
        """The frame of every transition: `with engine.changing(run): ...` and what it leaves is passed on.

        Raises:
            ServiceError: The run is quarantined, or this transition broke and quarantines it. A `Refusal` passes
                through: it comes before anything was changed.
        """
        if run.key in self.left_alone:
            raise self._internal(run)
        return Changing(self, run)

    def asked_to_change(self, run: Execution) -> Changing:
        """`changing`, for what the caller of the RPC at hand asks of a run: the run is told who that is."""
        changing = self.changing(run)
        run.caller = CALLER.get()
        return changing

    def broke(self, run: Execution, error: Exception) -> ServiceError:
        """A transition or loading of `run` broke an assertion of this engine: drop what it may have half done."""
        logger.critical("internal error in %r; it is left alone until the next opening", run, exc_info=error)
        self.left_alone.add(run.key)
        if self.recovery.failure is None:
            self.journal.fail(error)
        return self._internal(run)

    def _internal(self, run: Execution) -> ServiceError:
        return ServiceError(
            StatusCode.INTERNAL,
            f"workflow '{run.workflow_id}', run {run.run_id}: an earlier internal error (see the log) left it alone; "
            "its history is intact. Please report the error; opening the store anew tries again.",
        )

    def settle(self, run: Execution) -> None:
        """Pass on what a transition left in `run`."""
        limits = self.limits_of(run.namespace)
        if run.is_open and run.next_event_id > limits.history_events_max:
            self._end_too_long(run, f"{run.next_event_id - 1:,} events", f"{limits.history_events_max:,}")
        elif run.is_open and run.history_bytes > limits.history_bytes_max:
            self._end_too_long(run, f"{run.history_bytes:,} bytes", f"{limits.history_bytes_max:,}")
        if run.outgoing:
            deliver(self, run)
        if run.dirty:
            self.journal.touch(run)
        if run.new_wakes:
            for due_ns, key in run.new_wakes:
                self.wakes.push(due_ns, run.key, key)
            run.new_wakes.clear()
        if run.cancelled_activities:
            self.cancel_watches.announce(run)
        if run.ready_workflow_task:
            run.ready_workflow_task = False
            self.ready_tasks.offer_workflow_task(run)
        if run.ready_activities:
            ready, run.ready_activities = run.ready_activities, []
            for scheduled_event_id in ready:
                self.ready_tasks.offer_activity(run, scheduled_event_id)
        if self.closings and not run.is_open and run.tail:  # else it closed in an earlier transaction
            self._tell_closing(run)
        if run.successor is not None:
            successor, run.successor = run.successor, None
            following = self.runs.create(run.namespace, run.workflow_id, successor.run_id, self.new_id())
            start.succeed(following, successor.started, self.clock.now_ns())
            self.settle(following)

    def _tell_closing(self, run: Execution) -> None:
        key = (run.namespace, run.workflow_id, run.started.first_execution_run_id)
        if key not in self.closings or close.next_run_id(run):
            return
        told = self.closings.pop(key)
        try:
            told(run)
        except ServiceError:
            logger.warning("the end of %r was told in vain", run, exc_info=True)

    def _end_too_long(self, run: Execution, size: str, limit: str) -> None:
        reason = (
            f"the history of this run has {size}, the limit is {limit}; continue as new before that, or do the "
            "work in child workflows."
        )
        close.terminate(run, reason, None, ENGINE_IDENTITY, self.moment(run.namespace))

    # ---- time --------------------------------------------------------------------------------------

    def _on_due(self, run_key: int, due: list[tuple[WakeKey, int]]) -> None:
        if run_key not in self.runs.in_memory and run_key not in self.runs.evicted:
            return  # it closed meanwhile; reading it from the store to learn that would cost a tenth of a whole run
        try:
            run = self.runs.get(run_key)
        except Exception:  # whatever happens to one run, the others are woken
            logger.critical("run with key %d cannot be loaded; it is left alone", run_key, exc_info=True)
            return
        if run is None or self.recovery.failure is not None:
            return
        if not any(run.wakes.get(key) == due_ns for key, due_ns in due):
            return
        with suppress(ServiceError), self.changing(run):
            now_ns = max(self.clock.now_ns(), *(due_ns for _, due_ns in due))  # the clock may just have been set back
            wakeup.wake(
                run, due, Moment(now_ns, self.limits_of(run.namespace), self.new_id, self.search_attributes.kinds)
            )

    # ---- what may be asked for now -----------------------------------------------------------------

    def check_open(self) -> None:
        if self.closed:
            raise ServiceError(StatusCode.UNAVAILABLE, "the engine is closed")

    def check_namespace(self, namespace: str) -> None:
        self.namespaces.check(namespace)

    def check_token_namespace(self, namespace: str, run: Execution) -> None:
        """Refuse a token that was given out in another namespace than the one that a request names, if any."""
        if namespace != run.namespace and namespace:
            self.namespaces.check(namespace)
            raise ServiceError(
                StatusCode.INVALID_ARGUMENT,
                f"the task token is of another namespace than '{namespace}', which the request names.",
            )

    @property
    def writable(self) -> bool:
        return self.recovery.failure is None and not self.closed

    def check_writable(self) -> None:
        """Refuse a write while the store does not take any."""
        self.check_open()
        if self.recovery.failure is not None:
            raise unavailable(self.recovery.failure)

    # ---- commits -----------------------------------------------------------------------------------

    def durable(self) -> asyncio.Future[None]:
        """To be awaited: done when all changes so far are on disk; ServiceError (UNAVAILABLE) if they may be lost."""
        return self.journal.durable()

    async def durable_if_writable(self) -> None:
        """Before a read: wait for what was acknowledged or is about to be. Reads go on when writes do not."""
        if self.recovery.failure is None:
            await self.durable()

    async def drain(self) -> None:
        """Return when nothing waits for a commit, or when the store does not take writes."""
        while self.recovery.failure is None and not self.journal.is_idle:
            await self.durable_if_writable()

    def _on_durable(self, run: Execution, last_event_id: int) -> None:
        run.durable_event_id = last_event_id
        if run.request_ids and not run.new_request_ids:
            run.request_ids.clear()
        keep_from = min(last_event_id, run.previous_started_event_id) + 1
        seen = keep_from - run.tail_first_event_id
        if seen > 0 and run.is_open:
            del run.tail[:seen]
            run.tail_first_event_id = keep_from
        if run.waiters:
            tell_news(run)
        if not run.is_open:
            self.runs.let_go(run)

    # ---- the end: of a namespace, and of it all ----------------------------------------------------

    def when_namespace_gone(self, callback: Callable[[str], None]) -> None:
        """Call back with the name of each namespace that is taken away for good, in the same transaction."""
        self._when_namespace_gone.append(callback)

    def forget_namespace(self, name: str) -> None:
        """Nothing is left in it: let go of it, and of what is its own."""
        self.namespaces.remove(name)
        self.search_attributes.forget(name)
        for callback in self._when_namespace_gone:
            callback(name)

    def close(self) -> None:
        """Stop. What is durable stays; nothing else needs to be done, now or at the next opening."""
        self.closed = True
        self.recovery.stop()
        self.wakes.clear()
        self.sweeper.stop()
        self.journal.close()
        self.store.close()
