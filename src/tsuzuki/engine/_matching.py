"""Task queues: work that is ready meets workers that wait.

Owns: for each queue the waiting polls and the backlog. A backlog entry is a hint: whether its task is still there
to be taken is asked of the run when a poll comes. It is in order of arrival, or of priority once one was seen; what is
offered again while it waits (by an operator, or by a run that was read from the store) waits once.
Invariants: a queue never has both a waiting poll and a backlog; one that a poll waits on is never forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from temporalio.api.common.v1 import Priority

from tsuzuki.core.priority import LEVEL_DEFAULT, level_of
from tsuzuki.core.times import SECOND

from ._priority_backlog import PriorityBacklog
from ._task_rates import Flow

RECENT_NS: Final = 10 * SECOND
"""A worker that polled this long ago is taken to be alive."""


POLLERS_MAX: Final = 1000
"""Workers of a queue that are remembered."""
SHUT_DOWN_MAX: Final = 10_000
QUEUES_KEPT: Final = 1000
"""As many queues are known without a look for those that nobody uses any more: each start of a worker has one."""
IDLE_NS: Final = 3600 * SECOND
"""A queue that nobody has polled for this long is forgotten, if nothing waits in it."""

# Plain tuples: a dozen are made for each step of a workflow, and a named one costs ten times as much to make.
QueueKey: TypeAlias = tuple[str, str, bool]
"""Namespace, name, and whether it is for activities."""

ReadyTask: TypeAlias = tuple[int, int]
"""Run key and subject: the scheduled event id of an activity attempt, 0 for the workflow task, or the negative number
of a query."""


class Poll:
    """One worker waiting for one task.

    Attributes:
        future: Gets the task, once it may be seen by the worker.
        local: The worker lives in this process.
        empty: The answer when nothing came in time.
        expired: Its time is over; the task that it was about to get is the last chance.
        queue_name: Of a poll for activities: where it waits.
        worker_key: Tells the worker from others, also those of its identity; empty if it does not say.
    """

    __slots__ = ("empty", "expired", "future", "identity", "local", "queue_name", "worker_key")

    def __init__(
        self, future: asyncio.Future[object], identity: str, local: bool, empty: object, worker_key: str = ""
    ) -> None:
        self.future = future
        self.identity = identity
        self.worker_key = worker_key
        self.local = local
        self.empty = empty
        self.queue_name = ""
        self.expired = False


@dataclass(slots=True)
class TaskQueue:
    waiting: deque[Poll] = field(default_factory=deque)
    backlog: deque[ReadyTask] | PriorityBacklog = field(default_factory=deque)
    queued: dict[ReadyTask, Priority | None] = field(default_factory=dict)
    """What is in the backlog, with the priority that it waits with."""
    last_poll_ns: int = 0
    pollers: dict[str, int] = field(default_factory=dict)
    """Identity -> when it polled last; the one that did so longest ago first."""
    flows: dict[int, Flow] = field(default_factory=dict)
    """By priority level."""
    sticky: bool = False
    """Of one worker alone, for the runs that it has in memory."""

    def flow(self, level: int, now_ns: int) -> Flow:
        found = self.flows.get(level)
        if found is None:
            found = self.flows[level] = Flow(now_ns)
        return found

    def next_task(self) -> tuple[int, ReadyTask]:
        """Take the next one out of the backlog, with its priority level."""
        backlog = self.backlog
        level, task = backlog.pop() if isinstance(backlog, PriorityBacklog) else (LEVEL_DEFAULT, backlog.popleft())
        self.queued.pop(task, None)
        return level, task

    def waiting_by_level(self) -> Mapping[int, int]:
        """How many tasks wait, by priority level."""
        backlog = self.backlog
        return backlog.counts if isinstance(backlog, PriorityBacklog) else {LEVEL_DEFAULT: len(backlog)}


Hand = Callable[[ReadyTask, Poll], bool]
"""Give a task to a poll; False if the task is not there any more."""


PriorityOf = Callable[[ReadyTask], Priority | None]
"""The priority of a task; None for the default."""


class Matching:
    def __init__(self, hand: Hand, priority_of: PriorityOf, now_ns: Callable[[], int]) -> None:
        self._hand = hand
        self._priority_of = priority_of
        self._now_ns = now_ns
        self._queues: dict[QueueKey, TaskQueue] = {}
        self._look_at = QUEUES_KEPT
        self._shut_down: dict[tuple[str, str], None] = {}
        """Namespace and key of workers that have gone, the last ones: polls that are still on their way end at once."""

    def known(self, key: QueueKey) -> TaskQueue | None:
        """A queue that was used before."""
        return self._queues.get(key)

    def names(self, namespace: str) -> set[str]:
        """The queues of a namespace that were used before, without those of single workers."""
        return {
            name
            for (of_namespace, name, _), queue in self._queues.items()
            if of_namespace == namespace and not queue.sticky
        }

    def shut_down(self, namespace: str, worker_key: str) -> None:
        """A worker takes no more tasks: all its polls end empty, those that come after this too."""
        self._shut_down[namespace, worker_key] = None
        if len(self._shut_down) > SHUT_DOWN_MAX:
            del self._shut_down[next(iter(self._shut_down))]
        for (of_namespace, _, _), queue in self._queues.items():
            if of_namespace != namespace:
                continue
            for poll in [each for each in queue.waiting if each.worker_key == worker_key]:
                queue.waiting.remove(poll)
                _end(poll)

    def forget_workers(self, key: QueueKey) -> list[ReadyTask]:
        """Nobody polls this (sticky) queue any more: its tasks are for all workers. Gives those that wait in it."""
        queue = self._queues.get(key)
        if queue is None:
            return []
        queue.last_poll_ns = -RECENT_NS
        while queue.waiting:
            _end(queue.waiting.popleft())
        left = []
        while queue.backlog:
            left.append(queue.next_task()[1])
        return left

    def queue(self, key: QueueKey) -> TaskQueue:
        found = self._queues.get(key)
        if found is None:
            if len(self._queues) >= self._look_at:
                self._forget_idle()
            found = self._queues[key] = TaskQueue()
        return found

    def _forget_idle(self) -> None:
        idle_since_ns = self._now_ns() - IDLE_NS
        self._queues = {
            key: queue
            for key, queue in self._queues.items()
            # What is left in the queue of a worker that has gone was given to others long ago.
            if queue.waiting or queue.last_poll_ns > idle_since_ns or (queue.backlog and not queue.sticky)
        }
        self._look_at = max(QUEUES_KEPT, 2 * len(self._queues))

    def offer(self, key: QueueKey, task: ReadyTask) -> None:
        """A task is ready: the longest waiting poll takes it, or it waits."""
        queue = self.queue(key)
        priority = self._priority_of(task)
        if task in queue.queued and queue.queued[task] == priority:
            return
        now_ns = self._now_ns()
        flow = queue.flow(level_of(priority), now_ns)
        flow.added.count(now_ns)
        while queue.waiting:
            poll = queue.waiting.popleft()
            if poll.future.done():
                continue  # its worker went away
            queue.last_poll_ns = now_ns  # it is not idle, whatever comes of this task
            if self._hand(task, poll):
                flow.dispatched.count(now_ns)
            else:
                queue.waiting.appendleft(poll)
            return
        self._queue_up(queue, task, priority)

    def _queue_up(self, queue: TaskQueue, task: ReadyTask, priority: Priority | None) -> None:
        """Put a task into the backlog, which is a plain one until a priority comes."""
        queue.queued[task] = priority
        if not isinstance(queue.backlog, PriorityBacklog):
            if priority is None:
                queue.backlog.append(task)
                return
            waiting, queue.backlog = queue.backlog, PriorityBacklog()
            for earlier in waiting:
                queue.backlog.append(earlier)
        queue.backlog.append(task, priority)

    def attach(self, key: QueueKey, poll: Poll, now_ns: int) -> None:
        """A worker waits: it takes the oldest ready task, or waits for the next."""
        queue = self.queue(key)
        queue.last_poll_ns = now_ns
        pollers = queue.pollers
        pollers.pop(poll.identity, None)
        pollers[poll.identity] = now_ns
        if len(pollers) > POLLERS_MAX:
            del pollers[next(iter(pollers))]
        if poll.worker_key and (key[0], poll.worker_key) in self._shut_down:
            _end(poll)
            return
        if not self._takes_from_backlog(queue, poll, now_ns):
            queue.waiting.append(poll)

    def _takes_from_backlog(self, queue: TaskQueue, poll: Poll, now_ns: int) -> bool:
        while queue.backlog:
            level, task = queue.next_task()
            if self._hand(task, poll):
                queue.flow(level, now_ns).dispatched.count(now_ns)
                return True
        return False

    def attach_again(self, key: QueueKey, poll: Poll) -> None:
        """The task that the poll was to get is gone: it waits on, first in line, or takes another."""
        if poll.future.done():
            return
        if poll.expired:
            poll.future.set_result(poll.empty)
            return
        queue, now_ns = self.queue(key), self._now_ns()
        queue.last_poll_ns = now_ns
        if not self._takes_from_backlog(queue, poll, now_ns):
            queue.waiting.appendleft(poll)

    def detach(self, key: QueueKey, poll: Poll) -> None:
        """The worker went away without a task."""
        queue = self._queues.get(key)
        if queue is not None and poll in queue.waiting:
            queue.waiting.remove(poll)

    def expire(self, key: QueueKey, poll: Poll) -> None:
        """The poll's time is over: it ends empty, unless it is about to get a task."""
        poll.expired = True
        queue = self.queue(key)
        if poll in queue.waiting:
            queue.waiting.remove(poll)
            if not poll.future.done():
                poll.future.set_result(poll.empty)

    def end_polls(self, namespace: str | None = None) -> None:
        """Answer all polls that wait (in a namespace) empty: their workers ask again, and learn why."""
        for (of_namespace, _, _), queue in self._queues.items():
            while namespace in (None, of_namespace) and queue.waiting:
                _end(queue.waiting.popleft())

    def has_workers(self, key: QueueKey, now_ns: int) -> bool:
        """Whether a worker waits on the queue, or did a moment ago."""
        queue = self._queues.get(key)
        return queue is not None and (bool(queue.waiting) or now_ns - queue.last_poll_ns < RECENT_NS)

    def forget_tasks(self) -> None:
        """Drop all backlogs; the waiting polls stay."""
        for queue in self._queues.values():
            queue.backlog.clear()
            queue.queued.clear()


def _end(poll: Poll) -> None:
    if not poll.future.done():
        poll.future.set_result(poll.empty)
