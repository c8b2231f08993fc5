"""Workflow tasks that stay open while the worker runs local activities for them.

What the code asks for is sent when the last of them has ended. If that takes longer than most of the time that a
worker has for a workflow task, the task is answered with what there is, and another one follows at once: a heartbeat.
The activities run on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Final

from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse

from tsuzuki.exceptions import TsuzukiError

from ._activation import go_on
from ._activity_attempt import WORKER_SHUTDOWN
from ._local_activities import LocalActivities
from ._local_calls import LocalCalls
from ._machines._local_activity import LocalActivityMachine
from ._machines._local_activity_marker import LocalOutcome
from ._workflow_run import WorkflowRun

HEARTBEAT_SHARE: Final = 0.8
"""Part of a workflow task's timeout after which it is answered."""
DEFAULT_TIMEOUT_S: Final = 10.0
IDLE_S_MAX: Final = 10.0
"""How long a run is kept for the next workflow task once its activities have ended; then it is as any cached one."""


class TaskSupersededError(TsuzukiError):
    """The service has given this run's workflow task up and handed out another one."""


class Held(Enum):
    """Why a workflow task is answered."""

    ENDED = "no local activity is left"
    HEARTBEAT = "the local activities take longer; another task is to follow at once"
    HANDED_OVER = "the worker stops; another task is to follow, for another worker"


class OpenTasks:
    """Holds workflow tasks open, and keeps their runs while local activities run between two of them.

    Args:
        local: Runs the activities.
        namespace: Namespace of the worker.
        put_by: Given a run whose activities have ended between two workflow tasks.
    """

    def __init__(self, local: LocalActivities, *, namespace: str, put_by: Callable[[str, WorkflowRun], object]) -> None:
        self._local = local
        self._namespace = namespace
        self._put_by = put_by
        self._held: dict[str, LocalCalls] = {}
        self._between: dict[str, WorkflowRun] = {}
        local.on_stop.append(self._look_again)

    def begin(self, run_id: str) -> float:
        """Note that a workflow task has come: whoever holds an earlier one of its run is to let go.

        Returns:
            The time, for `hold`.
        """
        calls = self._held.pop(run_id, None)
        if calls is not None:
            calls.close()
        return self._local.pace.now()

    # ---- runs between two workflow tasks -------------------------------------------------------------------

    def keep(self, run_id: str, run: WorkflowRun) -> None:
        """Keep a run, whatever the size of the cache: eviction would throw away what its activities do."""
        self._between[run_id] = run
        self._release_if_idle(run_id)

    def take(self, run_id: str) -> WorkflowRun | None:
        """Remove a run and return it, if it is here."""
        return self._between.pop(run_id, None)

    def close(self) -> None:
        """Evict all."""
        while self._between:
            self._between.popitem()[1].evict()

    def _release_if_idle(self, run_id: str) -> None:
        """Its activities have ended: keep it no longer than it takes the next workflow task to come, if one comes."""
        if _is_idle(self._between.get(run_id)):
            self._local.alarms.set(self._local.pace.now() + IDLE_S_MAX, lambda: self._release(run_id))

    def _release(self, run_id: str) -> None:
        run = self._between.get(run_id)
        if run is not None and _is_idle(run):
            del self._between[run_id]
            self._put_by(run_id, run)

    # ---- holding -------------------------------------------------------------------------------------------

    async def hold(self, task: PollWorkflowTaskQueueResponse, run: WorkflowRun, taken_s: float) -> Held:
        """Run local activities, and the code that waits for them.

        Args:
            task: The workflow task.
            run: Its run, whose code has run as far as it gets.
            taken_s: What `begin` returned.

        Raises:
            TaskSupersededError: The task is worth nothing any more.
            BaseException: What the code raised and what does not fail the workflow.
        """
        calls = run.local
        assert calls is not None, "the caller looked"
        run_id = task.workflow_execution.run_id
        timeout_s = run.facts.started.workflow_task_timeout.ToNanoseconds() / 1e9 or DEFAULT_TIMEOUT_S
        heartbeat_s = taken_s + timeout_s * HEARTBEAT_SHARE
        self._held[run_id] = calls
        try:
            while True:
                self._start(task, run, calls)
                while calls.arrived and not run.finished:
                    calls.tell_next(run, go_on)
                    if run.failed_by is not None:
                        raise run.failed_by
                    self._start(task, run, calls)
                if run.finished or not calls.running:
                    return Held.ENDED
                if self._local.pace.now() >= self._local.stops_at_s:
                    calls.close(WORKER_SHUTDOWN)
                    return Held.HANDED_OVER
                asked = bool(task.queries)  # those who ask need not wait for the activities
                if asked or self._local.pace.now() >= heartbeat_s:
                    return Held.HEARTBEAT
                await self._wait(calls, min(heartbeat_s, self._local.stops_at_s))
                if self._held.get(run_id) is not calls:
                    raise TaskSupersededError(f"another workflow task of run {run_id} has come")
        finally:
            if self._held.get(run_id) is calls:
                del self._held[run_id]

    def _start(self, task: PollWorkflowTaskQueueResponse, run: WorkflowRun, calls: LocalCalls) -> None:
        while calls.to_start and not run.finished:
            machine = calls.to_start.pop(0)
            self._local.execute(machine, self._workflow(task), self._reporter(run.run_id, calls, machine))

    def _reporter(
        self, run_id: str, calls: LocalCalls, machine: LocalActivityMachine
    ) -> Callable[[LocalOutcome], None]:
        def report(outcome: LocalOutcome) -> None:
            calls.arrive(machine, outcome)
            self._release_if_idle(run_id)

        return report

    def _workflow(self, task: PollWorkflowTaskQueueResponse) -> PollActivityTaskQueueResponse:
        return PollActivityTaskQueueResponse(
            workflow_namespace=self._namespace,
            workflow_type=task.workflow_type,
            workflow_execution=task.workflow_execution,
        )

    async def _wait(self, calls: LocalCalls, until_s: float) -> None:
        calls.waiter = asyncio.get_running_loop().create_future()
        alarm = self._local.alarms.set(until_s, calls.wake)
        try:
            await calls.waiter
        finally:
            alarm.cancel()
            calls.waiter = None

    def _look_again(self) -> None:
        for calls in tuple(self._held.values()):
            calls.wake()


def _is_idle(run: WorkflowRun | None) -> bool:
    return run is not None and run.local is not None and len(run.local.arrived) >= len(run.local.running)
