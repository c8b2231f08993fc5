"""What the determinism guard must not touch: harmless calls, the machinery around workflow code, other threads."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import linecache
import logging
import logging.handlers
import math
import os
import pickle
import random
import re
import sys
import threading
import time
import traceback
import types
import uuid
import warnings
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import time as captured
from typing import Any, TypeVar
from unittest import mock
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pydantic import BaseModel, TypeAdapter
from scripted_run import ScriptedRun, WorkflowTaskFailedError
from temporalio.api.common.v1 import Payload

from tsuzuki import workflow
from tsuzuki.converter import DataConverter, DefaultPayloadConverter
from tsuzuki.worker._guard import guarded_threads
from tsuzuki.worker._guard_frames import Kind, kind_of

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

ALLOWED: dict[str, Callable[[], Any]] = {}


def allowed(act: Decorated) -> Decorated:
    """Put a function into the table of what workflow code may do."""
    ALLOWED[act.__name__] = act
    return act


class Meeting(BaseModel):
    at: datetime
    on: date


@dataclass
class Point:
    x: int
    at: datetime | None = None


class Record(msgspec.Struct):
    at: datetime


@allowed
def datetime_is_itself() -> None:
    at = datetime(2024, 5, 17, 12, tzinfo=UTC)
    assert type(at) is datetime
    assert isinstance(workflow.now(), datetime)
    assert isinstance(at, date)
    assert issubclass(datetime, date)
    assert type(at + timedelta(days=1)) is datetime
    assert datetime.fromisoformat(at.isoformat()) == at
    assert datetime.fromtimestamp(at.timestamp(), UTC) == at
    assert datetime.strptime("2024-05-17", "%Y-%m-%d").date() == at.date()
    assert datetime.combine(at.date(), at.timetz()) == at
    assert pickle.loads(pickle.dumps(at)) == at
    assert copy.deepcopy(at) == at
    match at:
        case datetime():
            pass
        case _:
            raise AssertionError


@allowed
def times_that_are_given() -> None:
    assert time.gmtime(0).tm_year == 1970
    assert time.strftime("%Y", time.gmtime(0)) == "1970"
    time.localtime(0)
    time.ctime(0)
    time.mktime(time.gmtime(0))
    assert workflow.now().astimezone(ZoneInfo("Europe/Berlin")).tzinfo is not None
    assert ZoneInfo("Asia/Tokyo").key == "Asia/Tokyo"


@allowed
def pydantic_models() -> None:
    meeting = Meeting(at=datetime(2024, 5, 17, tzinfo=UTC), on=date(2024, 5, 17))
    assert Meeting.model_validate_json(meeting.model_dump_json()) == meeting

    class Later(BaseModel):
        at: datetime

    assert type(Later.model_validate({"at": "2024-05-17T00:00:00Z"}).at) is datetime
    assert TypeAdapter(list[datetime]).validate_python(["2024-05-17T00:00:00Z"]) == [meeting.at]


@allowed
def msgspec_structs() -> None:
    record = Record(datetime(2024, 5, 17, tzinfo=UTC))
    assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record
    assert msgspec.json.decode(b'{"x":1,"at":"2024-05-17T00:00:00Z"}', type=Point).at == record.at


@allowed
def seeded_generators() -> None:
    assert random.Random(7).random() == random.Random(7).random()
    assert random.Random(x=7).randint(1, 6) in range(1, 7)
    workflow.random().shuffle([1, 2])
    workflow.uuid4()
    generator = workflow.random()
    generator.seed(3)
    assert uuid.uuid5(uuid.NAMESPACE_DNS, "example.org").version == 5
    assert isinstance(generator, random.Random)


@allowed
def pure_modules() -> None:
    assert json.loads(json.dumps({"a": 1})) == {"a": 1}
    assert re.fullmatch(r"\d+", "12")
    assert math.sqrt(4) == 2
    assert dataclasses.asdict(dataclasses.replace(Point(1), x=2)) == {"x": 2, "at": None}
    assert os.path.join("a", "b") == str(Path("a") / "b")
    assert Path("a/b.txt").suffix == ".txt"
    assert os.sep == "/"


@allowed
def printing() -> None:
    print("from a workflow")
    print("to stderr", file=sys.stderr)


@allowed
def imports() -> None:
    sys.modules.pop("calendar", None)
    import calendar
    import colorsys  # noqa: F401  # reads files when it is the first
    import wave  # noqa: F401

    assert calendar.isleap(2024)


@allowed
def tracebacks() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        linecache.clearcache()  # so that the file is read
        assert "raise ValueError" in traceback.format_exc()
        traceback.print_exception(error)


@allowed
def warning() -> None:
    linecache.clearcache()
    text = warnings.formatwarning("careful", UserWarning, __file__, warning.__code__.co_firstlineno)
    assert "@allowed" in text


@allowed
def mentioning_without_calling() -> None:
    assert callable(time.time)
    assert hasattr(time, "monotonic")
    assert callable(datetime.now)
    assert os.environ is not None


@allowed
def finalizers() -> None:
    ended: list[float] = []

    class Owner:
        def __del__(self) -> None:
            ended.append(time.time())

    owner = Owner()
    weakref.finalize(owner, lambda: ended.append(time.monotonic()))
    del owner
    assert len(ended) == 2


@workflow.defn
class Allowed:
    @workflow.run
    async def run(self, name: str) -> str:
        ALLOWED[name]()
        return name


@pytest.mark.parametrize("name", ALLOWED)
def test_workflow_code_may(name: str) -> None:
    run = ScriptedRun(Allowed, name, cached=True)
    run.workflow_task()
    assert run.notation() == "Started | WFT | Completed"


def test_logging_to_a_file_and_through_a_formatter_with_the_date(tmp_path: Path) -> None:
    @workflow.defn
    class Logs:
        @workflow.run
        async def run(self) -> None:
            workflow.logger.warning("one")
            logging.getLogger("mine").warning("two", stack_info=True)
            try:
                raise ValueError("three")
            except ValueError:
                workflow.logger.exception("failed")

    handler = logging.handlers.RotatingFileHandler(tmp_path / "log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
    for name in ("mine", "tsuzuki.workflow"):
        logging.getLogger(name).addHandler(handler)
    try:
        ScriptedRun(Logs, cached=True).workflow_task()
    finally:
        for name in ("mine", "tsuzuki.workflow"):
            logging.getLogger(name).removeHandler(handler)
        handler.close()
    text = (tmp_path / "log").read_text()
    assert [word in text for word in ("one", "two", "ValueError: three")] == [True, True, True]


def test_a_debugger_works_in_workflow_code() -> None:
    import io
    import pdb

    output = io.StringIO()

    @workflow.defn
    class Stops:
        @workflow.run
        async def run(self) -> None:
            debugger = pdb.Pdb(stdin=io.StringIO("p time.time() > 0\nlist\ncontinue\n"), stdout=output)
            debugger.use_rawinput = False
            debugger.set_trace()

    # In a thread of its own: the debugger stays in the frames below it, and would keep this run alive for ever.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(ScriptedRun(Stops, cached=True).workflow_task).result()
    assert "True" in output.getvalue()


class StampingConverter(DefaultPayloadConverter):
    """Does in the worker what workflow code must not."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        assert time.time() > 0
        assert os.urandom(1)
        return super().to_payloads(values)


