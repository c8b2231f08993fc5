"""Workflow code that does not yield is broken off, says where it was, and holds nobody else up.

The looks of the watchdog are taken by hand where a rule about them is tested. Where a busy loop is broken off,
nothing but the interrupt ends it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted_run import ScriptedRun, WorkflowTaskFailedError
from temporalio.api.enums.v1 import EventType

from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker
from tsuzuki.worker._source import Source
from tsuzuki.worker._watchdog import LOOKS, Watch, Watchdog, watchdog

HERE = Path(__file__).name
SHORT_S = 0.02
WORKFLOW_TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


class Run:
    """As much of a run as a watch knows."""

    failed_by: BaseException | None = None
    workflow_id = "workflow-id"
    run_id = "run-id"

    @property
    def source(self) -> Source:
        return Source(Run.spin.__code__, 0)

    def spin(self, started: threading.Event) -> None:
        started.set()
        while True:
            pass


def busy(watch: Watch, run: Run, function: Callable[[], None] | None = None) -> tuple[threading.Thread, list[Any]]:
    """Run a busy loop under a watch in a thread of its own; what it raised is in the list when the thread ends."""
    raised: list[Any] = []
    started = threading.Event()

    def body() -> None:
        try:
            watch.call(run, function or (lambda: run.spin(started)))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    if function is None:
        started.wait()
    return thread, raised


def test_the_third_look_at_the_same_activation_breaks_it_off() -> None:
    watch, run = Watch(2.0), Run()
    thread, raised = busy(watch, run)
    for _ in range(LOOKS - 1):
        watch.look()
        assert run.failed_by is None
    watch.look()
    thread.join()
    assert raised == [run.failed_by]
    assert isinstance(run.failed_by, workflow.DeadlockError)
    assert run.failed_by.timeout_s == 2.0
    assert run.failed_by.source.startswith(f"{HERE}:")
    names = []
    stack = run.failed_by.__traceback__
    while stack is not None:
        names.append(stack.tb_frame.f_code.co_name)
        stack = stack.tb_next
    assert names[-1] == "spin"


def test_activations_that_end_are_never_broken_off_however_many_there_are() -> None:
    watch, run = Watch(2.0), Run()
    for _ in range(3 * LOOKS):
        watch.call(run, watch.look)
        watch.look()
    assert run.failed_by is None


def test_looks_at_different_activations_do_not_add_up() -> None:
    watch, run = Watch(2.0), Run()
    for _ in range(LOOKS - 1):
        watch.call(run, lambda: [watch.look() for _ in range(LOOKS - 1)] and None)
    assert run.failed_by is None


def test_code_that_goes_on_all_the_same_is_broken_off_again() -> None:
    watch, run = Watch(2.0), Run()
    caught, again = threading.Event(), threading.Event()

    def stubborn() -> None:
        try:
            started.set()
            while True:
                pass
        except BaseException:
            caught.set()
        again.set()
        while True:
            pass

    started = threading.Event()
    thread, raised = busy(watch, run, stubborn)
    started.wait()
    for _ in range(LOOKS):
        watch.look()
    caught.wait()
    again.wait()
    assert thread.is_alive()
    for _ in range(LOOKS - 1):
        watch.look()
    thread.join()
    assert raised == [run.failed_by]


def test_an_interrupt_that_comes_too_late_does_not_leave_the_call() -> None:
    """The activation ends in the moment in which it is found guilty: by the interrupt or by itself, never both."""
    for _ in range(200):
        watch, run = Watch(2.0), Run()
        looked, outcome = threading.Event(), []

        def ends_by_itself(looked: threading.Event = looked) -> None:
            looked.wait()

        def look(watch: Watch = watch, looked: threading.Event = looked) -> None:
            for _ in range(LOOKS - 1):
                watch.look()
            looked.set()
            watch.look()

        thread = threading.Thread(target=look)
        logging.disable()
        try:
            try:
                thread.start()
                watch.call(run, ends_by_itself)
            except workflow.DeadlockError:
                outcome.append("broken off")
            else:
                outcome.append("ended")
            thread.join()
            for _ in range(100):  # bytecodes in which a left-over would strike
                pass
        finally:
            logging.disable(logging.NOTSET)
        assert outcome in (["ended"], ["broken off"])


def test_code_under_a_debugger_is_left_alone() -> None:
    watch, run = Watch(2.0), Run()
    stop = threading.Event()
    traced = threading.Event()

    def held() -> None:
        import sys

        frame = sys._getframe()
        frame.f_trace = lambda *_: None  # what a debugger does to the frames that it steps through
        traced.set()
        stop.wait()

    thread, raised = busy(watch, run, held)
    traced.wait()
    for _ in range(2 * LOOKS):
        watch.look()
    stop.set()
    thread.join()
    assert raised == []
    assert run.failed_by is None


# ---- with the thread --------------------------------------------------------------------------------------


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch with a short timeout that the process's watchdog looks at."""
    it = Watch(SHORT_S)
    watchdog.add(it)
    yield it
    watchdog.remove(it)


def watched(run: ScriptedRun, watch: Watch) -> ScriptedRun:
    """Have a scripted run's activations watched."""
    object.__setattr__(run.processor._settings, "watch", watch)
    return run


