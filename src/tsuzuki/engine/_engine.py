"""The engine: executions in memory, moved by synchronous transitions, made durable by the journal.

Owns: which runs are in memory, and what follows a transition (`settle`): its events go to the journal, its tasks
to matching, its wake-ups to the heap. All transitions happen on one event loop, so they are serial and need no
locks; between reading a run and settling it there is no `await`.

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
from typing import Final, Protocol

from temporalio.api.common.v1 import Priority
from temporalio.api.history.v1 import History

from tsuzuki.core import close, start, wakeup
from tsuzuki.core.activity import Activity, ActivityState
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import Limits
from tsuzuki.core.moment import Moment
from tsuzuki.core.priority import of_task
from tsuzuki.core.refusal import Refusal
from tsuzuki.core.times import SECOND
from tsuzuki.core.wake import WakeKey
from tsuzuki.core.workflow_task import ENGINE_IDENTITY, WorkflowTaskState
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import Batch, Store, StoredRun, StoreError, StoreFullError

from ._between_runs import deliver
from ._clock import Alarm, Clock
from ._journal import Journal
from ._loading import load
from ._matching import Matching, Poll, ReadyTask
from ._namespaces import Namespaces
from ._search_attributes import SearchAttributeRegister
from ._sweeper import Sweeper
from ._timers import WakeHeap

logger = logging.getLogger("tsuzuki.engine")

HORIZON_NS: Final = 60 * SECOND
"""Runs that are due within this time are in memory; later ones wait on disk."""
_RECOVERY_CHUNK: Final = 100
_REOPEN_INTERVAL_NS: Final = SECOND

Watch = Callable[[], None]


class HandWorkflowTask(Protocol):
    """Start the scheduled workflow task for a worker; `follows` if it has just answered the one before."""

    def __call__(self, run: Execution, poll: Poll, *, follows: bool = False) -> None: ...


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
        self.matching = Matching(self._hand, self._priority_of, clock.now_ns)
        self.journal = Journal(store, clock, self.search_attributes, self._on_durable, self._on_failed, self._told)
        self.namespaces = Namespaces(store, self.journal, new_id)
        self.sweeper = Sweeper(self)
        self.hand_workflow_task: HandWorkflowTask
        self.hand_activity: Callable[[Execution, int, Poll], bool]
        self.hand_query: Callable[[Execution, int, Poll], bool]
        self._cached_runs_max = self._evict_at = cached_runs_max
        self._runs: dict[int, Execution] = {}
        self._by_run_id: dict[tuple[str, str, str], Execution] = {}
        self._current: dict[tuple[str, str], Execution] = {}
        self._wakes = WakeHeap(clock, self._on_due, self._is_live)
        self._watches: dict[tuple[int, int, int], list[Watch]] = {}
        self._next_key = store.last_run_key + 1
        self._next_stamp = store.incarnation << 32  # none is given twice, by an earlier process neither
        self._failure: Exception | None = None
        self._started_over = False
        """A commit has failed before, so a worker in this process may have run ahead of the store."""
        self._quarantined: set[int] = set()
        """Runs on which a transition broke: shown, but neither changed nor woken."""
        self._evicted: set[int] = set()
        """Open runs that were here and are not; a wake-up of any other run that is not here is of a closed one."""
        self.undelivered: set[str] = set()
        """The request ids of starts of attempts by this process that no worker has seen."""
        self.closings: dict[tuple[str, str, str], Callable[[Execution], None]] = {}
        """By namespace, workflow id and first run id: who is told, in the same transaction, when the last run of a
        chain has closed."""
        self._until_writable: list[Watch] = []
        self._when_started_over: list[Watch] = []
        self._when_namespace_gone: list[Callable[[str], None]] = []
        self._evicting = False
        self._deleting: set[int] = set()
        """Runs that the store shows until their deletion is committed."""
        self._refill: Alarm | None = None
        self._recovery: Alarm | None = None
        self._closed = False

    # ---- runs --------------------------------------------------------------------------------------

    def limits_of(self, namespace: str) -> Limits:
        """The limits of what runs in a namespace."""
        return self._namespace_limits.get(namespace, self.limits)

    def moment(self, namespace: str) -> Moment:
        """Now, for a transition of a run in a namespace."""
        return Moment(self.clock.now_ns(), self.limits_of(namespace), self.new_id, self.search_attributes.kinds)

    def run(self, run_key: int) -> Execution | None:
        """A run by its key, loaded if need be."""
        run = self._runs.get(run_key)
        if run is None and run_key not in self._deleting:
            stored = self.store.run(run_key)
            run = None if stored is None else self._load(stored)
        return run

    def find(self, namespace: str, workflow_id: str, run_id: str) -> Execution | None:
        """A run by its ids; without a run id the newest one of the workflow id."""
        if not run_id:
            run = self._current.get((namespace, workflow_id))
            if run is not None:
                return run
            stored = self.store.current_run(namespace, workflow_id)
        else:
            run = self._by_run_id.get((namespace, workflow_id, run_id))
            if run is not None:
                return run
            stored = self.store.find_run(namespace, workflow_id, run_id)
        if stored is None or stored.new.run_key in self._deleting:
            return None
        run = self._runs.get(stored.new.run_key) or self._load(stored)
        if not run_id and self._failure is None:
            self._current[namespace, workflow_id] = run
        return run

    def create(self, namespace: str, workflow_id: str, run_id: str, start_request_id: str) -> Execution:
        """A new, empty run; the caller records its start and settles it."""
        run = Execution(self._next_key, namespace, workflow_id, run_id, start_request_id)
        self._next_key += 1
        run.is_new = True
        self._remember(run)
        self._current[namespace, workflow_id] = run
        return run

    def new_stamp(self) -> int:
        self._next_stamp += 1
        return self._next_stamp

    def _load(self, stored: StoredRun) -> Execution:
        run = load(self.store, stored, self.incarnation, self.moment(stored.new.namespace))
        if self._failure is not None or run.key in self._quarantined:
            return run  # to be looked at, not to be changed now
        if self._started_over:
            run.sticky_queue = None  # what its worker has in memory may never have been written
        for activity in run.activities.values() if self.undelivered else ():
            if activity.state == ActivityState.STARTED and activity.request_id in self.undelivered:
                activity.handed_out = False
                run.ready_activities.append(activity.scheduled_event_id)
        self._remember(run)
        self.settle(run)
        return run

    def _remember(self, run: Execution) -> None:
        self._runs[run.key] = run
        self._evicted.discard(run.key)
        self._by_run_id[run.namespace, run.workflow_id, run.run_id] = run
        if len(self._runs) > self._evict_at and not self._evicting:
            # Not now: somebody is about to change this very run, or another one that looks idle.
            self._evicting = True
            self.loop.call_soon(self._evict)

    def forget(self, run: Execution) -> None:
        """Take a run out of memory; the store has all of it."""
        self._runs.pop(run.key, None)
        self._by_run_id.pop((run.namespace, run.workflow_id, run.run_id), None)
        if self._current.get((run.namespace, run.workflow_id)) is run:
            del self._current[run.namespace, run.workflow_id]

    def delete(self, run_key: int) -> None:
        """Forget a run for good, with the next commit. Nobody is told: terminate it before if somebody should be."""
        run = self._runs.get(run_key)
        if run is not None:
            self.forget(run)
        self._evicted.discard(run_key)
        self._deleting.add(run_key)
        self.journal.put(lambda batch: batch.runs_gone.append(run_key))
        self.journal.when_durable(lambda error: self._deleting.discard(run_key))

    def _evict(self) -> None:
        """Make room: the longest known runs, as far as nothing is under way in them."""
        self._evicting = False
        surplus = len(self._runs) - self._cached_runs_max * 9 // 10
        idle = [run for run in self._runs.values() if self._is_idle(run)]
        for run in idle[:surplus]:
            self.forget(run)
            if run.wakes:
                self._evicted.add(run.key)
        # If most are busy, do not look through all of them again for the next few.
        self._evict_at = max(self._cached_runs_max, len(self._runs) + self._cached_runs_max // 10)

    def _is_idle(self, run: Execution) -> bool:
        return (
            not run.dirty
            and not self.journal.holds(run)  # else the store has an older state of it
            and run.workflow_task.state == WorkflowTaskState.NONE
            and not run.waiters
            and all(activity.state == ActivityState.SCHEDULED for activity in run.activities.values())
        )

    # ---- transitions -------------------------------------------------------------------------------

    def changing(self, run: Execution) -> Changing:
        """The frame of every transition: `with engine.changing(run): ...` and what it leaves is passed on.

        Raises:
            ServiceError: The run is quarantined, or this transition broke and quarantines it. A `Refusal` passes
                through: it comes before anything was changed.
        """
        if run.key in self._quarantined:
            raise self._internal(run)
        return Changing(self, run)

    def is_left_alone(self, run: Execution) -> bool:
        """Whether a transition of the run broke, so that `changing` refuses it until the next opening."""
        return run.key in self._quarantined

    def broke(self, run: Execution, error: Exception) -> ServiceError:
        """A transition or loading of `run` broke an assertion of this engine: drop what it may have half done."""
        logger.critical("internal error in %r; it is left alone until the next opening", run, exc_info=error)
        self._quarantined.add(run.key)
        if self._failure is None:
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
                self._wakes.push(due_ns, run.key, key)
            run.new_wakes.clear()
        if run.cancelled_activities:
            self._announce_cancels(run)
        if run.ready_workflow_task:
            run.ready_workflow_task = False
            self._offer_workflow_task(run)
        if run.ready_activities:
            ready, run.ready_activities = run.ready_activities, []
            for scheduled_event_id in ready:
                self._offer_activity(run, scheduled_event_id)
        if self.closings and not run.is_open and run.tail:  # else it closed in an earlier transaction
            self._tell_closing(run)
        if run.successor is not None:
            successor, run.successor = run.successor, None
            following = self.create(run.namespace, run.workflow_id, successor.run_id, self.new_id())
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

    def _priority_of(self, task: ReadyTask) -> Priority | None:
        run = self._runs.get(task[0])
        return None if run is None else of_task(run, task[1])

    def _offer_workflow_task(self, run: Execution) -> None:
        task = run.workflow_task
        if task.on_sticky_queue:
            assert run.sticky_queue is not None
            sticky = (run.namespace, run.sticky_queue, False)
            if self.matching.has_workers(sticky, self.clock.now_ns()):
                self.matching.offer(sticky, (run.key, 0))
                return
            task.on_sticky_queue = False  # its worker is gone: any worker may have the task, at once
            run.sticky_queue = None
        self.matching.offer((run.namespace, run.task_queue, False), (run.key, 0))

    def _offer_activity(self, run: Execution, scheduled_event_id: int) -> None:
        activity = run.activities.get(scheduled_event_id)
        if activity is not None:
            self.matching.offer((run.namespace, activity.task_queue, True), (run.key, scheduled_event_id))

    def settle_undelivered(self, run: Execution, activity: Activity) -> None:
        """A started attempt that never reached its worker waits for another one."""
        activity.handed_out = False
        self.undelivered.add(activity.request_id)
        self._offer_activity(run, activity.scheduled_event_id)

    def when_writable(self, callback: Watch) -> bool:
        """Call back when the store takes writes again; False if it does so now."""
        if self._failure is None:
            return False
        self._until_writable.append(callback)
        return True

    def when_started_over(self, callback: Watch) -> None:
        """Call back each time that memory was dropped after a failed commit, once the store takes writes again."""
        self._when_started_over.append(callback)

    def when_namespace_gone(self, callback: Callable[[str], None]) -> None:
        """Call back with the name of each namespace that is taken away for good, in the same transaction."""
        self._when_namespace_gone.append(callback)

    def forget_namespace(self, name: str) -> None:
        """Nothing is left in it: let go of it, and of what is its own."""
        self.namespaces.remove(name)
        self.search_attributes.forget(name)
        for callback in self._when_namespace_gone:
            callback(name)

    def new_request_id(self) -> str:
        """An id for a start that the engine itself makes: unique in the store, cheap."""
        return f"{self.new_stamp():x}"

    def frames(self, run: Execution, first_event_id: int) -> bytes:
        """The bytes of a `History` with the events of a run from an id on, durable or not."""
        if first_event_id >= run.tail_first_event_id:
            return b"".join(run.tail[first_event_id - run.tail_first_event_id :])
        stored = self.store.history(run.key, first_event_id, run.tail_first_event_id - 1)
        events = b"".join(batch.events for batch in stored)
        if stored and (
            stored[0].first_event_id < first_event_id or stored[-1].last_event_id >= run.tail_first_event_id
        ):
            history = History.FromString(events)
            events = History(
                events=[e for e in history.events if first_event_id <= e.event_id < run.tail_first_event_id]
            ).SerializeToString()
        return events + b"".join(run.tail)

    def _hand(self, task: ReadyTask, poll: Poll) -> bool:
        run_key, subject = task
        run = self.run(run_key)
        if run is None:
            return False
        if subject < 0:
            return self.hand_query(run, -subject, poll)
        if not run.is_open or run_key in self._quarantined:
            return False
        if subject:
            return self.hand_activity(run, subject, poll)
        if run.workflow_task.state != WorkflowTaskState.SCHEDULED:
            return False
        self.hand_workflow_task(run, poll)
        return True

    # ---- cancelled attempts ------------------------------------------------------------------------

    def watch(self, key: tuple[int, int, int], on_cancel: Watch) -> Callable[[], None]:
        """Call back when an attempt (run key, scheduled event id, attempt) should stop. Returns what ends the watch."""
        self._watches.setdefault(key, []).append(on_cancel)

        def unwatch() -> None:
            watching = self._watches.get(key)
            if watching is not None and on_cancel in watching:
                watching.remove(on_cancel)
                if not watching:
                    del self._watches[key]

        return unwatch

    def _announce_cancels(self, run: Execution) -> None:
        for scheduled_event_id, attempt in run.cancelled_activities:
            watching = self._watches.get((run.key, scheduled_event_id, attempt))
            if watching:
                for on_cancel in list(watching):
                    self.journal.when_durable(lambda error, tell=on_cancel: None if error else tell())  # type: ignore[misc]
        run.cancelled_activities.clear()

    # ---- time --------------------------------------------------------------------------------------

    def _on_due(self, run_key: int, due: list[tuple[WakeKey, int]]) -> None:
        if run_key not in self._runs and run_key not in self._evicted:
            return  # it closed meanwhile; reading it from the store to learn that would cost a tenth of a whole run
        try:
            run = self.run(run_key)
        except Exception:  # whatever happens to one run, the others are woken
            logger.critical("run with key %d cannot be loaded; it is left alone", run_key, exc_info=True)
            return
        if run is None or self._failure is not None:
            return
        if not any(run.wakes.get(key) == due_ns for key, due_ns in due):
            return
        with suppress(ServiceError), self.changing(run):
            now_ns = max(self.clock.now_ns(), *(due_ns for _, due_ns in due))  # the clock may just have been set back
            wakeup.wake(
                run, due, Moment(now_ns, self.limits_of(run.namespace), self.new_id, self.search_attributes.kinds)
            )

    def _is_live(self, run_key: int, key: WakeKey, due_ns: int) -> bool:
        run = self._runs.get(run_key)
        if run is None:
            return run_key in self._evicted and due_ns <= self.clock.now_ns() + HORIZON_NS
        return run.wakes.get(key) == due_ns

    # ---- recovery ----------------------------------------------------------------------------------

    def recover(self) -> None:
        """Load what is due, a chunk a turn of the loop, so that new requests are served meanwhile."""
        self._load_due(None, self.clock.now_ns() + HORIZON_NS)
        self._schedule_refill()
        self.sweeper.look()

    def _load_due(self, after: tuple[int, int] | None, until_ns: int) -> None:
        self._recovery = None
        try:
            due = self.store.due(until_ns, after, _RECOVERY_CHUNK)
        except StoreError as error:
            logger.error("what is due cannot be read and is looked for again: %s", error)
            again_ns = self.clock.now_ns() + _REOPEN_INTERVAL_NS
            self._recovery = self.clock.call_at(again_ns, lambda: self._load_due(after, until_ns))
            return
        for _, run_key in due:
            try:
                self.run(run_key)
            except Exception:
                logger.critical("run with key %d cannot be loaded; it is left alone", run_key, exc_info=True)
        if len(due) == _RECOVERY_CHUNK:
            last = due[-1]
            self._recovery = self.clock.call_at(self.clock.now_ns(), lambda: self._load_due(last, until_ns))

    def _schedule_refill(self) -> None:
        self._refill = self.clock.call_at(self.clock.now_ns() + HORIZON_NS // 2, self._refill_now)

    def _refill_now(self) -> None:
        """Bring in the runs that come due within the horizon and were left on disk."""
        if self._failure is None:
            now_ns = self.clock.now_ns()
            self._load_due((1, 0), now_ns + HORIZON_NS)
        self._schedule_refill()

    # ---- commits -----------------------------------------------------------------------------------

    def check_open(self) -> None:
        if self._closed:
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
        return self._failure is None and not self._closed

    def check_writable(self) -> None:
        """Refuse a write while the store does not take any."""
        self.check_open()
        if self._failure is not None:
            raise self._unavailable(self._failure)

    def _told(self, error: Exception) -> Exception:
        """What the callers learn whose changes were in a failed transaction."""
        unavailable = self._unavailable(error)
        unavailable.__cause__ = error
        return unavailable

    def _unavailable(self, error: Exception) -> ServiceError:
        return ServiceError(
            StatusCode.UNAVAILABLE,
            f"{error} Nothing is written until the store takes writes again; it is tried every second.",
        )

    def durable(self) -> asyncio.Future[None]:
        """To be awaited: done when all changes so far are on disk; ServiceError (UNAVAILABLE) if they may be lost."""
        return self.journal.durable()

    async def durable_if_writable(self) -> None:
        """Before a read: wait for what was acknowledged or is about to be. Reads go on when writes do not."""
        if self._failure is None:
            await self.durable()

    async def drain(self) -> None:
        """Return when nothing waits for a commit, or when the store does not take writes."""
        while self._failure is None and not self.journal.is_idle:
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
            waiters, run.waiters = run.waiters, []
            for waiter in waiters:
                waiter()
        if not run.is_open and not run.dirty:
            self.forget(run)

    def _on_failed(self, error: Exception) -> None:
        """A transaction failed, wholly or with an unknown outcome: memory is ahead of the disk, so drop it."""
        first = self._failure is None
        self._failure = error
        self._started_over = True
        if first:
            level = logging.WARNING if isinstance(error, StoreFullError) else logging.ERROR
            logger.log(level, "the store %s does not take writes: %s", self.store.name, error)
        self._wakes.clear()
        self.matching.forget_tasks()
        self.journal.reset()
        stranded = [run for run in self._runs.values() if run.waiters]
        self._runs.clear()
        self._evicted.clear()
        self._by_run_id.clear()
        self._current.clear()
        self._deleting.clear()
        for run in stranded:
            for waiter in run.waiters:
                waiter()
        self._try_later()

    def _try_later(self) -> None:
        for alarm in (self._recovery, self._refill):
            if alarm is not None:
                alarm.cancel()
        self._recovery = self.clock.call_at(self.clock.now_ns() + _REOPEN_INTERVAL_NS, self._try_again)

    def _try_again(self) -> None:
        if self._closed:
            return
        if not self.journal.is_idle:  # the other thread still waits for the disk
            self._try_later()
            return
        try:
            self.store.reopen()
            self.store.write(Batch())
            self.store.commit()
            self._next_key = max(self._next_key, self.store.last_run_key + 1)
            self.namespaces.load()
            for callback in self._when_started_over:
                callback()
        except StoreError as error:
            self._failure = error
            self._try_later()
            return
        logger.warning("the store %s takes writes again", self.store.name)
        self._failure = None
        self.recover()
        waiting, self._until_writable = self._until_writable, []
        for callback in waiting:
            callback()

    def close(self) -> None:
        """Stop. What is durable stays; nothing else needs to be done, now or at the next opening."""
        self._closed = True
        for alarm in (self._refill, self._recovery):
            if alarm is not None:
                alarm.cancel()
        self._wakes.clear()
        self.sweeper.stop()
        self.journal.close()
        self.store.close()
