"""What workflows and activities log goes into the logs of their runs, once, and nothing ever waits for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from temporalio.api.workflowservice.v1 import (
    GetSystemInfoResponse,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse,
)

from tsuzuki import activity, workflow
from tsuzuki.client import Client, LogLine, WorkflowQueryFailedError
from tsuzuki.common import RetryPolicy
from tsuzuki.common.log_frames import LOG_ACTIVITY_ID
from tsuzuki.common.stream_frames import write_frame
from tsuzuki.converter import PayloadConverter
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.worker import Worker, _run_logs
from tsuzuki.worker._pace import Pace
from tsuzuki.worker._run_logs import LINES_MAX, RunLogs
from tsuzuki.worker._server_kind import ServerKind

MINUTE = timedelta(minutes=1)
AT_ONCE = RetryPolicy(initial_interval=timedelta(milliseconds=1))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the last lines may take longer."""
    monkeypatch.setattr(_run_logs, "LAST_S_MAX", 60.0)


@activity.defn
async def weigh() -> None:
    activity.logger.info("weighing %d of %s", 3, "tea", extra={"kilos": 3, "apiKey": "sesame", "box": {"a": [1]}})
    try:
        raise ValueError("broken")
    except ValueError:
        activity.logger.exception("by hand")
    if activity.info().attempt == 1:
        raise ConnectionError("again")


@activity.defn
def carry() -> None:
    activity.logger.warning("carried in %s", threading.current_thread() is not threading.main_thread())


@workflow.defn
class Parcel:
    @workflow.run
    async def run(self) -> None:
        workflow.logger.debug("not kept")
        workflow.logger.info("come")
        await workflow.execute_activity(weigh, start_to_close_timeout=MINUTE, retry_policy=AT_ONCE)
        await workflow.execute_activity(carry, start_to_close_timeout=MINUTE)
        await workflow.execute_local_activity(carry, start_to_close_timeout=MINUTE)
        workflow.logger.info("gone at %s", workflow.now().year > 2000)


async def logged(**options: Any) -> list[LogLine]:
    async with await Client.connect("sqlite://") as client:
        async with Worker(client, task_queue="q", workflows=[Parcel], activities=[weigh, carry], **options):
            handle = await client.start_workflow(Parcel.run, id="w", task_queue="q")
            await handle.result()
        return [line async for line in handle.read_logs()]


@pytest.mark.parametrize("cached", [0, 1000])
async def test_each_line_is_there_once_with_whose_it_is(cached: int, caplog: pytest.LogCaptureFixture) -> None:
    """Without a cache each task replays the code from its first line on."""
    caplog.set_level(logging.CRITICAL)  # what `logging` shows has nothing to do with it
    lines = await logged(max_cached_workflows=cached)
    assert [(line.level, line.message, line.activity_type, line.attempt) for line in lines] == [
        (20, "come", "", 0),
        (20, "weighing 3 of tea", "weigh", 1),
        (40, "by hand", "weigh", 1),
        (30, "Activity failed: ConnectionError: again", "weigh", 1),  # the worker's own
        (20, "weighing 3 of tea", "weigh", 2),
        (40, "by hand", "weigh", 2),
        (30, "carried in True", "carry", 1),
        (30, "carried in True", "carry", 1),
        (20, "gone at True", "", 0),
    ]
    assert lines[1].fields == {"kilos": 3, "apiKey": "(masked)", "box": "{'a': [1]}"}
    assert lines[2].exception.endswith("ValueError: broken\n")
    assert {line.logger for line in lines} == {"tsuzuki.workflow", "tsuzuki.activity"}
    assert all(first.at <= second.at for first, second in pairwise(lines))


async def test_the_level_is_the_worker_s() -> None:
    assert [line.message for line in await logged(run_log_level=logging.WARNING)] == [
        "by hand",
        "Activity failed: ConnectionError: again",
        "by hand",
        "carried in True",
        "carried in True",
    ]
    assert (await logged(run_log_level=logging.DEBUG))[0].message == "not kept"
    assert await logged(run_log_level=None) == []


def test_logging_still_names_the_line_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asyncio.run(logged())
    said = [record for record in caplog.records if record.name in ("tsuzuki.workflow", "tsuzuki.activity")]
    assert {(record.filename, record.funcName) for record in said} == {
        ("test_run_logs.py", "run"),
        ("test_run_logs.py", "weigh"),
        ("test_run_logs.py", "carry"),
        ("_activity_runner.py", "_failed"),
    }


async def test_a_reader_follows_to_the_end_and_goes_on_where_it_stopped() -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue="q", workflows=[Parcel], activities=[weigh, carry]),
    ):
        handle = await client.start_workflow(Parcel.run, id="w", task_queue="q")
        seen = []
        async for line in handle.read_logs(wait=True):
            seen.append(line)
            if line.message.startswith("gone"):
                break
        again = [line async for line in handle.read_logs(after=seen[2].id)]
        assert [line.id for line in again] == [line.id for line in seen[3:]]
        assert [line.message async for line in handle.read_logs(last=1)] == ["gone at True"]


