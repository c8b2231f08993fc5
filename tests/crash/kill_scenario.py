"""The program that the kill sweep kills: run again on the same database, it goes on and finishes everything.

It uses the public API like any user's program. Beside the database it keeps a log of facts, one line each, written
at once: what it was told (acknowledgements) and what it did (executions of activities). The log is the witness
against which `kill_verdict` holds the database; so a line says only what is certain at that moment.

Everything that it asks for may be asked again: starts and signals carry fixed request ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
)

from tsuzuki import activity, workflow
from tsuzuki.client import (
    ActivityNotFoundError,
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowNotFoundError,
)
from tsuzuki.common import RetryPolicy, WorkflowIDReusePolicy
from tsuzuki.engine import Limits, open_embedded
from tsuzuki.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError
from tsuzuki.service import WorkflowService
from tsuzuki.store import SqliteStore, Store
from tsuzuki.worker import Worker

QUEUE = "crash"
SOON = timedelta(milliseconds=1)
LONG = timedelta(minutes=5)
BACKOFF = timedelta(milliseconds=20)
AT_ONCE = RetryPolicy(initial_interval=SOON)
SIGNALS = 3
DEPOSITS = 3
SPOKEN = 3


class FactLog:
    """Appends lines that survive the death of this process the moment they are written."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, fact: str, **about: Any) -> None:
        line = json.dumps({"fact": fact, "at": time.time_ns(), **about})
        os.write(self._descriptor, f"{line}\n".encode())


log: FactLog
client: Client
outside_waits: asyncio.Event


def begin(**about: Any) -> activity.Info:
    info = activity.info()
    log.note("begin", run=info.workflow_run_id, activity=info.activity_id, attempt=info.attempt, **about)
    return info


# ---- activities --------------------------------------------------------------------------------------


@activity.defn
async def step(value: int) -> int:
    begin()
    return value + 1


@activity.defn
async def local_step(value: int) -> int:
    info = activity.info()
    log.note("local", run=info.workflow_run_id)
    return value + 1


@activity.defn
def threaded_step(value: int) -> int:
    begin()
    return value + 1


@activity.defn
async def flaky(value: int) -> int:
    """Fails on its first two attempts, for which the process does not count."""
    info = begin()
    if info.attempt <= 2:
        raise ApplicationError(f"attempt {info.attempt} fails", type="Flaky")
    return value + 1


@activity.defn
async def slow_once() -> str:
    """Its first attempt overstays its time."""
    if begin().attempt == 1:
        await asyncio.sleep(LONG.total_seconds())
    return "in time"


@activity.defn
async def fragile() -> str:
    begin()
    return "ran"


@activity.defn
async def count_up(to: int) -> int:
    """Counts from where the attempt before reported to be; each report is acknowledged."""
    info = activity.info()
    reached = info.heartbeat_details[0] if info.heartbeat_details else 0
    begin(reached=reached)
    reports = client.get_async_activity_handle(task_token=info.task_token)
    for number in range(reached + 1, to + 1):
        await reports.heartbeat(number)
        log.note("reported", run=info.workflow_run_id, activity=info.activity_id, attempt=info.attempt, number=number)
        if number == 2 and info.attempt == 1:
            raise ApplicationError("one more attempt, please")
    return to


@activity.defn
async def speak() -> int:
    """Says numbers; each is on disk when its stream is closed."""
    info = begin(started=round(activity.info().started_time.timestamp() * 1e9))
    for number in range(SPOKEN):
        async with activity.open_stream(every=0) as stream:
            await stream.publish(number)
        log.note("said", run=info.workflow_run_id, activity=info.activity_id, attempt=info.attempt, number=number)
    return SPOKEN


@activity.defn
async def never_ends() -> None:
    begin()
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.002)
    finally:
        info = activity.info()
        log.note("stopped", run=info.workflow_run_id, activity=info.activity_id, attempt=info.attempt)


@activity.defn
async def outside() -> str:
    begin()
    asyncio.get_running_loop().call_soon(outside_waits.set)
    activity.raise_complete_async()


# ---- workflows ---------------------------------------------------------------------------------------