def test_a_converter_of_the_users_may_look_at_the_world() -> None:
    @workflow.defn
    class Starts:
        @workflow.run
        async def run(self) -> None:
            await workflow.execute_activity("work", 1, start_to_close_timeout=timedelta(seconds=1))

    run = ScriptedRun(Starts, cached=True)
    settings = run.processor._settings
    object.__setattr__(settings, "data_converter", DataConverter(payload_converter_class=StampingConverter))
    run.workflow_task()
    assert run.pending_activities() == ["1"]


def test_side_effects_may_look_at_the_world() -> None:
    @workflow.defn
    class Effects:
        @workflow.run
        async def run(self) -> bool:
            at = workflow.side_effect(lambda: time.time())
            home = workflow.mutable_side_effect("home", lambda: os.environ["PATH"], equal=lambda a, b: a == b)
            return at > 0 and bool(home)

    run = ScriptedRun(Effects, cached=True)
    run.workflow_task()
    assert run.notation().endswith("Completed")


# ---- doors ----------------------------------------------------------------------------------------------


@workflow.defn
class Opened:
    @workflow.run
    async def run(self, door: str) -> str:
        with getattr(workflow.unsafe, door)():
            assert time.time() > 0
            assert datetime.now(UTC)
            assert os.environ
            await asyncio.sleep(1)
            assert time.time() > 0
        time.time()
        return "not reached"


