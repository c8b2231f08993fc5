"""`tsuzuki worker run` as a process: it runs what it is given, drains on a signal, starts anew on a change."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from cli._site import run, run_json
from server._running import in_process
from tsuzuki.client import Client
from tsuzuki.replay import ModuleLoadError, load_definitions

TSUZUKI = Path(sys.executable).with_name("tsuzuki")

SLOW = """
import asyncio
from tsuzuki import activity, workflow
from datetime import timedelta
from tsuzuki.worker import Worker

@activity.defn
async def slow(path: str) -> str:
    open(path, "w").close()
    await asyncio.sleep(0.3)
    return "v1"

@workflow.defn
class Slow:
    @workflow.run
    async def run(self, path: str) -> str:
        return await workflow.execute_activity(slow, path, start_to_close_timeout=timedelta(seconds=30))

def make(client):
    return Worker(client, task_queue="made", workflows=[Slow], activities=[slow])

everything = [Slow, slow]
nothing = 3
"""


@pytest.fixture
def slow(here: Path) -> Path:
    (here / "slow_code.py").write_text(SLOW)
    return here


@pytest_asyncio.fixture
async def target() -> AsyncIterator[str]:
    async with in_process() as running:
        yield running.target


@contextmanager
def working(*arguments: str, target: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(TSUZUKI), "worker", "run", *arguments, "--target", target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()  # not a kill: the one that reloads has a child
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_it_drains_on_sigterm(slow: Path, target: str) -> None:
    os.mkfifo(slow / "started")
    with working("slow_code", "-t", "q", target=target) as process:
        async with await Client.connect(target) as client:
            handle = await client.start_workflow("Slow", str(slow / "started"), id="one", task_queue="q")
            await asyncio.to_thread((slow / "started").read_bytes)  # until the activity opens it
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            output = await asyncio.to_thread(process.stdout.read)
            await asyncio.to_thread(process.wait)
            assert process.returncode == 0, output
            assert "workflows       Slow" in output
            assert "stopping" in output
            names = [event.event_type async for event in handle.fetch_history_events()]
            assert 12 in names, "the activity that was running has completed"  # ACTIVITY_TASK_COMPLETED


async def test_it_stops_though_nobody_reads_what_it_says(slow: Path, target: str) -> None:
    """As behind `| head`, or when what collected its output is gone."""
    with working("slow_code", "-t", "q", target=target) as process:
        async with await Client.connect(target) as client:
            given = {"id": "one", "task_queue": "q", "result_type": str}
            assert await client.execute_workflow("Slow", str(slow / "started"), **given) == "v1"
        assert process.stdout is not None
        process.stdout.close()
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, timeout=600)
        finally:
            process.kill()


async def test_priority_queues_are_served_and_drained(slow: Path, target: str) -> None:
    with working("slow_code", "-t", "q", "--priority-queues", target=target) as process:
        async with await Client.connect(target) as client:
            for queue in ("q-critical", "q-high", "q", "q-low"):
                given = {"id": queue, "task_queue": queue, "result_type": str}
                assert await client.execute_workflow("Slow", str(slow / queue), **given) == "v1"
        listed = await asyncio.to_thread(run_json, "worker", "list", "--target", target)
        assert {it["taskQueue"] for it in listed} == {"q-critical", "q-high", "q", "q-low"}
        assert {it["hostInfo"]["processId"] for it in listed} == {str(process.pid)}
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        output = await asyncio.to_thread(process.stdout.read)
        await asyncio.to_thread(process.wait)
        assert process.returncode == 0, output
        assert "q-critical" in output
        left = await asyncio.to_thread(run, "worker", "list", "--target", target)
        assert [line.split()[0] for line in left.stdout.splitlines()] == ["Status", *["Shutdown"] * 4]


async def test_a_factory_makes_its_own_worker(slow: Path, target: str) -> None:
    with working("slow_code:make", target=target):
        async with await Client.connect(target) as client:
            given = {"id": "one", "task_queue": "made", "result_type": str}
            assert await client.execute_workflow("Slow", str(slow / "started"), **given) == "v1"


async def test_reload_runs_the_changed_code(slow: Path, target: str) -> None:
    with working("slow_code", "-t", "q", "--reload", target=target) as process:
        async with await Client.connect(target) as client:
            first = {"id": "one", "task_queue": "q", "result_type": str}
            assert await client.execute_workflow("Slow", str(slow / "first"), **first) == "v1"
            (slow / "slow_code.py").write_text(SLOW.replace("v1", "v2"))
            assert process.stdout is not None
            while "changed: " not in (line := await asyncio.to_thread(process.stdout.readline)):
                assert line, "the process ended"
            await _until_greeted(process)
            second = {**first, "id": "two"}
            assert await client.execute_workflow("Slow", str(slow / "second"), **second) == "v2"


async def _until_greeted(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while not (line := await asyncio.to_thread(process.stdout.readline)).startswith("activities"):
        assert line, "the process ended"


async def test_types_are_greeted_by_the_names_that_they_are_registered_under(slow: Path, target: str) -> None:
    named = SLOW.replace("@activity.defn", '@activity.defn(name="shop.slow")')
    named = named.replace("@workflow.defn", '@workflow.defn(name="Shop")')
    (slow / "named_code.py").write_text(named)
    with working("named_code", "-t", "q", target=target) as process:
        assert process.stdout is not None
        said: list[str] = []
        while not said or not said[-1].startswith("activities"):
            said.append(await asyncio.to_thread(process.stdout.readline))
            assert said[-1], "the process ended"
    assert [" ".join(line.split()) for line in said[-2:]] == ["workflows Shop", "activities shop.slow"]


def test_definitions_by_module_name_list_and_function(slow: Path) -> None:
    sys.modules.pop("slow_code", None)
    whole = load_definitions(["slow_code"])
    assert [it.__name__ for it in (*whole.workflows, *whole.activities)] == ["Slow", "slow"]
    assert load_definitions(["slow_code:everything", "slow_code:Slow"]) == whole
    assert load_definitions(["slow_code:make"]).factories[0].__name__ == "make"
    for name, said in (("nothing", "is nothing that a worker runs"), ("missing", "has no 'missing'")):
        with pytest.raises(ModuleLoadError, match=said):
            load_definitions([f"slow_code:{name}"])


OBJECTS = """
from types import SimpleNamespace
from typing import Any
from tsuzuki import activity, workflow
from tsuzuki.agents import BudgetActivities, DurableAgent, ExecutionLog, Ledger