@workflow.defn
async def steps(value: int) -> int:
    """One after the other, then side by side, in tasks and in threads, with a timer between."""
    for _ in range(3):
        value = await workflow.execute_activity(step, value, start_to_close_timeout=LONG, retry_policy=AT_ONCE)
    await asyncio.sleep(0.003)
    sides = await asyncio.gather(
        *(
            workflow.execute_activity(side, value, start_to_close_timeout=LONG, retry_policy=AT_ONCE)
            for side in (step, threaded_step, step)
        )
    )
    return sum(sides)


@workflow.defn
async def retries(value: int) -> list[Any]:
    """A back-off between attempts, and an attempt that times out."""
    policy = RetryPolicy(initial_interval=BACKOFF, backoff_coefficient=1.0)
    late = workflow.start_activity(
        slow_once, start_to_close_timeout=timedelta(milliseconds=30), retry_policy=RetryPolicy(initial_interval=SOON)
    )
    flew = await workflow.execute_activity(flaky, value, start_to_close_timeout=LONG, retry_policy=policy)
    return [flew, await late]


@workflow.defn
async def at_most_once() -> list[str]:
    """Activities that must not run twice: lost, or done, never repeated."""
    outcomes = []
    for _ in range(3):
        try:
            outcomes.append(
                await workflow.execute_activity(
                    fragile, start_to_close_timeout=LONG, retry_policy=RetryPolicy(maximum_attempts=1)
                )
            )
        except ActivityError:
            outcomes.append("lost")
    return outcomes


@workflow.defn
async def counting() -> int:
    return await workflow.execute_activity(count_up, 5, start_to_close_timeout=LONG, retry_policy=AT_ONCE)


@workflow.defn
async def second_run() -> str:
    """Fails in its first run, which its own retry policy follows with another."""
    attempt = workflow.info().attempt
    await workflow.execute_activity(step, attempt, start_to_close_timeout=LONG, retry_policy=AT_ONCE)
    if attempt == 1:
        raise ApplicationError("the first run fails")
    return f"run {attempt}"


@workflow.defn
async def cleaning() -> None:
    """Is cancelled, cleans up, and ends as cancelled."""
    try:
        await workflow.execute_activity(
            never_ends, start_to_close_timeout=LONG, heartbeat_timeout=timedelta(seconds=30), retry_policy=AT_ONCE
        )
    except (asyncio.CancelledError, ActivityError):
        await workflow.execute_activity(step, 0, start_to_close_timeout=LONG, retry_policy=AT_ONCE, activity_id="clean")
        raise asyncio.CancelledError from None


@workflow.defn
async def answered() -> str:
    """Waits for what somebody else says."""
    return await workflow.execute_activity(
        outside, start_to_close_timeout=LONG, retry_policy=AT_ONCE, activity_id="outside"
    )


@workflow.defn
async def overdue() -> None:
    """Outlives its time."""
    await asyncio.sleep(3600)


@workflow.defn
async def timers() -> str:
    """Of two timers the slower one is cancelled."""
    slow = asyncio.create_task(asyncio.sleep(1800))
    await asyncio.sleep(0.004)
    slow.cancel()
    await workflow.execute_activity(step, 0, start_to_close_timeout=LONG, retry_policy=AT_ONCE)
    return "rang"


@workflow.defn
async def adder(value: int) -> int:
    return await workflow.execute_activity(step, value, start_to_close_timeout=LONG, retry_policy=AT_ONCE)


@workflow.defn
async def listener() -> int:
    return await workflow.signal_channel("word", int).receive()


@workflow.defn
async def family(total: int, runs_left: int) -> int:
    """Two children, of which one waits for its parent's word, and work of its own; then the same in a next run."""
    listening = await workflow.start_child_workflow(listener, id=f"listener-{runs_left}")
    added, own = await asyncio.gather(
        workflow.execute_child_workflow(adder, total, id=f"adder-{runs_left}"),
        workflow.execute_local_activity(local_step, total, start_to_close_timeout=LONG),
    )
    await listening.signal("word", added + own)
    total = await listening
    if runs_left:
        workflow.continue_as_new(args=[total, runs_left - 1])
    return total


