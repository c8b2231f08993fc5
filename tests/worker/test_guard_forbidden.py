"""Every call that the determinism guard refuses, with file, line, call and what to do instead in the error."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as datetime_module
import functools
import glob
import operator
import os
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from os import environ, getenv, urandom
from pathlib import Path
from random import SystemRandom, choice, randint
from random import random as draw
from secrets import randbits as bits
from secrets import token_hex
from time import monotonic as stopwatch
from time import sleep as nap
from time import time as wall_clock
from typing import Any
from uuid import uuid4

import pytest
from scripted_run import ScriptedRun, WorkflowTaskFailedError

from tsuzuki import workflow
from tsuzuki.worker._guard_rules import RULES, SHADOWED

HERE = Path(__file__).name
POOL = concurrent.futures.ThreadPoolExecutor(1)
SYSTEM = SystemRandom()

CLOCK = "Use workflow.time() instead; or do it in an activity"
CLOCK_NS = "Use workflow.time_ns() instead; or do it in an activity"
NOW_INSTEAD = "Use workflow.now() instead; or do it in an activity"
TODAY = "Use workflow.now().date() instead; or do it in an activity"
CHANCE = "Use workflow.random() instead; or do it in an activity"
UUID = "Use workflow.uuid4() instead; or do it in an activity"
SECRET = "Make secrets in an activity: what a workflow draws can be told from its run id"
SEED = "Use workflow.random() instead; or give the generator a seed, such as workflow.random_seed()"
ARGUMENT = "Pass it to the workflow as an argument; or do it in an activity"
ACTIVITY = "Do it in an activity, with workflow.execute_activity(...)"
SLEEP = "Use `await workflow.sleep(...)` or `await asyncio.sleep(...)` instead"
TASK = "Use asyncio.create_task(...) instead; or do it in an activity"
SIGNAL = "Use a signal or an update to hear from people"


@dataclass
class Stamped:
    id: uuid.UUID = field(default_factory=uuid4)


class MyRandom(random.Random):
    """A generator of the user's."""


NOW = datetime.now
PARTIAL_NOW = functools.partial(datetime.now, UTC)
CLOCKS = {"wall": time.time}
CLOCK_LIST = [time.monotonic]


def at(clock: Callable[[], float] = time.time, *, draw: Callable[[], float] = random.random) -> float:
    """Has the functions themselves as its defaults."""
    return clock()


def drawn(*, draw: Callable[[], float] = random.random) -> float:
    return draw()


class Ticker:
    clock = staticmethod(time.perf_counter)
    today = date.today

    class Inner:
        clock = time.time_ns

    def at(self, clock: Callable[[], float] = time.time) -> float:
        return clock()


@dataclass
class Timed:
    at: datetime = field(default_factory=datetime.now)


@dataclass
class Clocked:
    at: float = field(default_factory=time.time)


@dataclass
class Drawn:
    number: float = field(default_factory=random.random)