def list_files() -> list[str]:
    return []

cleaner = DurableAgent("cleaner", "test", tools=[list_files])
activities = [*cleaner.activities]
budgets = BudgetActivities(Ledger(":memory:"))
book = [*budgets.all]
log = ExecutionLog(":memory:")

class Shop:
    @activity.defn
    def order(self) -> None: ...

    @property
    def quiet(self) -> Any:
        raise RuntimeError("not asked")

shop = Shop()
sports = SimpleNamespace(activities=["running", 3])

class Shut:
    @property
    def activities(self) -> Any:
        raise RuntimeError("the shop is shut")
"""


def test_objects_of_a_module_bring_their_activities(here: Path) -> None:
    sys.modules.pop("object_code", None)
    (here / "object_code.py").write_text(OBJECTS)
    brought = {
        "cleaner": ["cleaner.list_files", "cleaner.model"],
        "budgets": ["tsuzuki_budget_state", "tsuzuki_increase_budget", "tsuzuki_open_budget"],
        "log": ["persist_agent_execution"],
        "shop": ["order"],
    }
    everything = sorted(it for types in brought.values() for it in types)
    assert load_definitions(["object_code"]).activity_types == everything
    for name, types in brought.items():
        assert load_definitions([f"object_code:{name}"]).activity_types == types
    # What is named once more is there once.
    again = load_definitions(["object_code", "object_code:activities", "object_code:book", "object_code:shop"])
    assert again.activity_types == everything
    with (here / "object_code.py").open("a") as code:
        code.write("\nshut = Shut()\n")
    del sys.modules["object_code"]
    with pytest.raises(ModuleLoadError, match="'object_code': the activities of a Shut cannot be told: RuntimeError: "):
        load_definitions(["object_code"])


STAND_INS = """
import weakref
from tsuzuki import activity

ASKED = []

@activity.defn
async def search() -> None: ...

class Proxy:  # as of web frameworks: it stands for what is there during a request only
    def __call__(self): ...
    def __getattr__(self, name): raise RuntimeError("working outside of a request")

class Lazy:  # as of settings: any attribute that is asked for makes it read them
    def setting(self): ...
    def __getattribute__(self, name):
        ASKED.append(name)
        raise RuntimeError("not configured")

class Book:
    @property
    def activities(self): return [request, search]

class Registry(type):
    def __getattr__(cls, name): raise RuntimeError("not registered")
    def __dir__(cls): raise RuntimeError("not registered")

class Registered(metaclass=Registry): ...

class Named: ...

named = Named()
gone = weakref.proxy(named)
del named
request, settings, registered, book = Proxy(), Lazy(), object.__new__(Registered), Book()
"""


def test_stand_ins_for_what_is_not_there_are_nothing_to_run_and_are_not_woken(here: Path) -> None:
    (here / "stand_ins.py").write_text(STAND_INS)
    assert load_definitions(["stand_ins"]).activity_types == ["search"]
    assert load_definitions(["stand_ins:book"]).activity_types == ["search"]
    assert sys.modules["stand_ins"].ASKED == []


def test_a_file_is_never_taken_for_another_module_of_its_name(here: Path) -> None:
    code = "from tsuzuki import workflow\n\n@workflow.defn\nasync def flow() -> None: ...\n"
    for folder in ("one", "two"):
        (here / folder).mkdir()
        (here / folder / "named_twice.py").write_text(code)
    (here / "json.py").write_text(code)
    assert load_definitions([str(here / "one" / "named_twice.py")]).workflows
    for path in (here / "two" / "named_twice.py", here / "json.py"):
        with pytest.raises(ModuleLoadError, match=f"cannot be imported as '{path.stem}': that name is taken, by "):
            load_definitions([str(path)])
    with pytest.raises(ModuleLoadError, match=r"there is no file json2\.py"):
        load_definitions(["json2.py"])


def test_what_is_missing_is_one_line(slow: Path) -> None:
    sys.modules.pop("slow_code", None)
    for limit in ("slow", "slow=x", "slow=0"):
        assert (
            "--activity-limit" in run("worker", "run", "slow_code", "-t", "q", "--activity-limit", limit, code=2).stderr
        )
    assert "give --task-queue" in run("worker", "run", "slow_code", code=2).stderr
    assert "no module 'nomodule'" in run("worker", "run", "nomodule", "-t", "q", code=2).stderr