@workflow.defn
async def account() -> int:
    """Its balance is changed by updates, each of which waits for an activity."""
    balance = 0

    async def deposit(amount: int) -> int:
        nonlocal balance
        await workflow.execute_activity(step, amount, start_to_close_timeout=LONG, retry_policy=AT_ONCE)
        balance += amount
        return balance

    workflow.set_update_handler("deposit", deposit)
    await workflow.wait_condition(lambda: balance >= DEPOSITS)
    await workflow.wait_condition(workflow.all_handlers_finished)
    return balance


@workflow.defn
async def held() -> int:
    """Is paused, and let go on."""
    spoken = 0
    for _ in range(2):
        spoken += await workflow.execute_activity(speak, start_to_close_timeout=LONG, retry_policy=AT_ONCE)
        await asyncio.sleep(0.003)
    return spoken


WORKFLOWS = [
    *(steps, retries, at_most_once, counting, second_run, cleaning, answered, overdue, timers),
    *(adder, listener, family, account, held),
]
ACTIVITIES = [step, local_step, threaded_step, flaky, slow_once, fragile, count_up, speak, never_ends, outside]


# ---- what the worker is told -------------------------------------------------------------------------


class Witness:
    """A `WorkflowService` that notes which answers of the worker were acknowledged."""

    def __init__(self, service: WorkflowService) -> None:
        self._service = service
        self._attempts: dict[bytes, dict[str, Any]] = {}
        self._tasks: dict[bytes, dict[str, Any]] = {}
        for outcome in ("completed", "failed", "canceled"):
            name = f"respond_activity_task_{outcome}"
            setattr(self, name, self._noting(getattr(service, name), outcome))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    async def poll_activity_task_queue(self, request: PollActivityTaskQueueRequest) -> PollActivityTaskQueueResponse:
        task = await self._service.poll_activity_task_queue(request)
        if task.task_token:
            self._attempts[task.task_token] = {
                "run": task.workflow_execution.run_id,
                "activity": task.activity_id,
                "attempt": task.attempt,
            }
        return task

    def _noting(self, respond: Callable[[Any], Awaitable[Any]], outcome: str) -> Callable[[Any], Awaitable[Any]]:
        async def responding(request: Any) -> Any:
            answer = await respond(request)
            log.note("answered", outcome=outcome, **self._attempts[request.task_token])
            return answer

        return responding

    async def poll_workflow_task_queue(self, request: PollWorkflowTaskQueueRequest) -> PollWorkflowTaskQueueResponse:
        task = await self._service.poll_workflow_task_queue(request)
        self._tasks[task.task_token] = {"run": task.workflow_execution.run_id, "started_event": task.started_event_id}
        return task

    async def respond_workflow_task_completed(
        self, request: RespondWorkflowTaskCompletedRequest
    ) -> RespondWorkflowTaskCompletedResponse:
        answer = await self._service.respond_workflow_task_completed(request)
        log.note("decided", **self._tasks[request.task_token])
        return answer


# ---- the client's part -------------------------------------------------------------------------------


async def start(workflow_function: Any, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
    workflow_id = workflow_function.__name__
    try:
        handle = await client.start_workflow(
            workflow_function,
            args=args,
            id=workflow_id,
            task_queue=QUEUE,
            request_id=f"start {workflow_id}",
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            **options,
        )
    except WorkflowAlreadyStartedError:  # a later run of the same chain, which has a request id of its own
        log.note("exists", workflow=workflow_id)
        return client.get_workflow_handle(workflow_id)
    log.note("started", workflow=workflow_id, run=handle.result_run_id)
    return client.get_workflow_handle(workflow_id)


async def finish(handle: WorkflowHandle[Any, Any]) -> None:
    try:
        result = await handle.result()
    except WorkflowFailureError as error:
        result = type(error.cause).__name__
    log.note("result", workflow=handle.id, result=result)


async def follow(handle: WorkflowHandle[Any, Any]) -> None:
    """See each event as it comes; none may change afterwards."""
    description = await handle.describe()
    pinned = client.get_workflow_handle(handle.id, run_id=description.run_id)
    async for event in pinned.fetch_history_events(wait_new_event=True):
        crc = zlib.crc32(event.SerializeToString(deterministic=True))
        log.note("shown", run=description.run_id, event=event.event_id, crc=crc)


async def cancel_running() -> None:
    handle = await start(cleaning)
    await asyncio.sleep(0.004)
    await handle.cancel()
    log.note("cancelled", workflow=handle.id)
    await finish(handle)


async def answer_from_outside() -> None:
    """Signals first, each of them twice as after a lost answer; then the answer that ends the run."""
    handle = await start(answered)
    ending = asyncio.ensure_future(finish(handle))
    for number in range(SIGNALS):
        for _ in range(2):
            try:
                await handle.signal(f"signal-{number}", number, request_id=f"signal {number}")
            except WorkflowNotFoundError:
                break  # closed: answered before the last crash
            log.note("signalled", workflow=handle.id, name=f"signal-{number}")
    waiting = asyncio.ensure_future(outside_waits.wait())
    await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not ending.done():
        try:
            by_id = client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="outside")
            run_id = (await handle.describe()).run_id
            await by_id.complete("from outside")
            log.note("answered", outcome="completed", run=run_id, activity="outside", attempt=0)
        except ActivityNotFoundError:
            pass
    await ending
    waiting.cancel()