@pytest.mark.parametrize("door", ["determinism_guard_off", "sandbox_unrestricted"])
@pytest.mark.parametrize("cached", [True, False])
def test_the_guard_is_lifted_for_a_block_and_stands_again_after_it(door: str, cached: bool) -> None:
    run = ScriptedRun(Opened, door, cached=cached)
    run.workflow_task()
    run.fire_timer(run.next_timer())
    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        run.workflow_task()


def test_the_guard_is_lifted_for_the_task_that_asked_and_no_other() -> None:
    @workflow.defn
    class Two:
        @workflow.run
        async def run(self) -> None:
            async def free() -> None:
                with workflow.unsafe.determinism_guard_off():
                    await asyncio.sleep(0)

            task = asyncio.create_task(free())
            await asyncio.sleep(0)
            time.time()
            await task

    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        ScriptedRun(Two, cached=True).workflow_task()


def test_imports_passed_through_lifts_nothing() -> None:
    @workflow.defn
    class Passed:
        @workflow.run
        async def run(self) -> None:
            with workflow.unsafe.imports_passed_through():
                import this_is_not_there  # type: ignore[import-not-found]  # noqa: F401

    with workflow.unsafe.imports_passed_through():
        import tsuzuki  # noqa: F401
    with pytest.raises(WorkflowTaskFailedError, match="ModuleNotFoundError"):
        ScriptedRun(Passed, cached=True).workflow_task()


def test_a_workflow_without_sandbox_is_left_alone() -> None:
    @workflow.defn(sandboxed=False)
    class Free:
        @workflow.run
        async def run(self) -> bool:
            return time.time() > 0 and bool(os.environ)

    run = ScriptedRun(Free, cached=True)
    run.workflow_task()
    assert run.notation() == "Started | WFT | Completed"


# ---- what a refusal does ----------------------------------------------------------------------------------


def test_the_task_fails_also_when_the_code_swallows_the_error() -> None:
    @workflow.defn(failure_exception_types=[Exception])
    class Swallows:
        @workflow.run
        async def run(self) -> str:
            try:
                return str(time.time())
            except Exception:
                return "fallback"

    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        ScriptedRun(Swallows, cached=True).workflow_task()


@pytest.mark.parametrize("where", ["__init__", "signal"])
def test_code_that_runs_outside_tasks_is_guarded_too(where: str) -> None:
    @workflow.defn
    class Early:
        def __init__(self) -> None:
            if where == "__init__":
                time.time()

        @workflow.run
        async def run(self) -> None:
            await asyncio.sleep(1)

        @workflow.signal
        def poke(self) -> None:
            if where == "signal":
                time.time()

    run = ScriptedRun(Early, cached=True)
    run.signal("poke")
    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        run.workflow_task()


def test_a_condition_is_guarded_too() -> None:
    @workflow.defn
    class Waits:
        @workflow.run
        async def run(self) -> None:
            await workflow.wait_condition(lambda: time.time() > 0)

    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        ScriptedRun(Waits, cached=True).workflow_task()


def test_the_error_carries_its_facts() -> None:
    seen: list[workflow.DeterminismError] = []

    @workflow.defn
    class Looks:
        @workflow.run
        async def run(self) -> None:
            try:
                uuid.uuid4()
            except workflow.DeterminismError as error:
                seen.append(error)
                raise

    with pytest.raises(WorkflowTaskFailedError):
        ScriptedRun(Looks, cached=True).workflow_task()
    assert seen[0].call == "uuid.uuid4()"
    assert seen[0].source == f"{Path(__file__).name}:{Looks.run.__code__.co_firstlineno + 3}"
    assert seen[0].replacement == "Use workflow.uuid4() instead; or do it in an activity"


# ---- outside workflow code --------------------------------------------------------------------------------


@workflow.defn
class Nothing:
    @workflow.run
    async def run(self) -> None:
        pass


def test_outside_workflow_code_everything_is_as_it_was() -> None:
    ScriptedRun(Nothing, cached=True).workflow_task()
    assert not guarded_threads
    for module in (time, os, random):
        assert type(module) is types.ModuleType
    for function in (time.time, os.stat, random.random, datetime.now, date.today):
        assert isinstance(function, types.BuiltinFunctionType)
    assert pickle.loads(pickle.dumps(captured)) is captured
    assert captured() > 0
    assert datetime.now(UTC).tzinfo is UTC
    assert type(datetime.now()) is datetime

    class Mine(datetime):
        pass

    assert type(Mine.now()) is Mine
    assert type(Mine.today()) is Mine


