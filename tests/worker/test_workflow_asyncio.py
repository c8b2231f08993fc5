"""Plain asyncio inside workflows: the same order of commands on the first run and on every replay.

Each body runs twice, incrementally and as a full replay on every workflow task: a replay that took another
order would fail as nondeterministic, and the results would differ.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import ScriptedRun, WorkflowTaskFailedError

from tsuzuki import activity, workflow
from tsuzuki.exceptions import ActivityError

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

SOON = {"start_to_close_timeout": timedelta(seconds=10)}


@activity.defn
async def double(n: int) -> int:
    return 2 * n


def doubled(n: int) -> int:
    return 2 * n


def finish(run: ScriptedRun) -> Any:
    run.run_to_end({"double": doubled})
    return run.result


async def call(n: int) -> int:
    return await workflow.execute_activity(double, n, start_to_close_timeout=timedelta(seconds=10))


async def nap(seconds: float, value: Any) -> Any:
    await asyncio.sleep(seconds)
    return value


@workflow.defn
async def gathers() -> list[Any]:
    return await asyncio.gather(call(1), nap(3, "late"), call(2), nap(1, "early"))


def test_gather_returns_results_in_the_order_asked(cached: bool) -> None:
    run = ScriptedRun(gathers, cached=cached)
    assert finish(run) == [2, "late", 4, "early"]
    assert run.notation().startswith(
        "Started | WFT | ActivityScheduled double 1 | TimerStarted 1 | ActivityScheduled double 2 | TimerStarted 2"
    )


@workflow.defn
async def waits_for_sets() -> list[list[int]]:
    tasks = [asyncio.create_task(nap(1 + i % 2, i)) for i in range(20)]
    orders = []
    pending: set[asyncio.Task[int]] = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        orders.append([task.result() for task in done])
        for task in done:
            await asyncio.sleep(1 + task.result() / 100)
    return orders


def test_the_sets_of_wait_iterate_in_order_of_creation(cached: bool) -> None:
    """Each member of a set leads to a timer: another order would start other timers on replay."""
    orders = finish(ScriptedRun(waits_for_sets, cached=cached))
    assert all(order == sorted(order) for order in orders)
    assert sorted(itertools.chain(*orders)) == list(range(20))


@workflow.defn
async def waits_for_gathers() -> list[int]:
    groups = {asyncio.gather(nap(1, i), nap(1, i)) for i in range(8)}
    order = []
    done, _ = await asyncio.wait(groups)
    for group in done:
        order.append(group.result()[0])
        await asyncio.sleep(group.result()[0] + 1)
    return order


def test_a_set_of_gathers_iterates_in_order_of_creation(cached: bool) -> None:
    assert finish(ScriptedRun(waits_for_gathers, cached=cached)) == list(range(8))


@workflow.defn
async def takes_as_completed() -> list[int]:
    return [await next_done for next_done in asyncio.as_completed([nap(5 - i, i) for i in range(5)])]


def test_as_completed_of_coroutines_starts_them_in_order(cached: bool) -> None:
    run = ScriptedRun(takes_as_completed, cached=cached)
    run.workflow_task()
    started = [
        event.timer_started_event_attributes.start_to_fire_timeout.seconds
        for event in run.events
        if event.HasField("timer_started_event_attributes")
    ]
    assert started == [5, 4, 3, 2, 1]
    run.end_next({})
    assert finish(run) == [4, 3, 2, 1, 0]


@workflow.defn
async def times_out_as_completed() -> list[Any]:
    seen: list[Any] = []
    try:
        for next_done in asyncio.as_completed([nap(1, 1), nap(60, 60)], timeout=5):
            seen.append(await next_done)  # noqa: PERF401
    except TimeoutError:
        seen.append("timeout")
    return seen


def test_as_completed_times_out(cached: bool) -> None:
    assert finish(ScriptedRun(times_out_as_completed, cached=cached)) == [1, "timeout"]


@workflow.defn
async def groups_tasks() -> list[str]:
    seen = []

    async def cancelled(name: str) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            seen.append(name)
            raise

    try:
        async with asyncio.TaskGroup() as group:
            for name in "abcdefgh":
                group.create_task(cancelled(name))
            group.create_task(failing())
    except* KeyError as errors:
        seen.append(f"{len(errors.exceptions)} error")
    return seen


async def failing() -> None:
    await asyncio.sleep(1)
    raise KeyError("x")


def test_a_task_group_cancels_in_order_of_creation(cached: bool) -> None:
    run = ScriptedRun(groups_tasks, cached=cached)
    assert finish(run) == [*"abcdefgh", "1 error"]
    assert run.notation().endswith(
        "TimerFired 9 | WFT | " + " | ".join(f"TimerCanceled {i}" for i in range(1, 9)) + " | Completed"
    )


@workflow.defn
async def bounds_time() -> list[str]:
    seen = []
    try:
        async with asyncio.timeout(5):
            await asyncio.sleep(60)
    except TimeoutError:
        seen.append("timeout")
    try:
        await asyncio.wait_for(asyncio.sleep(60), 5)
    except TimeoutError:
        seen.append("wait_for")
    async with asyncio.timeout(60):
        await asyncio.sleep(1)
        seen.append("in time")
    async with asyncio.timeout(None):  # noqa: ASYNC100
        seen.append("no bound")
    return seen


def test_timeouts_are_durable_timers(cached: bool) -> None:
    run = ScriptedRun(bounds_time, cached=cached)
    assert finish(run) == ["timeout", "wait_for", "in time", "no bound"]
    assert run.notation().count("TimerStarted") == 6


@workflow.defn
async def passes_queue() -> list[int]:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    got = []

    async def produce() -> None:
        for n in range(6):
            await queue.put(await call(n))

    async def consume() -> None:
        for _ in range(6):
            got.append(await queue.get())
            await asyncio.sleep(1)

    await asyncio.gather(produce(), consume())
    return got


def test_queue(cached: bool) -> None:
    assert finish(ScriptedRun(passes_queue, cached=cached)) == [0, 2, 4, 6, 8, 10]


@workflow.defn
async def synchronizes() -> list[str]:
    seen: list[str] = []
    lock, semaphore, event, condition = asyncio.Lock(), asyncio.Semaphore(2), asyncio.Event(), asyncio.Condition()

    async def worker(name: str) -> None:
        await event.wait()
        async with semaphore:
            await asyncio.sleep(1)
            async with lock:
                seen.append(name)
                await asyncio.sleep(1)
        async with condition:
            condition.notify_all()

    workers = [asyncio.create_task(worker(name)) for name in "abcd"]
    await asyncio.sleep(1)
    event.set()
    async with condition:
        await condition.wait_for(lambda: len(seen) == 4)
    seen.append("all")
    await asyncio.gather(*workers)
    return seen


def test_locks_semaphores_events_and_conditions(cached: bool) -> None:
    assert finish(ScriptedRun(synchronizes, cached=cached)) == ["a", "b", "c", "d", "all"]


@workflow.defn
async def barriers() -> list[int]:
    barrier = asyncio.Barrier(3)
    seen = []

    async def member(n: int) -> None:
        await asyncio.sleep(n)
        await barrier.wait()
        seen.append(n)
        await asyncio.sleep(1)

    await asyncio.gather(*(member(n) for n in (1, 2, 3)))
    return seen


def test_barrier(cached: bool) -> None:
    assert sorted(finish(ScriptedRun(barriers, cached=cached))) == [1, 2, 3]


@workflow.defn
async def shields() -> list[str]:
    seen = []

    async def keep() -> None:
        await asyncio.sleep(10)
        seen.append("kept")

    inner = asyncio.create_task(keep())
    try:
        async with asyncio.timeout(1):
            await asyncio.shield(inner)
    except TimeoutError:
        seen.append("timeout")
    await inner
    return seen


def test_shield_lets_the_inner_task_live(cached: bool) -> None:
    assert finish(ScriptedRun(shields, cached=cached)) == ["timeout", "kept"]


tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="none")


@workflow.defn
async def uses_context() -> list[str]:
    tenant.set("outer")

    async def inner() -> str:
        before = tenant.get()
        tenant.set("inner")
        await asyncio.sleep(1)
        return f"{before}, {tenant.get()}"

    return [await asyncio.create_task(inner()), tenant.get()]


def test_context_variables_belong_to_tasks_and_do_not_come_from_the_host(cached: bool) -> None:
    token = tenant.set("host")
    try:
        assert finish(ScriptedRun(uses_context, cached=cached)) == ["outer, inner", "outer"]
    finally:
        tenant.reset(token)


@workflow.defn
async def yields() -> list[str]:
    seen = []

    async def ticks(name: str) -> None:
        for _ in range(3):
            seen.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(ticks("a"), ticks("b"))
    return seen


def test_a_bare_yield_takes_no_timer(cached: bool) -> None:
    run = ScriptedRun(yields, cached=cached)
    assert finish(run) == ["a", "b", "a", "b", "a", "b"]
    assert "Timer" not in run.notation()


@workflow.defn
async def iterates() -> list[int]:
    async def numbers() -> AsyncIterator[int]:
        for n in range(3):
            await asyncio.sleep(1)
            yield n

    return [n async for n in numbers()]


def test_async_generators(cached: bool) -> None:
    assert finish(ScriptedRun(iterates, cached=cached)) == [0, 1, 2]


@workflow.defn
async def lists_instead_of_sets() -> list[Any]:
    tasks = [asyncio.create_task(nap(3 - i, i)) for i in range(3)]
    done, pending = await workflow.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first = [task.result() for task in done]
    rest = [await result for result in workflow.as_completed(pending)]
    return [first, rest]


def test_the_workflow_versions_of_wait_and_as_completed_give_lists(cached: bool) -> None:
    assert finish(ScriptedRun(lists_instead_of_sets, cached=cached)) == [[2], [1, 0]]


@workflow.defn
async def compares_time() -> list[float]:
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.sleep(90)
    return [loop.time() - before, loop.time() - workflow.time()]


def test_the_loop_tells_workflow_time(cached: bool) -> None:
    elapsed, difference = finish(ScriptedRun(compares_time, cached=cached))
    assert elapsed == pytest.approx(90.001, abs=1e-3)
    assert difference == 0


@workflow.defn
async def leaves_threads() -> None:
    await asyncio.to_thread(print)


@workflow.defn
async def opens_connection() -> None:
    await asyncio.open_connection("localhost", 80)


@workflow.defn
async def runs_process() -> None:
    await asyncio.create_subprocess_exec("true")


@pytest.mark.parametrize("target", [leaves_threads, opens_connection, runs_process])
def test_what_a_workflow_loop_cannot_do_names_the_replacement(cached: bool, target: Any) -> None:
    run = ScriptedRun(target, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match=r"NotAllowedInWorkflowError.*workflow\.execute_activity"):
        run.workflow_task()


@workflow.defn
async def cancels_activity_by_timeout() -> str:
    try:
        async with asyncio.timeout(5):
            await call(1)
    except TimeoutError:
        return "timeout"
    except ActivityError:
        return "activity error"
    return "?"


def test_a_timeout_around_an_activity(cached: bool) -> None:
    run = ScriptedRun(cancels_activity_by_timeout, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    # The activity's cancellation arrives as its failure; asyncio.timeout only translates CancelledError.
    assert run.result == "activity error"
    assert run.notation().endswith("TimerFired 1 | WFT | ActivityCancelRequested 1 | Completed")


@workflow.defn
async def counts_down_by_callbacks() -> int:
    done = asyncio.get_running_loop().create_future()
    left = 500

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            asyncio.get_running_loop().call_soon(step)
        else:
            done.set_result(7)

    asyncio.get_running_loop().call_soon(step)
    return await done


def test_a_callback_that_asks_for_itself_again_gets_to_its_end(cached: bool) -> None:
    assert finish(ScriptedRun(counts_down_by_callbacks, cached=cached)) == 7


class Uncomparable:
    def __eq__(self, other: object) -> bool:
        raise AssertionError("the loop compares what is passed through it")

    __hash__ = None  # type: ignore[assignment]


@workflow.defn
async def passes_uncomparable_values() -> int:
    done = asyncio.get_running_loop().create_future()
    values = [Uncomparable(), Uncomparable()]

    def step(value: Uncomparable) -> None:
        if value is values[0]:
            asyncio.get_running_loop().call_soon(step, values[1])
        else:
            done.set_result(1)

    asyncio.get_running_loop().call_soon(step, values[0])
    return await done


def test_the_loop_compares_no_values(cached: bool) -> None:
    assert finish(ScriptedRun(passes_uncomparable_values, cached=cached)) == 1