# ---- workflow tasks that fail --------------------------------------------------------------------------


@workflow.defn
class Stumbling:
    """Its tasks fail as `errors` says, one an attempt."""

    errors: ClassVar[list[Exception | None]] = []

    @workflow.run
    async def run(self) -> None:
        workflow.logger.info("come")
        self.stumble()
        await workflow.sleep(0.001)
        workflow.logger.info("further")
        self.stumble()

    def stumble(self) -> None:
        if not workflow.unsafe.is_replaying() and self.errors and (error := self.errors.pop(0)):
            raise error


async def stumbled(errors: list[Exception | None], cached: int = 1000) -> list[LogLine]:
    Stumbling.errors = errors
    async with await Client.connect("sqlite://") as client:
        async with Worker(client, task_queue="q", workflows=[Stumbling], max_cached_workflows=cached):
            handle = await client.start_workflow(Stumbling.run, id="w", task_queue="q")
            await handle.result()
            with pytest.raises(WorkflowQueryFailedError):  # its replay is no attempt
                await handle.query("no such query")
        return [line async for line in handle.read_logs()]


def failed(error: str) -> tuple[int, str, str]:
    return (40, "tsuzuki.worker", f"Workflow task failed, and is tried again until the code is mended: {error}")


COME, FURTHER = ((20, "tsuzuki.workflow", said) for said in ("come", "further"))


@pytest.mark.parametrize("cached", [0, 1000])
async def test_a_stuck_run_says_once_why_its_task_fails(cached: int) -> None:
    lines = await stumbled([OSError("at 0x1"), OSError("at 0x2"), OSError("at 0x3"), None], cached)
    told = failed("OSError: at 0x1")
    assert [(line.level, line.logger, line.message) for line in lines] == [COME, told, COME, FURTHER]
    assert "in stumble\n    raise error\nOSError: at 0x1\n" in lines[1].exception
    assert lines[1].activity_id == ""


async def test_another_failure_and_one_after_the_run_got_further_are_told_too() -> None:
    lines = await stumbled([OSError("a"), KeyError("b"), KeyError("b"), None, KeyError("b"), None])
    assert [(line.level, line.logger, line.message) for line in lines] == [
        *(COME, failed("OSError: a")),
        *(COME, failed("KeyError: 'b'")),
        *(COME, FURTHER, failed("KeyError: 'b'")),
        FURTHER,
    ]


# ---- what can go wrong ---------------------------------------------------------------------------------


class Keeper:
    """A service that keeps logs, or refuses to."""

    def __init__(self, version: str = "tsuzuki-1", refusals: int = 0, faults: Sequence[Exception] = ()) -> None:
        self.version = version
        self.refusals = refusals
        self.faults = list(faults)
        self.looked = 0
        self.kept: list[dict[str, Any]] = []
        self.asked = 0
        self.news = asyncio.Event()

    async def get_system_info(self, request: object) -> GetSystemInfoResponse:
        self.looked += 1
        if self.faults:
            self.news.set()
            raise self.faults.pop()
        return GetSystemInfoResponse(server_version=self.version)

    async def record_activity_task_heartbeat_by_id(
        self, request: RecordActivityTaskHeartbeatByIdRequest
    ) -> RecordActivityTaskHeartbeatByIdResponse:
        self.asked += 1
        if self.refusals:
            self.refusals -= 1
            raise ServiceError(StatusCode.UNAVAILABLE, "away")
        self.kept += PayloadConverter.default.from_payload(request.details.payloads[1], list)
        self.news.set()
        return RecordActivityTaskHeartbeatByIdResponse()


@asynccontextmanager
async def logs_to(keeper: Keeper) -> AsyncIterator[RunLogs]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    logs = RunLogs(
        keeper,  # type: ignore[arg-type]
        ServerKind(keeper),  # type: ignore[arg-type]
        namespace="default",
        identity="me",
        payload_converter=PayloadConverter.default,
        level=logging.INFO,
        pace=Pace(sleep=at_once),
        now_ns=lambda: 7,
    )
    logs.start()
    yield logs
    await logs.stop()


def say(logs: RunLogs, message: object, *args: Any, **kwargs: Any) -> None:
    logs.add(("w", "r"), logging.INFO, "mine", message, args, kwargs)


async def test_lines_are_sent_again_until_they_are_kept() -> None:
    keeper = Keeper(refusals=3)
    async with logs_to(keeper) as logs:
        say(logs, "a")
    assert [line["message"] for line in keeper.kept] == ["a"]
    assert keeper.asked == 4


