"""Synchronous activities in a process pool: values, failures, heartbeats and cancellation cross the border."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from datetime import timedelta

import pooled_activities
import pytest
from scripted_service import LOST_AFTER_S, activities_running, activity_task, settle, values
from temporalio.api.workflowservice.v1 import RespondActivityTaskCanceledRequest

from tsuzuki import activity, workflow
from tsuzuki.client import Client, LogLine
from tsuzuki.worker import Worker
from tsuzuki.worker._definitions import activity_definitions, check_executor
from tsuzuki.worker._process_frames import FrameReader, Kind, encode_frame

ALL = tuple(it for it in vars(pooled_activities).values() if callable(it) and hasattr(it, "__tsuzuki_activity__"))


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    # Not fork: the test process has threads, and a forked child may inherit a lock that one of them holds.
    with ProcessPoolExecutor(2, multiprocessing.get_context("forkserver")) as executor:
        yield executor


async def test_values_and_info_cross_the_border(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        task = activity_task("whoami", "ada", attempt=2, heartbeat_details=("x",))
        (result,) = values((await setting.run(task)).result)
    assert result.startswith("ada whoami 2 ['x'] ")
    assert not result.endswith(str(os.getpid()))


async def test_exception_that_cannot_be_pickled_arrives_with_its_heartbeats(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        setting.service.give(activity_task("fail_awkwardly"))
        sent = await setting.service.received()
        while not hasattr(sent, "failure"):  # a heartbeat may or may not have been sent before
            sent = await setting.service.received()
    assert sent.failure.message == "7 at here"
    assert sent.failure.application_failure_info.type == "Awkward"
    assert "fail_awkwardly" in sent.failure.stack_trace
    assert values(sent.last_heartbeat_details) == ["before", 2]


async def test_application_error_keeps_what_the_user_said(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        info = (await setting.run(activity_task("refuse"))).failure.application_failure_info
    assert (info.type, info.non_retryable, values(info.details)) == ("Refused", True, [{"why": "policy"}])


async def test_heartbeat_comes_out_and_cancel_goes_in(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        task = activity_task("wait_for_cancel")
        assert values((await setting.run(task)).details) == ["started"]
        setting.service.push_cancel(task)
        sent = await setting.service.received()
        assert isinstance(sent, RespondActivityTaskCanceledRequest)
        assert values(sent.details) == ["pooled"]


async def test_cancel_before_the_process_has_begun_reaches_it(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        task = activity_task("wait_for_cancel")
        setting.service.give(task)
        await settle()
        setting.service.push_cancel(task)
        sent = await setting.service.received()
        if not isinstance(sent, RespondActivityTaskCanceledRequest):  # the pool was quick
            sent = await setting.service.received()
        assert isinstance(sent, RespondActivityTaskCanceledRequest)


@workflow.defn
class Telling:
    """Has an activity log, in the two ways to run one."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(pooled_activities.tell, start_to_close_timeout=timedelta(minutes=1))
        await workflow.execute_local_activity(pooled_activities.tell, start_to_close_timeout=timedelta(minutes=1))
        await workflow.wait_condition(lambda: False)


async def test_lines_come_into_the_log_of_the_run(pool: ProcessPoolExecutor) -> None:
    lines: list[LogLine] = []
    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue="q",
            workflows=[Telling],
            activities=[pooled_activities.tell],
            activity_executor=pool,
            max_concurrent_activities=2,
            max_concurrent_local_activities=2,
        ),
    ):
        handle = await client.start_workflow(Telling.run, id="w", task_queue="q")
        async for line in handle.read_logs(wait=True):
            lines.append(line)
            if len(lines) == 2:
                break
    for line in lines:
        assert (line.level, line.message, line.logger) == (logging.ERROR, "told by ada", "tsuzuki.activity")
        assert (line.activity_type, line.attempt, line.fields) == ("tell", 1, {"apiKey": "(masked)"})
        assert line.exception.endswith("ValueError: broken\n")
    assert lines[0].at <= lines[1].at


async def test_without_logs_none_are_sent_and_a_stream_names_the_way_out(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        assert (await setting.run(activity_task("tell"))).HasField("result")
        message = (await setting.run(activity_task("publish"))).failure.message
    assert message.startswith("an activity in a process pool has no stream. Run it in a thread, or ")


async def test_shutdown_is_seen_inside(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        await setting.run(activity_task("wait_for_shutdown"))
        stopping = asyncio.ensure_future(setting.worker.stop(timedelta(minutes=1)))
        assert values((await setting.service.received()).result) == [True]
        await asyncio.wait_for(stopping, LOST_AFTER_S)


async def test_completing_from_outside_sends_nothing(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool, slots=1) as setting:
        setting.service.give(activity_task("hand_over"))
        await setting.run(activity_task("refuse"))
        assert len(setting.service.sent) == 1


async def test_process_that_dies_fails_the_attempt_and_the_worker() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
        async with activities_running(*ALL, executor=pool) as setting:
            failure = (await setting.run(activity_task("die"))).failure
            assert failure.application_failure_info.type == "BrokenProcessPool"
            assert isinstance(setting.fatal[0], BrokenExecutor)


async def test_stranger_on_the_side_channel_is_hung_up_on(pool: ProcessPoolExecutor) -> None:
    async with activities_running(*ALL, executor=pool) as setting:
        task = activity_task("wait_for_cancel")
        await setting.run(task)
        channel = setting.worker._sync._line  # type: ignore[union-attr]
        reader, writer = await asyncio.open_unix_connection(await channel.listen())
        writer.write(encode_frame(Kind.HELLO, 0, b"guess".ljust(32)) + encode_frame(Kind.HEARTBEAT, 1))
        assert await asyncio.wait_for(reader.read(), LOST_AFTER_S) == b""
        writer.close()
        setting.service.push_cancel(task)
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)


def test_activity_that_cannot_be_pickled_is_refused_at_once(pool: ProcessPoolExecutor) -> None:
    from tsuzuki.converter import DataConverter

    @activity.defn
    def local() -> None: ...

    with pytest.raises(TypeError, match=r"activity 'local' is to run in another process.*module level"):
        check_executor(list(activity_definitions([local]).values()), pool, 1, DataConverter.default)


def test_frames_survive_any_cut() -> None:
    stream = encode_frame(Kind.BEGIN, 1) + encode_frame(Kind.HEARTBEAT, 2**40, b"body")
    for cut in range(len(stream) + 1):
        reader = FrameReader()
        frames = [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])]
        assert frames == [(Kind.BEGIN, 1, b""), (Kind.HEARTBEAT, 2**40, b"body")]