FORBIDDEN: list[tuple[Callable[[], Any], str, str]] = [
    # clocks
    (lambda: time.time(), "time.time()", CLOCK),
    (lambda: time.time_ns(), "time.time_ns()", CLOCK_NS),
    (lambda: time.monotonic(), "time.monotonic()", CLOCK),
    (lambda: time.monotonic_ns(), "time.monotonic_ns()", CLOCK_NS),
    (lambda: time.perf_counter(), "time.perf_counter()", CLOCK),
    (lambda: time.perf_counter_ns(), "time.perf_counter_ns()", CLOCK_NS),
    (lambda: time.process_time(), "time.process_time()", CLOCK),
    (lambda: time.process_time_ns(), "time.process_time_ns()", CLOCK_NS),
    (lambda: time.thread_time(), "time.thread_time()", CLOCK),
    (lambda: time.thread_time_ns(), "time.thread_time_ns()", CLOCK_NS),
    (lambda: time.clock_gettime(0), "time.clock_gettime()", CLOCK),
    (lambda: time.clock_gettime_ns(0), "time.clock_gettime_ns()", CLOCK_NS),
    (lambda: time.localtime(), "time.localtime()", NOW_INSTEAD),
    (lambda: time.gmtime(), "time.gmtime()", NOW_INSTEAD),
    (lambda: time.ctime(), "time.ctime()", NOW_INSTEAD),
    (lambda: time.asctime(), "time.asctime()", NOW_INSTEAD),
    (lambda: time.strftime("%Y"), "time.strftime()", NOW_INSTEAD),
    (lambda: wall_clock(), "time.time()", CLOCK),
    (lambda: stopwatch(), "time.monotonic()", CLOCK),
    (lambda: os.times(), "os.times()", CLOCK),
    (lambda: datetime.now(), "datetime.now()", NOW_INSTEAD),
    (lambda: datetime.now(UTC), "datetime.now()", NOW_INSTEAD),
    (lambda: datetime.now(tz=UTC), "datetime.now()", NOW_INSTEAD),
    (lambda: datetime_module.datetime.now(), "datetime.now()", NOW_INSTEAD),
    (lambda: datetime.utcnow(), "datetime.utcnow()", NOW_INSTEAD),
    (lambda: datetime.today(), "datetime.today()", NOW_INSTEAD),
    (lambda: date.today(), "date.today()", TODAY),
    (lambda: workflow.now().now(), "datetime.now()", NOW_INSTEAD),
    # captured before the worker started
    (lambda: NOW(), "datetime.now()", NOW_INSTEAD),
    (lambda: PARTIAL_NOW(), "datetime.now()", NOW_INSTEAD),
    (lambda: CLOCKS["wall"](), "time.time()", CLOCK),
    (lambda: CLOCK_LIST[0](), "time.monotonic()", CLOCK),
    (lambda: Ticker.clock(), "time.perf_counter()", CLOCK),
    (lambda: Ticker.today(), "date.today()", TODAY),
    (lambda: Ticker.Inner.clock(), "time.time_ns()", CLOCK_NS),
    (lambda: Timed(), "datetime.now()", NOW_INSTEAD),
    (lambda: Clocked(), "time.time()", CLOCK),
    (lambda: Drawn(), "random.random()", CHANCE),
    (lambda: getattr(time, "ti" + "me")(), "time.time()", CLOCK),
    (lambda: sys.modules["time"].time(), "time.time()", CLOCK),
    (lambda: operator.methodcaller("time")(time), "time.time()", CLOCK),
    (lambda: type("Later", (datetime,), {}).now(), "datetime.now()", NOW_INSTEAD),
    # chance
    (lambda: random.random(), "random.random()", CHANCE),
    (lambda: random.randint(1, 2), "random.randint()", CHANCE),
    (lambda: random.uniform(1, 2), "random.uniform()", CHANCE),
    (lambda: random.choice([1]), "random.choice()", CHANCE),
    (lambda: random.choices([1]), "random.choices()", CHANCE),
    (lambda: random.sample([1], 1), "random.sample()", CHANCE),
    (lambda: random.shuffle([1]), "random.shuffle()", CHANCE),
    (lambda: random.gauss(0, 1), "random.gauss()", CHANCE),
    (lambda: random.getrandbits(8), "random.getrandbits()", CHANCE),
    (lambda: random.randbytes(8), "random.randbytes()", CHANCE),
    (lambda: random.seed(1), "random.seed()", CHANCE),
    (lambda: draw(), "random.random()", CHANCE),
    (lambda: randint(1, 2), "random.randint()", CHANCE),
    (lambda: choice([1]), "random.choice()", CHANCE),
    (lambda: random.Random(), "random.Random()", SEED),
    (lambda: random.Random(None), "random.Random()", SEED),
    (lambda: random.Random(x=None), "random.Random()", SEED),
    (lambda: random.Random(1).seed(), "random.Random()", SEED),
    (lambda: MyRandom(), "random.Random()", SEED),
    (lambda: random.SystemRandom().random(), "random.SystemRandom()", CHANCE),
    (lambda: random.SystemRandom().randint(1, 2), "random.SystemRandom()", CHANCE),
    (lambda: SYSTEM.getrandbits(8), "random.SystemRandom()", CHANCE),
    (lambda: os.urandom(4), "os.urandom()", CHANCE),
    (lambda: urandom(4), "os.urandom()", CHANCE),
    (lambda: os.getrandom(4), "os.getrandom()", CHANCE),
    (lambda: secrets.token_bytes(4), "secrets.token_bytes()", SECRET),
    (lambda: secrets.token_hex(4), "secrets.token_hex()", SECRET),
    (lambda: secrets.token_urlsafe(4), "secrets.token_urlsafe()", SECRET),
    (lambda: secrets.randbits(4), "random.SystemRandom()", CHANCE),
    (lambda: bits(4), "random.SystemRandom()", CHANCE),
    (lambda: secrets.randbelow(4), "secrets.randbelow()", SECRET),
    (lambda: secrets.choice([1]), "random.SystemRandom()", CHANCE),
    (lambda: token_hex(4), "secrets.token_hex()", SECRET),
    (lambda: uuid.uuid1(), "uuid.uuid1()", UUID),
    (lambda: uuid.uuid4(), "uuid.uuid4()", UUID),
    (lambda: uuid4(), "uuid.uuid4()", UUID),
    (lambda: functools.partial(uuid4)(), "uuid.uuid4()", UUID),
    (lambda: Stamped(), "uuid.uuid4()", UUID),
    # the machine
    (lambda: os.environ["HOME"], "os.environ", ARGUMENT),
    (lambda: os.environ.get("HOME"), "os.environ", ARGUMENT),
    (lambda: "HOME" in os.environ, "os.environ", ARGUMENT),
    (lambda: dict(os.environ), "os.environ", ARGUMENT),
    (lambda: len(os.environ), "os.environ", ARGUMENT),
    (lambda: os.environ.update(A="1"), "os.environ", ARGUMENT),
    (lambda: os.environ.pop("HOME"), "os.environ", ARGUMENT),
    (lambda: environ["HOME"], "os.environ", ARGUMENT),
    (lambda: os.getenv("HOME"), "os.getenv()", ARGUMENT),
    (lambda: getenv("HOME"), "os.getenv()", ARGUMENT),
    (lambda: os.getcwd(), "os.getcwd()", ARGUMENT),
    (lambda: Path.cwd(), "pathlib.Path.cwd()", ARGUMENT),
    (lambda: Path.home(), "pathlib.Path.home()", ARGUMENT),
    (lambda: os.getpid(), "os.getpid()", ARGUMENT),
    (lambda: os.cpu_count(), "os.cpu_count()", ARGUMENT),
    (lambda: os.uname(), "os.uname()", ARGUMENT),
    (lambda: socket.gethostname(), "socket.gethostname()", ACTIVITY),
    # files
    (lambda: open(__file__).close(), "open()", ACTIVITY),
    (lambda: Path(__file__).open().close(), "pathlib.Path.open()", ACTIVITY),
    (lambda: Path(__file__).read_text(), "pathlib.Path.read_text()", ACTIVITY),
    (lambda: Path("never").write_text(""), "pathlib.Path.write_text()", ACTIVITY),
    (lambda: Path(__file__).exists(), "pathlib.Path.exists()", ACTIVITY),
    (lambda: Path(__file__).stat(), "pathlib.Path.stat()", ACTIVITY),
    (lambda: list(Path(__file__).parent.iterdir()), "pathlib.Path.iterdir()", ACTIVITY),
    (lambda: Path("never").mkdir(), "pathlib.Path.mkdir()", ACTIVITY),
    (lambda: Path("never").unlink(), "pathlib.Path.unlink()", ACTIVITY),
    (lambda: Path("never").rename("ever"), "pathlib.Path.rename()", ACTIVITY),
    (lambda: os.open(__file__, os.O_RDONLY), "open()", ACTIVITY),
    (lambda: os.path.exists(__file__), "os.path.exists()", ACTIVITY),
    (lambda: os.path.getmtime(__file__), "os.path.getmtime()", ACTIVITY),
    (lambda: os.stat(__file__), "os.stat()", ACTIVITY),
    (lambda: os.access(__file__, os.R_OK), "os.access()", ACTIVITY),
    (lambda: os.listdir("."), "os.listdir()", ACTIVITY),
    (lambda: os.scandir("."), "os.scandir()", ACTIVITY),
    (lambda: list(os.walk(".")), "os.walk()", ACTIVITY),
    (lambda: os.mkdir("never"), "os.mkdir()", ACTIVITY),
    (lambda: os.remove("never"), "os.remove()", ACTIVITY),
    (lambda: os.rename("never", "ever"), "os.rename()", ACTIVITY),
    (lambda: os.chdir("."), "os.chdir()", ACTIVITY),
    (lambda: os.read(0, 1), "os.read()", ACTIVITY),
    (lambda: os.fstat(0), "os.fstat()", ACTIVITY),
    (lambda: os.write(1, b""), "os.write()", ACTIVITY),
    (lambda: glob.glob("*"), "glob.glob()", ACTIVITY),
    (lambda: shutil.rmtree("never"), "shutil.rmtree()", ACTIVITY),
    (lambda: shutil.copyfile("never", "ever"), "shutil.copyfile()", ACTIVITY),
    (lambda: tempfile.mkdtemp(dir="."), "tempfile.mkdtemp()", ACTIVITY),
    (lambda: sqlite3.connect(":memory:"), "sqlite3.connect()", ACTIVITY),
    # the network
    (lambda: socket.socket(), "socket.socket()", ACTIVITY),
    (lambda: socket.create_connection(("127.0.0.1", 1)), "socket.create_connection()", ACTIVITY),
    (lambda: socket.getaddrinfo("localhost", 1), "socket.getaddrinfo()", ACTIVITY),
    (lambda: urllib.request.urlopen("http://127.0.0.1:1"), "urllib.request.urlopen()", ACTIVITY),
    # processes
    (lambda: subprocess.run(["true"]), "subprocess.run()", ACTIVITY),
    (lambda: subprocess.Popen(["true"]), "subprocess.Popen()", ACTIVITY),
    (lambda: os.system("true"), "os.system()", ACTIVITY),
    (lambda: os.fork(), "os.fork()", ACTIVITY),
    (lambda: os.execv("/never", ["never"]), "os.exec()", ACTIVITY),
    (lambda: os.posix_spawn("/never", ["never"], {}), "os.posix_spawn()", ACTIVITY),
    (lambda: os.kill(0, 0), "os.kill()", ACTIVITY),
    (lambda: os.waitpid(-1, os.WNOHANG), "os.waitpid()", ACTIVITY),
    (lambda: os.umask(0), "os.umask()", ACTIVITY),
    (lambda: os.sched_getaffinity(0), "os.sched_getaffinity()", ACTIVITY),
    (lambda: signal.pthread_kill(0, 0), "signal.pthread_kill()", ACTIVITY),
    # threads and waiting
    (lambda: threading.Thread(target=print).start(), "threading.Thread.start()", TASK),
    (lambda: threading.Timer(1, print).start(), "threading.Thread.start()", TASK),
    (lambda: POOL.submit(print), "concurrent.futures.ThreadPoolExecutor.submit()", TASK),
    (lambda: list(POOL.map(print, [])) or POOL.submit(print), "concurrent.futures.ThreadPoolExecutor.submit()", TASK),
    (lambda: time.sleep(0), "time.sleep()", SLEEP),
    (lambda: nap(0), "time.sleep()", SLEEP),
    (lambda: input(), "input()", SIGNAL),
]


