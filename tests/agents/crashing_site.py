"""Engine and worker over one store that outlives them: crashes for tests that go on afterwards."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

from sim_store import Disk

from tsuzuki.client import Client, WorkflowExecutionStatus
from tsuzuki.engine import EmbeddedService, open_embedded
from tsuzuki.replay import Replayer
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker

QUEUE = "queue"


class Line:
    """Between worker and engine; once it is cut nothing gets through."""

    def __init__(self, service: EmbeddedService) -> None:
        self._service = service
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if not inspect.iscoroutinefunction(call := getattr(self._service, name)):
            return call

        async def through(request: Any) -> Any:
            if self.cut:
                raise ServiceError(StatusCode.PERMISSION_DENIED, "the line is cut")
            return await call(request)

        return through


class InlineExecutor(ThreadPoolExecutor):
    """Runs what it is given at once: no thread, so that a seed gives the same run each time."""

    def __init__(self) -> None:
        super().__init__(max_workers=1000)  # as far as a worker asks

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class CrashingSite:
    """Engine and worker over one store; a crash takes both away, and what they knew.

    Args:
        chance: Draws whether runs are kept in memory, anew after each crash.
        workflows: What the worker runs.
        activities: The same.
        clock: The engine's time; the default is the machine's.
        executor: Runs synchronous activities; the default is threads of the worker.
    """

    def __init__(
        self,
        chance: random.Random,
        workflows: Sequence[Any],
        activities: Sequence[Callable[..., Any]],
        clock: VirtualClock | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.disk = Disk(None)
        self.chance = chance
        self.clock = clock
        self.executor = executor
        self.workflows = workflows
        self.activities = activities

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        self._service = await open_embedded(None, store=self.disk.open(), clock=self.clock)
        self.line = Line(self._service)
        self.client = Client(cast(Any, self.line))
        worker = Worker(
            self.client,
            task_queue=QUEUE,
            workflows=self.workflows,
            activities=self.activities,
            activity_executor=self.executor,
            max_concurrent_activities=10,  # each slot polls, anew after each crash
            max_concurrent_workflow_tasks=10,
            max_cached_workflows=self.chance.choice([0, 100]),
        )
        await self._stack.enter_async_context(worker)

    async def crash(self) -> None:
        self.line.cut = True  # what the worker would still say on its way out is lost
        with suppress(ServiceError):
            await self._stack.aclose()
        await self._service.close()
        await self.open()

    async def close(self) -> None:
        await self._stack.aclose()
        await self._service.close()
        self.disk.store.close()


async def check_histories(client: Client, workflows: Sequence[Any]) -> None:
    """No run is left open, and each replays."""
    histories = []
    async for run in client.list_workflows():
        assert run.status is not WorkflowExecutionStatus.RUNNING, run.id
        histories.append(await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history())
    for history in histories:
        await Replayer(workflows=list(workflows)).replay_workflow(history)
