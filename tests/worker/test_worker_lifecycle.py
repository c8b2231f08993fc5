"""What a worker refuses to be made of, how it runs, and how it ends."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from scripted_service import LOST_AFTER_S, ScriptedClient, ScriptedService, activity_task, settle, values

from tsuzuki import activity
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.worker import Worker

DENIED = ServiceError(StatusCode.PERMISSION_DENIED, "no such right")


@activity.defn
async def work() -> str:
    return "done"


class Library:
    @activity.defn
    async def search(self, query: str) -> str:
        return f"found {query} in {id(self)}"


@activity.defn
class Counter:
    async def __call__(self) -> int:
        return 1


def undecorated() -> None: ...


def worker(*activities: Any, **options: Any) -> Worker:
    client = ScriptedClient(ScriptedService())
    return Worker(client, task_queue="queue", activities=activities, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("activities", "options", "error", "says"),
    [
        ((), {}, ValueError, "at least one activity or workflow"),
        ((work,), {"task_queue": ""}, ValueError, "task_queue is empty"),
        ((undecorated,), {}, TypeError, "undecorated is not an activity: decorate it"),
        ((work, work), {}, ValueError, "two activities are named 'work'"),
        ((Library.search,), {}, TypeError, r"pass it from one: Library\(...\).search"),
        ((Counter,), {}, TypeError, r"is a class; pass an object of it: Counter\(...\)"),
        ((work,), {"max_concurrent_activities": 0}, ValueError, "max_concurrent_activities is 0"),
        ((work,), {"max_concurrent_workflow_tasks": 1}, ValueError, "must be 2 or more"),
        ((work,), {"max_cached_workflows": -1}, ValueError, "max_cached_workflows is -1"),
        ((work,), {"nonsticky_to_sticky_poll_ratio": 1.0}, ValueError, "between 0 and 1"),
    ],
)
def test_bad_definition_is_refused_with_what_to_do(
    activities: tuple[Any, ...], options: dict[str, Any], error: type[Exception], says: str
) -> None:
    client = ScriptedClient(ScriptedService())
    with pytest.raises(error, match=says):
        Worker(client, activities=activities, **{"task_queue": "queue", **options})  # type: ignore[arg-type]


def test_bad_decorations_are_refused() -> None:
    with pytest.raises(TypeError, match="keyword-only parameter 'depth'"):

        @activity.defn
        async def keyword(*, depth: int) -> None: ...

    with pytest.raises(ValueError, match="already marked"):
        activity.defn(work)
    with pytest.raises(ValueError, match="dynamic=True"):
        activity.defn(name="a", dynamic=True)(undecorated)  # type: ignore[call-overload]

    @activity.defn(dynamic=True)
    async def dynamic(one: str) -> None: ...

    with pytest.raises(TypeError, match="exactly one parameter of type Sequence"):
        worker(dynamic)

    @activity.defn
    async def unresolved(one: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match=r"type hints of activity unresolved cannot be resolved.*Nowhere"):
        worker(unresolved)


def test_executor_smaller_than_the_slots_is_warned_about() -> None:
    @activity.defn
    def threaded() -> None: ...

    with ThreadPoolExecutor(2) as executor, pytest.warns(UserWarning, match="runs 2 activities at a time"):
        worker(threaded, activity_executor=executor)


async def test_methods_and_callable_objects_are_activities() -> None:
    library = Library()
    client = ScriptedClient(ScriptedService())
    async with Worker(client, task_queue="queue", activities=[library.search, Counter()]):  # type: ignore[arg-type]
        client.service.give(activity_task("search", "ducks"))
        assert values((await client.service.received()).result) == [f"found ducks in {id(library)}"]
        client.service.give(activity_task("Counter"))
        assert values((await client.service.received()).result) == [1]


async def test_runs_for_the_length_of_the_block() -> None:
    client = ScriptedClient(ScriptedService())
    it = Worker(client, task_queue="queue", activities=[work])  # type: ignore[arg-type]
    assert (it.is_running, it.is_shutdown) == (False, False)
    async with it:
        assert it.is_running
        await settle()
        assert client.service.polls_open == 100
        client.service.give(activity_task("work"))
        await client.service.received()
    assert (it.is_running, it.is_shutdown) == (False, True)
    assert client.service.polls_open == 0
    assert len(asyncio.all_tasks()) == 1
    await it.shutdown()  # harmless
    with pytest.raises(RuntimeError, match="run before"):
        await it.run()


async def test_run_ends_by_shutdown() -> None:
    it = worker(work)
    running = asyncio.ensure_future(it.run())
    await settle()
    await it.shutdown()
    assert running.done()
    await running


async def test_cancelled_run_shuts_down_first() -> None:
    stopped = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    client = ScriptedClient(ScriptedService())
    it = Worker(client, task_queue="queue", activities=[wait])  # type: ignore[arg-type]
    running = asyncio.ensure_future(it.run())
    client.service.give(activity_task("wait"))
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()
    failure = (await client.service.received()).failure
    assert failure.application_failure_info.type == "WorkerShutdown"
    assert it.is_shutdown


async def test_fatal_error_is_told_and_raised_from_run() -> None:
    client, told = ScriptedClient(ScriptedService()), []

    async def on_fatal(error: BaseException) -> None:
        told.append(error)
        raise ValueError("is logged only")

    it = Worker(client, task_queue="queue", activities=[work], on_fatal_error=on_fatal)  # type: ignore[arg-type]
    client.service.give(DENIED)
    with pytest.raises(ServiceError, match="no such right"):
        await asyncio.wait_for(it.run(), LOST_AFTER_S)
    assert told == [DENIED]


async def test_fatal_error_ends_the_block_and_is_raised_from_it() -> None:
    client = ScriptedClient(ScriptedService())

    async def block() -> None:
        async with Worker(client, task_queue="queue", activities=[work]):  # type: ignore[arg-type]
            client.service.give(DENIED)
            await asyncio.Event().wait()

    with pytest.raises(ServiceError, match="no such right"):
        await block()
    this = asyncio.current_task()
    assert this is not None
    assert this.cancelling() == 0


async def test_error_of_the_block_comes_through() -> None:
    with pytest.raises(KeyError):
        async with worker(work):
            raise KeyError