async def test_a_look_at_the_server_that_fails_in_an_unexpected_way_ends_no_log() -> None:
    keeper = Keeper(faults=[RuntimeError("a fault")])
    async with logs_to(keeper) as logs:
        say(logs, "a")
        async with asyncio.timeout(60):
            await keeper.news.wait()
        say(logs, "b")
        say(logs, "c")
    assert [line["message"] for line in keeper.kept] == ["a", "b", "c"]
    assert keeper.looked == 2, "what is known is asked no more"


async def test_nothing_is_sent_to_a_server_that_keeps_no_logs() -> None:
    keeper = Keeper(version="1.31.0")
    async with logs_to(keeper) as logs:
        for _ in range(3):
            say(logs, "a")
    assert keeper.asked == 0


async def test_more_than_can_be_sent_is_dropped_and_counted() -> None:
    keeper = Keeper()
    async with logs_to(keeper) as logs:
        for number in range(LINES_MAX + 7):
            say(logs, number)
    assert len(keeper.kept) == LINES_MAX + 1
    assert keeper.kept[-1]["message"].startswith("7 lines of this worker's runs were dropped")


async def test_lines_come_from_any_thread() -> None:
    keeper = Keeper()
    asyncio.get_running_loop().set_debug(True)  # refuses to be touched by another thread
    async with logs_to(keeper) as logs:
        threads = [threading.Thread(target=say, args=(logs, number)) for number in range(20)]
        for thread in threads:
            await asyncio.sleep(0)
            thread.start()
        async with asyncio.timeout(60):
            while len(keeper.kept) < len(threads):
                await keeper.news.wait()
                keeper.news.clear()
    assert sorted(int(line["message"]) for line in keeper.kept) == list(range(20))


async def test_whatever_is_logged_is_bounded_and_can_be_sent() -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError("x" * 50_000)

    keeper = Keeper()
    async with logs_to(keeper) as logs:
        say(logs, "x" * 100_000)
        say(logs, Rude())
        say(logs, "%d %s", "no number")
        say(logs, "%(a)s", {"a": 1})
        say(logs, "\ud800", extra={"\ud800": "\ud800", "n": 1 << 80, "nan": float("inf"), "x": object})
        say(logs, "head", extra={"x-api-key": "sesame", "sent": {"X-Api-Key": "sesame", "private-key": "sesame"}})
        say(logs, "many", extra={str(number): "y" * 1000 for number in range(1000)})
        try:
            deep(10)
        except ValueError as error:
            say(logs, "deep", exc_info=error)
            say(logs, "none", exc_info=(None, None, None))
    messages = [line["message"] for line in keeper.kept]
    assert len(messages[0]) == 8000
    assert "cannot be put together" in messages[1]
    assert "cannot be put together" in messages[2]
    assert messages[3:5] == ["1", "?"]
    assert "sesame" not in str(keeper.kept[5])
    assert [len(value) for value in keeper.kept[6]["fields"].values()] == [400] * 20
    assert len(keeper.kept[7]["exception"]) == 16_000
    assert keeper.kept[7]["exception"].endswith("xxx\n")
    assert "exception" not in keeper.kept[8]


async def test_a_lot_is_sent_in_batches_that_a_server_takes() -> None:
    keeper = Keeper()
    async with logs_to(keeper) as logs:
        for _ in range(50):
            say(logs, "ü" * 8000)
    assert len(keeper.kept) == 50
    assert keeper.asked >= 6


async def test_names_of_fields_count_for_what_a_batch_may_hold() -> None:
    keeper = Keeper()
    async with logs_to(keeper) as logs:
        for _ in range(100):
            say(logs, "a", extra={f"{number:02}{'n' * 98}": number for number in range(20)})
    assert len(keeper.kept) == 100
    assert keeper.asked >= 4


def test_a_thread_that_outlives_the_loop_may_go_on_logging() -> None:
    async def work() -> RunLogs:
        async with logs_to(Keeper()) as logs:
            return logs

    logs = asyncio.run(work())
    failed: list[BaseException] = []

    def late() -> None:
        try:
            say(logs, "late")
        except RuntimeError as error:
            failed.append(error)

    thread = threading.Thread(target=late)
    thread.start()
    thread.join()
    assert failed == []


async def test_a_batch_with_fewer_lines_than_it_says_does_not_hold_its_reader() -> None:
    async with await Client.connect("sqlite://") as client:
        handle = await client.start_workflow(Parcel.run, id="w", task_queue="q")
        for said in (["a", "b"], ["c"]):
            request = RecordActivityTaskHeartbeatByIdRequest(
                namespace="default", workflow_id="w", activity_id=LOG_ACTIVITY_ID
            )
            lines = [{"at_ns": 7, "level": 20, "logger": "mine", "message": message, "new": True} for message in said]
            request.details.payloads.extend([write_frame({"lines": 2}), PayloadConverter.default.to_payload(lines)])
            await client.service.record_activity_task_heartbeat_by_id(request)
        async with asyncio.timeout(60):
            assert [(line.id[-1], line.message) async for line in handle.read_logs()] == [
                ("1", "a"),
                ("2", "b"),
                ("3", "c"),
            ]
