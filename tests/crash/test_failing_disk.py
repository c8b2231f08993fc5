"""A disk that fails under a running engine: what is refused says so, nothing is lost or done twice, and it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tsuzuki import activity, workflow
from tsuzuki.client import Client, ServiceUnavailableError, WorkflowHandle
from tsuzuki.client._calls import Calls
from tsuzuki.common import RetryPolicy
from tsuzuki.engine import open_embedded
from tsuzuki.engine._clock import SystemClock
from tsuzuki.store import SqliteStore, Store, StoreInUseError, StoreReadOnlyError, check_store
from tsuzuki.testing import Fault, FaultyStore, Moment, Point
from tsuzuki.worker import Worker

QUEUE = "disk"
STEPS = 4


class HurryingClock(SystemClock):
    """The machine's clock, whose alarms ring a hundred times too soon: nobody waits a second for a disk to mend."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> asyncio.TimerHandle:  # type: ignore[override]
        return self._loop.call_later(max(0, when_ns - self.now_ns()) / 1e11, callback)


executed: list[tuple[str, int]] = []
gate: asyncio.Event
inside: asyncio.Event


@activity.defn
async def step(value: int) -> int:
    executed.append((activity.info().activity_id, activity.info().attempt))
    return value + 1


@activity.defn
async def wait_at_the_gate(value: int) -> int:
    executed.append((activity.info().activity_id, activity.info().attempt))
    inside.set()
    await gate.wait()
    return value + 1


@workflow.defn
async def count(value: int) -> int:
    for _ in range(STEPS):
        value = await workflow.execute_activity(step, value, start_to_close_timeout=timedelta(minutes=5))
    return value


@workflow.defn
async def count_once(value: int) -> int:
    """Each step at most once: one that was given out and counted as lost would fail the run."""
    for _ in range(STEPS):
        value = await workflow.execute_activity(
            step, value, start_to_close_timeout=timedelta(minutes=5), retry_policy=RetryPolicy(maximum_attempts=1)
        )
    return value


@workflow.defn
async def through_the_gate(value: int) -> int:
    value = await workflow.execute_activity(wait_at_the_gate, value, start_to_close_timeout=timedelta(minutes=5))
    return await workflow.execute_activity(step, value, start_to_close_timeout=timedelta(minutes=5))


@workflow.defn
async def keep(data: str) -> int:
    return len(data)


@asynccontextmanager
async def engine(store: Store, *, repeat_for_s: float = 60.0) -> AsyncIterator[Client]:
    """A client and a worker over a store."""
    global gate, inside
    gate, inside = asyncio.Event(), asyncio.Event()
    executed.clear()
    service = await open_embedded(None, store=store, clock=HurryingClock())
    client = Client(service, calls=Calls(repeat_for_s=repeat_for_s))
    try:
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[count, count_once, through_the_gate, keep],
            activities=[step, wait_at_the_gate],
            max_concurrent_activities=5,
            max_concurrent_workflow_tasks=5,
        ):
            yield client
    finally:
        await service.close()


async def start(client: Client, function: Any, argument: Any, workflow_id: str = "w") -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(function, argument, id=workflow_id, task_queue=QUEUE, request_id=workflow_id)


# ---- a commit fails and nobody knows what became of it -----------------------------------------------


@pytest.mark.parametrize("function", [count, count_once])
@pytest.mark.parametrize("number", range(1, STEPS + 2))
@pytest.mark.parametrize(
    ("point", "fault"),
    [
        (Point.AFTER_COMMIT, Fault.FAILED),
        (Point.BEFORE_COMMIT, Fault.FAILED),
        (Point.BEFORE_COMMIT, Fault.FULL),
        (Point.BEFORE_WRITE, Fault.FULL),
    ],
)
async def test_nothing_is_done_twice_whatever_became_of_a_commit(
    tmp_path: Path, function: Any, number: int, point: Point, fault: Fault
) -> None:
    path = tmp_path / "w.db"
    store = FaultyStore(SqliteStore.open(path), {Moment(point, number): fault})
    async with engine(store) as client:
        handle = await start(client, function, 0)
        async with asyncio.timeout(60):
            assert await handle.result() == STEPS
    assert not store.faults, "the commit that was to fail never came"
    assert executed == [(str(number), 1) for number in range(1, STEPS + 1)]
    assert check_store(path) == []


