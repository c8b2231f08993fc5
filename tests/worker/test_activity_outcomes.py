"""What an attempt reports: results, failures, arguments that do not fit, and nothing."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from scripted_service import activities_running, activity_task, settle, values

from tsuzuki import activity
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError, ApplicationErrorCategory


@dataclass
class Source:
    title: str
    year: int


@activity.defn
async def cite(source: Source, style: str = "short") -> str:
    return f"{source.title} ({source.year}), {style}"


@activity.defn
async def nothing() -> None:
    pass


@activity.defn
async def break_down() -> None:
    try:
        raise KeyError("missing")
    except KeyError as error:
        raise ValueError("no such source") from error


async def test_result_is_encoded_and_arguments_take_their_types_and_defaults() -> None:
    async with activities_running(cite, nothing) as setting:
        task = activity_task("cite", Source("Ducks", 1999))
        sent = await setting.run(task)
        assert sent.task_token == task.task_token
        assert (sent.identity, sent.namespace) == ("1@test", "default")
        assert values(sent.result) == ["Ducks (1999), short"]
        assert values((await setting.run(activity_task("cite", Source("Geese", 2001), "long"))).result) == [
            "Geese (2001), long"
        ]
        empty = await setting.run(activity_task("nothing"))
        assert empty.result.payloads[0].metadata["encoding"] == b"binary/null"


async def test_exception_is_reported_with_type_message_cause_and_stack() -> None:
    async with activities_running(break_down) as setting:
        failure = (await setting.run(activity_task("break_down"))).failure
    assert failure.message == "no such source"
    assert failure.application_failure_info.type == "ValueError"
    assert not failure.application_failure_info.non_retryable
    assert "break_down" in failure.stack_trace
    assert failure.cause.application_failure_info.type == "KeyError"


async def test_application_error_keeps_what_the_user_said() -> None:
    @activity.defn
    async def refuse() -> None:
        raise ApplicationError(
            "out of quota", {"left": 0}, type="Quota", non_retryable=True, next_retry_delay=timedelta(hours=1)
        )

    async with activities_running(refuse) as setting:
        failure = (await setting.run(activity_task("refuse"))).failure
    info = failure.application_failure_info
    assert (info.type, info.non_retryable, info.next_retry_delay.seconds) == ("Quota", True, 3600)
    assert values(info.details) == [{"left": 0}]


@pytest.mark.parametrize(
    ("category", "level"),
    [
        (ApplicationErrorCategory.BENIGN, logging.DEBUG),
        (ApplicationErrorCategory.UNSPECIFIED, logging.WARNING),
    ],
)
async def test_failure_is_logged_as_loud_as_its_category(
    category: ApplicationErrorCategory, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    @activity.defn
    async def fail() -> None:
        raise ApplicationError("as expected", category=category)

    caplog.set_level(logging.DEBUG)
    async with activities_running(fail) as setting:
        await setting.run(activity_task("fail"))
    (record,) = [record for record in caplog.records if "as expected" in record.getMessage()]
    assert record.levelno == level
    assert record.temporal_activity["activity_type"] == "fail"  # type: ignore[attr-defined]


async def test_unknown_type_is_retried_and_names_the_nearest() -> None:
    async with activities_running(cite, nothing) as setting:
        failure = (await setting.run(activity_task("citr"))).failure
    assert failure.application_failure_info.type == "NotFoundError"
    assert not failure.application_failure_info.non_retryable
    assert "did you mean 'cite'?" in failure.message
    assert "cite, nothing" in failure.message
    assert "activities=[..., *agent.activities]" in failure.message


@pytest.mark.parametrize(
    ("args", "type_name", "says"),
    [
        ((), "TypeError", "takes 1 to 2 argument(s) (source, style=...), but was scheduled with 0"),
        ((Source("a", 1), "b", "c"), "TypeError", "but was scheduled with 3"),
        (("no source",), "PayloadDecodeError", "argument 'source' of activity 'cite' does not fit"),
        ((Source("a", 1), 5), "PayloadDecodeError", "argument 'style' of activity 'cite' does not fit"),
    ],
)
async def test_arguments_that_do_not_fit_fail_the_attempt(args: tuple[object, ...], type_name: str, says: str) -> None:
    async with activities_running(cite) as setting:
        failure = (await setting.run(activity_task("cite", *args))).failure
    assert failure.application_failure_info.type == type_name
    assert not failure.application_failure_info.non_retryable
    assert says in failure.message


async def test_result_that_cannot_be_encoded_fails_the_attempt() -> None:
    @activity.defn
    async def bad() -> object:
        return object()

    async with activities_running(bad) as setting:
        failure = (await setting.run(activity_task("bad"))).failure
    assert failure.application_failure_info.type == "PayloadEncodeError"


async def test_dynamic_activity_takes_unknown_types_undecoded() -> None:
    @activity.defn(dynamic=True)
    async def anything(args: Sequence[RawValue]) -> str:
        converter = activity.payload_converter()
        return f"{activity.info().activity_type} {[converter.from_payload(arg.payload) for arg in args]}"

    async with activities_running(anything, nothing) as setting:
        sent = await setting.run(activity_task("whatever", 1, "two"))
    assert values(sent.result) == ["whatever [1, 'two']"]


async def test_completing_from_outside_sends_nothing() -> None:
    @activity.defn
    async def hand_over() -> None:
        activity.raise_complete_async()

    async with activities_running(hand_over, nothing, slots=1) as setting:
        setting.service.give(activity_task("hand_over"))
        await setting.run(activity_task("nothing"))  # the one slot is free again
        assert len(setting.service.sent) == 1


async def test_system_exit_fails_the_attempt_and_spares_the_worker() -> None:
    @activity.defn
    async def leave() -> None:
        raise SystemExit(3)

    async with activities_running(leave, nothing, slots=1) as setting:
        sent = await setting.run(activity_task("leave"))
        assert sent.failure.application_failure_info.type == "SystemExit"
        await setting.run(activity_task("nothing"))


async def test_context_variables_do_not_reach_the_next_attempt() -> None:
    visits: contextvars.ContextVar[int] = contextvars.ContextVar("visits", default=0)

    @activity.defn
    async def visit() -> int:
        visits.set(visits.get() + 1)
        return visits.get()

    async with activities_running(visit, slots=1) as setting:
        assert values((await setting.run(activity_task("visit"))).result) == [1]
        assert values((await setting.run(activity_task("visit"))).result) == [1]


async def test_info_tells_what_the_task_says() -> None:
    seen: list[activity.Info] = []

    @activity.defn
    async def look() -> None:
        assert activity.in_activity()
        seen.append(activity.info())

    async with activities_running(look) as setting:
        task = activity_task("look", attempt=3, heartbeat_s=7, heartbeat_details=("page", 4))
        await setting.run(task)
    (info,) = seen
    assert (info.attempt, info.activity_id, info.activity_type) == (3, task.activity_id, "look")
    assert (info.workflow_id, info.workflow_run_id, info.workflow_type) == ("workflow", "run", "Research")
    assert info.heartbeat_details == ["page", 4]
    assert (info.heartbeat_timeout, info.schedule_to_close_timeout) == (timedelta(seconds=7), None)
    assert info.started_time - info.scheduled_time == timedelta(seconds=2)
    assert info.task_token == task.task_token
    assert info.in_workflow


def test_activity_functions_outside_an_activity_say_so() -> None:
    assert not activity.in_activity()
    with pytest.raises(RuntimeError, match="not in an activity"):
        activity.info()
    with pytest.raises(RuntimeError, match="not in an activity"):
        activity.heartbeat()


async def test_loop_that_is_torn_down_reports_nothing() -> None:
    started = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    async with activities_running(wait, slots=1) as setting:
        setting.service.give(activity_task("wait"))
        await started.wait()
        (slot,) = setting.worker._slots._open
        slot.cancel()
        await settle()
        assert slot.cancelled()
        assert setting.service.sent == []