def test_an_endless_loop_fails_its_workflow_task_with_the_stack(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    def count() -> None:
        number = 0
        while True:
            number += 1

    @workflow.defn
    class Endless:
        @workflow.run
        async def run(self) -> None:
            count()

    with pytest.raises(WorkflowTaskFailedError) as failed:
        watched(ScriptedRun(Endless, cached=True), watch).workflow_task()
    failure = failed.value.response.failure
    assert failure.application_failure_info.type == "DeadlockError"
    lines = range(count.__code__.co_firstlineno + 2, count.__code__.co_firstlineno + 4)
    assert failure.message.partition(": ")[0] in {f"{HERE}:{line}" for line in lines}
    assert "did not yield for 0.02 s" in failure.message
    assert ", in count" in failure.stack_trace
    assert ", in count" in caplog.text


@pytest.mark.parametrize("how", ["swallows errors", "in a callback", "yields only to itself", "in a task", "in init"])
def test_however_it_does_not_yield(watch: Watch, how: str) -> None:
    def spin() -> None:
        while True:
            pass

    @workflow.defn
    class Busy:
        def __init__(self) -> None:
            if how == "in init":
                spin()

        @workflow.run
        async def run(self) -> None:
            if how == "swallows errors":
                while True:
                    try:
                        spin()
                    except Exception:
                        continue
            if how == "in a callback":
                asyncio.get_running_loop().call_soon(spin)
            if how == "in a task":
                await asyncio.gather(self.turn())
            while how == "yields only to itself":  # noqa: ASYNC110
                await asyncio.sleep(0)

        async def turn(self) -> None:
            spin()

    with pytest.raises(WorkflowTaskFailedError, match="DeadlockError"):
        watched(ScriptedRun(Busy, cached=True), watch).workflow_task()
    assert asyncio._get_running_loop() is None


def test_the_run_goes_on_once_the_code_is_mended(watch: Watch) -> None:
    mended = False

    @workflow.defn
    class Mended:
        @workflow.run
        async def run(self) -> str:
            while not mended:
                pass
            return "done"

    run = watched(ScriptedRun(Mended, cached=True), watch)
    with pytest.raises(WorkflowTaskFailedError):
        run.workflow_task()
    mended = True
    run.workflow_task()
    assert run.notation().endswith("WFT | Completed")


async def test_other_runs_of_the_worker_go_on() -> None:
    mended = False

    @workflow.defn
    class Stuck:
        @workflow.run
        async def run(self) -> str:
            while not mended:
                pass
            return "mended"

    @workflow.defn
    class Quick:
        @workflow.run
        async def run(self) -> str:
            return "quick"

    client = await Client.connect("sqlite://")
    try:
        async with Worker(
            client,
            task_queue="queue",
            workflows=[Stuck, Quick],
            deadlock_timeout=timedelta(seconds=SHORT_S),
        ):
            stuck = await client.start_workflow(Stuck.run, id="stuck", task_queue="queue")
            quick = await client.start_workflow(Quick.run, id="quick", task_queue="queue")
            assert await quick.result() == "quick"
            mended = True
            assert await stuck.result() == "mended"
            events = [event async for event in stuck.fetch_history_events()]
            failures = [e.workflow_task_failed_event_attributes for e in events if e.event_type == WORKFLOW_TASK_FAILED]
            assert [it.failure.application_failure_info.type for it in failures] == ["DeadlockError"]
    finally:
        await client.close()


def test_the_thread_sleeps_while_nothing_runs_and_ends_with_the_last_watch() -> None:
    dog = Watchdog()
    watch, run = Watch(3600.0), Run()
    dog.add(watch)
    thread = dog._thread
    assert thread is not None
    asleep = threading.Event()
    wait = dog._changed.wait

    def note(timeout: float | None = None) -> bool:
        if timeout is None:
            asleep.set()
        return wait(timeout)

    dog._changed.wait = note  # type: ignore[method-assign]
    dog._changed.set()
    asleep.wait()
    assert watch.asleep
    watch.call(run, lambda: None)
    dog.remove(watch)
    thread.join()
    assert dog._thread is None


@pytest.mark.parametrize(
    ("options", "is_watched"),
    [({}, True), ({"deadlock_timeout": None}, False), ({"debug_mode": True}, False)],
)
async def test_who_is_watched(options: dict[str, Any], is_watched: bool) -> None:
    @workflow.defn
    class Nothing:
        @workflow.run
        async def run(self) -> None:
            pass

    client = await Client.connect("sqlite://")
    try:
        worker = Worker(client, task_queue="queue", workflows=[Nothing], **options)
        assert (worker._watch is not None) is is_watched
        assert not is_watched or worker._watch.timeout_s == 2.0
    finally:
        await client.close()


async def test_a_timeout_that_is_no_time_is_refused() -> None:
    client = await Client.connect("sqlite://")
    try:
        with pytest.raises(ValueError, match="deadlock_timeout is 0:00:00"):
            Worker(client, task_queue="queue", workflows=[Run], deadlock_timeout=timedelta(0))
    finally:
        await client.close()