async def test_a_caller_is_told_that_the_outcome_is_unknown_and_may_ask_again(tmp_path: Path) -> None:
    store = FaultyStore(SqliteStore.open(tmp_path / "w.db"), {Moment(Point.AFTER_COMMIT, 1): Fault.FAILED})
    async with engine(store, repeat_for_s=0) as client:
        with pytest.raises(ServiceUnavailableError, match=r"w\.db.*outcome is unknown.*tried every second"):
            await start(client, count, 0)
        with pytest.raises(ServiceUnavailableError):
            await start(client, count, 0)  # at once: it has not been reopened yet
        patient = Client(client.service)
        handle = await start(patient, count, 0)
        async with asyncio.timeout(60):
            assert await handle.result() == STEPS
        assert [run.id async for run in patient.list_workflows()] == ["w"]


# ---- the disk is full --------------------------------------------------------------------------------


class FullStore(FaultyStore):
    """There is no room while `full`."""

    full = False

    def write(self, batch: Any) -> None:
        if self.full:
            self.faults[Moment(Point.BEFORE_WRITE, self.passed[Point.BEFORE_WRITE] + 1)] = Fault.FULL
        super().write(batch)


async def test_on_a_full_disk_writes_are_refused_reads_go_on_and_all_resumes(tmp_path: Path) -> None:
    store = FullStore(SqliteStore.open(tmp_path / "w.db"))

    def fill(full: bool) -> None:
        store.full = full

    async with engine(store, repeat_for_s=0) as client:
        await _live_through_a_full_disk(client, tmp_path / "w.db", fill)
    assert check_store(tmp_path / "w.db") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    path, filler = small_disk / "w.db", small_disk / "filler"
    store = SqliteStore.open(path)

    def fill(full: bool) -> None:
        if not full:
            filler.unlink()
            return
        room = os.statvfs(small_disk)
        filler.write_bytes(bytes(room.f_bavail * room.f_frsize))

    async with engine(store, repeat_for_s=0) as client:
        await _live_through_a_full_disk(client, path, fill)
    assert check_store(path) == []


async def _live_through_a_full_disk(client: Client, path: Path, fill: Callable[[bool], None]) -> None:
    handle = await start(client, through_the_gate, 0)
    await inside.wait()
    fill(True)
    refused: list[str] = []
    for number in range(12):  # the log has some room of its own, laid out in advance
        try:
            await start(client, keep, "x" * 1_500_000, f"big-{number}")
        except ServiceUnavailableError as error:
            refused.append(str(error))
            break
    assert refused, "a full disk took everything"
    assert str(path) in refused[0]
    assert "no room" in refused[0] or "is full" in refused[0]
    assert "takes writes again" in refused[0]

    # Reads go on.
    assert (await handle.describe()).raw_description.pending_activities[0].attempt == 1
    assert len((await handle.fetch_history()).events) >= 5
    assert "w" in [run.id async for run in client.list_workflows()]

    # What ends meanwhile is not lost: its worker sends it until there is room.
    gate.set()
    result = asyncio.ensure_future(handle.result())
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert not result.done()
    fill(False)
    async with asyncio.timeout(60):
        assert await result == 2
    assert executed == [("1", 1), ("2", 1)]
    patient = Client(client.service)
    again = await start(patient, keep, "small", "after")
    assert await again.result() == 5


# ---- who may open it ---------------------------------------------------------------------------------

_OWNER = """
import asyncio, sys
from tsuzuki.client import Client
async def main():
    async with await Client.connect("sqlite:///" + sys.argv[1]):
        print("open", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has `w.db` open."""
    command = [sys.executable, "-c", _OWNER, str(tmp_path / "w.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


async def test_a_second_process_is_told_the_pid_of_the_first_even_if_that_is_stopped(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    path = tmp_path / "w.db"
    with pytest.raises(StoreInUseError, match=f"in use by process {owner.pid}"):
        await Client.connect(f"sqlite:///{path}")
    owner.send_signal(signal.SIGSTOP)
    with pytest.raises(StoreInUseError, match=f"in use by process {owner.pid}"):
        await Client.connect(f"sqlite:///{path}")
    owner.kill()
    owner.wait()
    async with await Client.connect(f"sqlite:///{path}"):  # a dead owner owns nothing
        pass


@pytest.fixture
def read_only_folder(small_disk: Path) -> Path:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


async def test_a_folder_that_cannot_be_written(read_only_folder: Path) -> None:
    with pytest.raises(StoreReadOnlyError, match="must both be writable"):
        await Client.connect(f"sqlite:///{read_only_folder / 'w.db'}")