@workflow.defn
class Calls:
    @workflow.run
    async def run(self, index: int) -> None:
        FORBIDDEN[index][0]()


@pytest.mark.parametrize("index", range(len(FORBIDDEN)), ids=[f"{row[1]} {i}" for i, row in enumerate(FORBIDDEN)])
def test_a_forbidden_call_fails_the_workflow_task(index: int) -> None:
    act, call, replacement = FORBIDDEN[index]
    with pytest.raises(WorkflowTaskFailedError) as failed:
        ScriptedRun(Calls, index, cached=True).workflow_task()
    failure = failed.value.response.failure
    assert failure.application_failure_info.type == "DeterminismError"
    start = f"{HERE}:{act.__code__.co_firstlineno}: {call} in workflow code "
    end = f". {replacement}; or lift the guard with `with workflow.unsafe.determinism_guard_off():`"
    assert failure.message.startswith(start)
    assert failure.message.endswith(end)


def test_each_call_that_has_a_rule_of_its_own_stands_in_the_table() -> None:
    """Also every shadowed one, so that none is shadowed wrongly."""
    shadowed = {f"{module}.{name}" for module, names in SHADOWED.items() for name in names}
    names = {call.removesuffix("()") for _, call, _ in FORBIDDEN}
    functions = {name for name in RULES if "." in name} | {name for name in shadowed if name in RULES}
    left_out = {
        "concurrent.futures",
        "os.getcwdb",  # the bytes twins of others
        "os.getenvb",
        "os.getppid",
        "os.getlogin",
        "os.process_cpu_count",  # from Python 3.13 on
        "os.getloadavg",
        "random.Random",
    }
    assert functions - names - left_out == set()