async def make_deposits() -> None:
    """Each of them once more after a crash, by the same update id."""
    handle = await start(account)
    for number in range(DEPOSITS):
        try:
            balance = await handle.execute_update("deposit", 1, id=f"deposit-{number}", result_type=int)
        except WorkflowNotFoundError:
            break  # closed: all were made before the last crash
        log.note("updated", workflow=handle.id, update=f"deposit-{number}", answer=balance)
    await finish(handle)


async def hold() -> None:
    """Pause a run, or find it paused, and let it go on a little later."""
    handle = await start(held)
    try:
        if (await handle.describe()).pause is None:
            await handle.pause(reason="a look")
        log.note("paused", workflow=handle.id)
        await asyncio.sleep(0.006)
        log.note("unpausing", workflow=handle.id)
        await handle.unpause()
        log.note("unpaused", workflow=handle.id)
    except WorkflowNotFoundError:
        pass  # closed before the last crash
    await finish(handle)


async def play() -> None:
    async def both(start_it: Awaitable[WorkflowHandle[Any, Any]], *, followed: bool = False) -> None:
        handle = await start_it
        await asyncio.gather(finish(handle), *([follow(handle)] if followed else []))

    async def terminate_one() -> None:
        handle = await start(overdue, start_delay=timedelta(hours=1))
        try:
            await handle.terminate(reason="enough")
            log.note("terminated", workflow=handle.id)
        except WorkflowNotFoundError:
            pass
        await finish(handle)

    # A few at a time, so that their changes meet in one commit now and then, but not always.
    again = RetryPolicy(initial_interval=timedelta(milliseconds=2))
    await asyncio.gather(both(start(steps, 0), followed=True), terminate_one())
    await asyncio.gather(both(start(counting), followed=True), both(start(at_most_once)))
    await asyncio.gather(both(start(retries, 0)), answer_from_outside(), hold())
    await asyncio.gather(both(start(family, 0, 1)), make_deposits())
    await asyncio.gather(
        both(start(second_run, retry_policy=again)),
        both(start(timers, start_delay=timedelta(milliseconds=3), run_timeout=LONG)),
        cancel_running(),
    )


async def run_scenario(database: str, log_path: str, wrap: Callable[[Store], Store] | None = None) -> None:
    """Everything, from wherever the last process left it."""
    global log, client, outside_waits
    log, outside_waits = FactLog(log_path), asyncio.Event()
    log.note("process", pid=os.getpid())
    opened: Store = SqliteStore.open(database)
    limits = Limits(continue_as_new_interval_min_ns=1_000_000)  # or each scenario would take a second longer
    service = await open_embedded(None, store=opened if wrap is None else wrap(opened), limits=limits)
    client = Client(Witness(service), identity="scenario")  # type: ignore[arg-type]
    try:
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=WORKFLOWS,
            activities=ACTIVITIES,
            max_heartbeat_throttle_interval=SOON,
            default_heartbeat_throttle_interval=SOON,
            max_concurrent_activities=20,
            max_concurrent_workflow_tasks=20,
            graceful_shutdown_timeout=timedelta(0),
        ):
            await play()
    finally:
        await service.close()
    log.note("finished")


if __name__ == "__main__":
    asyncio.run(run_scenario(sys.argv[1], sys.argv[2]))