def test_a_function_that_another_tool_replaced_stays_replaced() -> None:
    with mock.patch("time.time", return_value=7.0):
        ScriptedRun(Nothing, cached=True).workflow_task()
        assert time.time() == 7.0
        assert captured() == 7.0
    assert time.time() > 7


def test_two_processors_of_which_one_is_guarded() -> None:
    @workflow.defn
    class Clock:
        @workflow.run
        async def run(self) -> bool:
            return time.time() > 0

    guarded = ScriptedRun(Clock, cached=True)
    free = ScriptedRun(Clock, cached=True)
    object.__setattr__(free.processor._settings, "determinism_guard", False)
    with pytest.raises(WorkflowTaskFailedError):
        guarded.workflow_task()
    free.workflow_task()
    with pytest.raises(WorkflowTaskFailedError):
        guarded.workflow_task()


def test_other_threads_are_not_affected_while_workflow_code_runs() -> None:
    asked, answered = threading.Event(), threading.Event()
    results: list[Any] = []

    def look_at_the_world() -> None:
        asked.wait()
        try:
            results.extend((time.time(), datetime.now(UTC), uuid.uuid4(), os.environ["PATH"], random.random()))
            results.extend((os.urandom(1), captured(), Path(__file__).exists(), len(Path(__file__).read_text())))
        except BaseException as error:
            results.append(error)
        finally:
            answered.set()

    @workflow.defn
    class Meanwhile:
        @workflow.run
        async def run(self) -> None:
            asked.set()
            answered.wait()
            time.time()

    thread = threading.Thread(target=look_at_the_world)
    thread.start()
    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        ScriptedRun(Meanwhile, cached=True).workflow_task()
    thread.join()
    assert [type(result) for result in results[:5]] == [float, datetime, uuid.UUID, str, float]
    assert len(results) == 9


def test_a_worker_in_another_thread_does_not_lift_the_guard_of_this_one() -> None:
    asked, answered = threading.Event(), threading.Event()

    async def host() -> None:
        ScriptedRun(Nothing, cached=True).workflow_task()
        assert time.time() > 0  # the thread's own loop is not guarded

    def other() -> None:
        asked.wait()
        try:
            asyncio.run(host())
        finally:
            answered.set()

    @workflow.defn
    class Outlasts:
        @workflow.run
        async def run(self) -> None:
            asked.set()
            answered.wait()
            random.random()

    thread = threading.Thread(target=other)
    thread.start()
    with pytest.raises(WorkflowTaskFailedError, match=r"random\.random\(\) in workflow code"):
        ScriptedRun(Outlasts, cached=True).workflow_task()
    thread.join()
    assert type(time) is types.ModuleType


async def test_a_loop_that_hosts_another_run_inside_workflow_code_stays_guarded() -> None:
    """Nobody should; but the inner run must not take the guard away."""

    @workflow.defn
    class Outer:
        @workflow.run
        async def run(self) -> None:
            with workflow.unsafe.determinism_guard_off():
                ScriptedRun(Nothing, cached=True).workflow_task()
            time.time()

    with pytest.raises(WorkflowTaskFailedError, match=r"time\.time\(\) in workflow code"):
        ScriptedRun(Outer, cached=True).workflow_task()
    assert not guarded_threads
    assert asyncio.get_running_loop().time() > 0


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        (__file__, Kind.USER),
        ("<stdin>", Kind.USER),
        ("<ipython-input-1-abc>", Kind.USER),
        (msgspec.__file__, Kind.LIBRARY),
        (pytest.__file__.replace("pytest", "_pytest"), Kind.DOOR),
        (uuid.__file__, Kind.STANDARD),
        ("<frozen os>", Kind.STANDARD),
        ("<string>", Kind.STANDARD),
        ("<frozen importlib._bootstrap>", Kind.DOOR),
        (logging.__file__, Kind.DOOR),
        (workflow.__file__, Kind.OWN),
        (workflow.__file__.replace("workflow", "agents"), Kind.LIBRARY),
        (workflow.__file__.replace("tsuzuki", "tsuzuki_of_somebody_else"), Kind.USER),
    ],
)
def test_whose_code_a_file_is(filename: str, kind: Kind) -> None:
    assert kind_of(filename) is kind