@workflow.defn
class UsesDefaults:
    @workflow.run
    async def run(self, which: str) -> None:
        {"function": at, "keyword": drawn, "method": Ticker().at}[which]()


@pytest.mark.parametrize(
    ("which", "function", "call"),
    [("function", at, "time.time()"), ("keyword", drawn, "random.random()"), ("method", Ticker.at, "time.time()")],
)
def test_a_default_argument_is_refused_where_it_is_called(which: str, function: Any, call: str) -> None:
    with pytest.raises(WorkflowTaskFailedError, match=re.escape(f"{call} in workflow code")) as failed:
        ScriptedRun(UsesDefaults, which, cached=True).workflow_task()
    first = function.__code__.co_firstlineno
    named = int(failed.value.response.failure.message.split(":")[1])
    assert first < named <= first + 3


def test_what_was_captured_works_as_before_outside_workflow_code() -> None:
    assert abs(CLOCKS["wall"]() - time.time()) < 3600
    assert Timed().at.tzinfo is None
    assert PARTIAL_NOW().tzinfo is UTC
    assert isinstance(NOW(), datetime)
    assert 0 <= Drawn().number < 1


@workflow.defn
class Thread:
    @workflow.run
    async def run(self) -> None:
        await asyncio.to_thread(print)


@workflow.defn
class Executor:
    @workflow.run
    async def run(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, print)


@workflow.defn
class Connection:
    @workflow.run
    async def run(self) -> None:
        await asyncio.open_connection("127.0.0.1", 1)


@workflow.defn
class Subprocess:
    @workflow.run
    async def run(self) -> None:
        await asyncio.create_subprocess_exec("true")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (Thread, "threads"),
        (Executor, "threads"),
        (Connection, "the network"),
        (Subprocess, "subprocesses"),
    ],
)
def test_asyncio_reaches_no_further(definition: Any, words: str) -> None:
    with pytest.raises(WorkflowTaskFailedError, match=words) as failed:
        ScriptedRun(definition, cached=True).workflow_task()
    assert failed.value.response.failure.application_failure_info.type == "NotAllowedInWorkflowError"
