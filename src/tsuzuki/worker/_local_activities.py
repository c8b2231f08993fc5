"""The local activities of a worker: the slots they run in, and their end when the worker shuts down.

Invariant: at most as many attempts run as there are slots, and one that was given up keeps its slot until its code
has really ended. Once `stop` has returned none is running.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki.activity import ActivityDefinition

from ._activity_attempt import WORKER_SHUTDOWN, ActivityHost
from ._activity_runner import ActivityRunner, SyncExecutor
from ._alarms import Alarms
from ._interceptor import Interceptor
from ._local_attempt import LocalAttempt
from ._local_execution import LocalExecution
from ._machines._local_activity import LocalActivityMachine
from ._machines._local_activity_marker import LocalOutcome
from ._metrics import WorkerMetrics


class LocalActivities:
    """Runs local activities for all runs of a worker.

    Args:
        host: What all attempts share.
        definitions: Activities by name; the dynamic one under None.
        sync_executor: Runs those that are synchronous; None if there are none.
        slots: How many attempts run at a time.
        on_fatal: Told of an error after which the worker cannot go on.
        interceptors: Around every attempt, the first outermost.
        metrics: Measures; None not to.
    """

    def __init__(
        self,
        host: ActivityHost,
        definitions: Mapping[str | None, ActivityDefinition],
        sync_executor: SyncExecutor | None,
        *,
        slots: int,
        on_fatal: Callable[[BaseException], None],
        interceptors: Sequence[Interceptor] = (),
        metrics: WorkerMetrics | None = None,
    ) -> None:
        self.pace = host.pace
        self.alarms = Alarms(host.pace)
        self.stops_at_s = float("inf")
        """When the worker will run no more of them; then a workflow task that waits for one is handed over."""
        self.on_stop: list[Callable[[], object]] = []
        """Called when that is known."""
        self._host = host
        self._definitions = definitions
        self._runner = ActivityRunner(host, definitions, sync_executor, on_fatal, interceptors)
        execute = self._runner.execute
        self._execute = execute if metrics is None else metrics.local_activities(execute, slots)
        self._free = slots
        self._queue: deque[LocalExecution] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._context = contextvars.copy_context()

    def check(self, name: str) -> None:
        """Refuse an activity that this worker does not have.

        Raises:
            ValueError: It has none of that name.
        """
        if name in self._definitions or None in self._definitions:
            return
        known = sorted(known for known in self._definitions if known is not None)
        near = difflib.get_close_matches(name, known, n=1)
        raise ValueError(
            f"local activity {name!r} is not registered on this worker (task queue {self._host.task_queue!r}), which "
            "would run it itself; "
            + (f"did you mean {near[0]!r}? " if near else "")
            + f"It knows: {', '.join(known) or 'none'}"
        )

    def execute(
        self,
        machine: LocalActivityMachine,
        workflow: PollActivityTaskQueueResponse,
        report: Callable[[LocalOutcome], None],
    ) -> None:
        """Run a call.

        Args:
            machine: The call.
            workflow: Its workflow, as a task would name it.
            report: Told how it ended; not at once.
        """
        machine.execution = LocalExecution(self, machine, workflow, report)
        machine.execution.begin()

    # ---- slots -----------------------------------------------------------------------------------------------

    def queue(self, execution: LocalExecution) -> None:
        """Give a call a slot as soon as there is one."""
        if self._free and self.pace.now() < self.stops_at_s:
            self._free -= 1
            execution.start()
        else:
            self._queue.append(execution)

    def unqueue(self, execution: LocalExecution) -> None:
        """It needs none any more."""
        if execution in self._queue:
            self._queue.remove(execution)

    def run_attempt(self, execution: LocalExecution, task: PollActivityTaskQueueResponse) -> LocalAttempt:
        """Run an attempt as an asyncio task of its own."""
        attempt = LocalAttempt(self._host, task, self._loop, self._loop_thread)
        running = self._loop.create_task(
            self._run(execution, attempt), name=f"local activity {task.activity_id}", context=self._context.copy()
        )
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return attempt

    async def _run(self, execution: LocalExecution, attempt: LocalAttempt) -> None:
        try:
            outcome = await self._execute(attempt)
        finally:
            self._free += 1
            if self._queue and self.pace.now() < self.stops_at_s:
                self._free -= 1
                self._queue.popleft().start()
        execution.attempt_ended(attempt, outcome)

    # ---- the end ---------------------------------------------------------------------------------------------

    async def stop(self, grace: timedelta) -> None:
        """Let what runs go on for `grace`, then stop it, and wait for all."""
        self.stops_at_s = self.pace.now() + grace.total_seconds()
        for call in tuple(self.on_stop):
            call()
        if self._running and grace > timedelta(0):
            patience = asyncio.ensure_future(self.pace.sleep(grace.total_seconds()))
            ended = asyncio.ensure_future(self._ended())
            await asyncio.wait((ended, patience), return_when=asyncio.FIRST_COMPLETED)
            for waiting in (ended, patience):
                waiting.cancel()
            await asyncio.wait((ended, patience))
        self._runner.stop_all(WORKER_SHUTDOWN)
        await self._ended()
        self.alarms.close()

    async def _ended(self) -> None:
        while self._running:
            await asyncio.wait(tuple(self._running))
