"""Which heartbeats are sent, when, and what happens to those that are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from scripted_service import activities_running, activity_task, settle, values
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCompletedRequest,
)

from tsuzuki import activity
from tsuzuki.common.stream_frames import has_frame
from tsuzuki.service import ServiceError, StatusCode


class Puppet:
    """An activity whose code is what the test does next."""

    def __init__(self) -> None:
        self._steps: asyncio.Queue[Callable[[], None] | BaseException | None] = asyncio.Queue()

    @activity.defn
    async def act(self) -> None:
        while (step := await self._steps.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            step()

    @activity.defn
    async def speak(self) -> None:
        async with activity.open_stream() as stream:
            await stream.publish({"said": 1})
            await self.act()

    async def beat(self, *details: object) -> None:
        self._steps.put_nowait(lambda: activity.heartbeat(*details))
        await settle()

    async def end(self, error: BaseException | None = None) -> None:
        self._steps.put_nowait(error)
        await settle()


@pytest.mark.parametrize(("timeout_s", "interval_s"), [(10, 8), (0, 30), (600, 60)])
async def test_first_goes_at_once_then_the_newest_per_interval(timeout_s: float, interval_s: float) -> None:
    puppet = Puppet()
    async with activities_running(puppet.act) as setting:
        setting.service.give(activity_task("act", heartbeat_s=timeout_s, start_to_close_s=3600))
        await settle()
        await puppet.beat(1)
        sent = await setting.service.received()
        assert isinstance(sent, RecordActivityTaskHeartbeatRequest)
        assert values(sent.details) == [1]
        await puppet.beat(2)
        await puppet.beat(3)
        await setting.time.advance(interval_s - 0.001)
        assert setting.service.nothing_received()
        await setting.time.advance(0.001)
        assert values((await setting.service.received()).details) == [3]
        await setting.time.advance(interval_s)
        assert setting.service.nothing_received()  # nothing new to say
        await puppet.beat(4)
        assert values((await setting.service.received()).details) == [4]  # the interval is long over
        await puppet.end()


async def test_details_are_those_of_the_moment_of_the_call() -> None:
    puppet = Puppet()
    async with activities_running(puppet.act) as setting:
        setting.service.give(activity_task("act", heartbeat_s=10))
        await puppet.beat("first")
        await setting.service.received()
        done = ["page 1"]
        await puppet.beat(done)
        done.append("page 2, not yet saved")
        await setting.time.advance(8)
        assert values((await setting.service.received()).details) == [["page 1"]]
        await puppet.end()


async def test_failure_carries_details_that_were_held_back() -> None:
    puppet = Puppet()
    async with activities_running(puppet.act) as setting:
        setting.service.give(activity_task("act", heartbeat_s=10))
        await puppet.beat(1)
        await setting.service.received()
        await puppet.beat(2)
        await puppet.end(ValueError("broken"))
        sent = await setting.service.received()
        assert sent.failure.message == "broken"
        assert values(sent.last_heartbeat_details) == [2]


async def test_failure_after_an_acknowledged_heartbeat_carries_none() -> None:
    puppet = Puppet()
    async with activities_running(puppet.act) as setting:
        setting.service.give(activity_task("act", heartbeat_s=10))
        await puppet.beat(1)
        await setting.service.received()
        await puppet.end(ValueError("broken"))
        assert not (await setting.service.received()).HasField("last_heartbeat_details")


async def test_heartbeat_without_answer_is_sent_again_soon_with_the_newest_details() -> None:
    puppet = Puppet()
    async with activities_running(puppet.act) as setting:
        setting.service.refuse("heartbeat", ServiceError(StatusCode.UNAVAILABLE, "away"))
        setting.service.give(activity_task("act", heartbeat_s=10))
        await puppet.beat(1)
        await setting.service.received()
        await puppet.beat(2)
        assert setting.service.nothing_received()
        await setting.time.advance(0.05)
        assert values((await setting.service.received()).details) == [2]
        await puppet.end()


async def test_refused_heartbeat_fails_the_attempt_with_the_refusal() -> None:
    puppet = Puppet()
    async with activities_running(puppet.act) as setting:
        setting.service.refuse(
            "heartbeat", ServiceError(StatusCode.INVALID_ARGUMENT, "details exceed the limit of 2 MiB")
        )
        setting.service.give(activity_task("act", heartbeat_s=10))
        await puppet.beat("huge")
        await setting.service.received()
        sent = await setting.service.received()
        assert "details exceed the limit" in sent.failure.message


async def test_detail_that_cannot_be_encoded_is_the_callers_error() -> None:
    @activity.defn
    async def act() -> str:
        with pytest.raises(TypeError):
            activity.heartbeat(object())
        return "went on"

    async with activities_running(act) as setting:
        assert values((await setting.run(activity_task("act"))).result) == ["went on"]


async def test_heartbeat_from_a_thread_of_an_async_activity() -> None:
    @activity.defn
    async def act() -> None:
        await asyncio.to_thread(activity.heartbeat, "from a thread")
        await asyncio.sleep(0)

    async with activities_running(act) as setting:
        sent = await setting.run(activity_task("act"))
        assert values(sent.details) == ["from a thread"]
        assert isinstance(await setting.service.received(), RespondActivityTaskCompletedRequest)


async def test_heartbeat_after_the_end_is_dropped() -> None:
    late: list[asyncio.Task[None]] = []
    ended = asyncio.Event()

    @activity.defn
    async def act() -> None:
        async def beat_late() -> None:
            await ended.wait()
            activity.heartbeat("too late")

        late.append(asyncio.create_task(beat_late()))

    async with activities_running(act) as setting:
        await setting.run(activity_task("act"))
        ended.set()
        await late[0]
        await settle()
        assert setting.service.nothing_received()


async def test_heartbeats_leave_the_window_of_a_stream_where_nothing_else_keeps_it() -> None:
    puppet = Puppet()
    async with activities_running(puppet.speak) as setting:
        setting.service.give(activity_task("speak", heartbeat_s=10))
        await settle()
        frame, events = (await setting.service.received()).details.payloads
        assert has_frame([frame])
        assert values(Payloads(payloads=[events])) == [[None, {"said": 1}]]
        await puppet.beat("details")
        sent = await setting.service.received()
        assert sent.details.payloads[:2] == [frame, events]
        assert values(Payloads(payloads=sent.details.payloads[2:])) == ["details"]
        await puppet.end()


async def test_one_heartbeat_is_under_way_at_a_time() -> None:
    """Else an older one may come last, and stay."""
    puppet, answered = Puppet(), asyncio.Event()
    async with activities_running(puppet.speak) as setting:
        answer = setting.service.record_activity_task_heartbeat

        async def late(request: RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse:
            given = await answer(request)
            await answered.wait()
            return given

        setting.service.record_activity_task_heartbeat = late  # type: ignore[method-assign]
        setting.service.give(activity_task("speak", heartbeat_s=10))
        await settle()
        await setting.service.received()
        await puppet.beat("details")
        assert setting.service.nothing_received()
        answered.set()
        assert values((await setting.service.received()).details)[2:] == ["details"]
        await puppet.end()
