"""What activities say while they run, from `activity.open_stream` to `handle.read_stream`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload

from tsuzuki import activity, workflow
from tsuzuki.activity import EventStream
from tsuzuki.client import Client, InvalidArgumentError, StreamEvent, StreamEventKind, WorkflowHandle
from tsuzuki.common import RetryPolicy
from tsuzuki.converter import DataConverter, PayloadCodec
from tsuzuki.engine import Limits, open_embedded
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import SqliteStore
from tsuzuki.worker import Interceptor, Worker

QUEUE = "queue"
OPTIONS = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(minutes=1),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3),
)


@workflow.defn
class Speaking:
    @workflow.run
    async def run(self, activities: list[str]) -> list[str]:
        return list(await asyncio.gather(*(workflow.execute_activity(name, **OPTIONS) for name in activities)))


class Closed(PayloadCodec):
    """Nobody can read what it makes."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"closed"}, data=base64.b85encode(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(base64.b85decode(payload.data)) for payload in payloads]


@asynccontextmanager
async def speaking(
    *activities: Any, limits: Limits | None = None, data_converter: DataConverter = DataConverter.default, **worker: Any
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """A run of these activities."""
    service = await open_embedded(None, limits=limits)
    try:
        client = Client(service, data_converter=data_converter)
        async with Worker(client, task_queue=QUEUE, workflows=[Speaking], activities=activities, **worker):
            names = [activity.definition_of(it).name for it in activities]
            yield await client.start_workflow(Speaking.run, names, id="w", task_queue=QUEUE)
    finally:
        await service.close()


async def read(handle: WorkflowHandle[Any, Any], **how: Any) -> list[StreamEvent]:
    return [event async for event in handle.read_stream(**how)]


def short(events: Sequence[StreamEvent]) -> list[str]:
    """Each as `<attempt>.<number> <what>`."""
    return [f"{it.attempt}.{it.seq} {it.kind if it.value is None else it.value}" for it in events]


@activity.defn
async def speak() -> str:
    async with activity.open_stream(every=0) as stream:
        await stream.publish({"step": 1})
        await stream.publish([2, "two"])
    return "spoken"


@pytest.mark.parametrize("codec", [None, Closed()])
@pytest.mark.parametrize("interceptors", [[], [Interceptor()]])
async def test_readers_get_what_was_published_and_nothing_of_it_is_in_history(
    codec: PayloadCodec | None, interceptors: list[Interceptor]
) -> None:
    converter = DataConverter(payload_codec=codec)
    async with speaking(speak, data_converter=converter, interceptors=interceptors) as handle:
        events, same = await asyncio.gather(read(handle), read(handle))
        assert events == same
        assert short(events) == ["1.1 begin", "1.2 {'step': 1}", "1.3 [2, 'two']", "1.4 end"]
        assert {(it.activity_id, it.activity_type) for it in events} == {("1", "speak")}
        run_id = (await handle.describe()).run_id
        assert [it.id for it in events] == [f"{run_id}:{number}" for number in range(1, 5)]
        for number, event in enumerate(events):
            assert await read(handle, after=event.id) == events[number + 1 :]
        history = (await handle.fetch_history()).to_json()
        assert "step" not in history
        assert await handle.result() == ["spoken"]


async def test_pieces_of_text_that_wait_together_are_one_event() -> None:
    @activity.defn
    async def write() -> str:
        async with activity.open_stream(every=60) as stream:
            await asyncio.sleep(0)
            while stream._kinds:  # noqa: ASYNC110 - until the first is on its way; then there is a minute's pause
                await asyncio.sleep(0)
            for token in ("It ", "was ", "a "):
                await stream.publish(token)
            await stream.publish({"a": "tool"})
            await stream.publish("dark ")
            await stream.publish("night")
        return ""

    async with speaking(write) as handle:
        assert short(await read(handle)) == [
            "1.1 begin",
            "1.2 It was a ",
            "1.3 {'a': 'tool'}",
            "1.4 dark night",
            "1.5 end",
        ]


async def test_an_attempt_that_dies_stays_and_the_next_one_supersedes_it() -> None:
    @activity.defn
    async def fail_once() -> str:
        async with activity.open_stream(every=0) as stream:
            await stream.publish("half a ")
            if activity.info().attempt == 1:
                raise ConnectionError("gone")
            await stream.publish("whole ")
        return ""

    async with speaking(fail_once) as handle:
        events = await read(handle)
        begins = [number for number, it in enumerate(events) if it.kind is StreamEventKind.BEGIN]
        assert [events[number].attempt for number in begins] == [1, 2]
        died, whole = events[: begins[1]], events[begins[1] :]
        assert short(died) == ["1.1 begin", "1.2 half a "]
        assert "".join(it.value for it in whole[1:-1]) == "half a whole "
        assert [it.seq for it in whole] == list(range(1, len(whole) + 1))
        assert whole[-1].kind is StreamEventKind.END


async def test_streams_of_one_attempt_and_of_several_activities_share_the_run_s() -> None:
    async def two() -> None:
        for word in ("first", "second"):
            async with activity.open_stream(every=0) as stream:
                await stream.publish(word)

    @activity.defn
    async def left() -> str:
        await asyncio.gather(two(), two())
        return ""

    @activity.defn
    async def right() -> str:
        await two()
        return ""

    async with speaking(left, right) as handle:
        events = await read(handle)
        assert [int(it.id.rpartition(":")[2]) for it in events] == list(range(1, len(events) + 1))
        for name, count in (("left", 12), ("right", 6)):
            own = [it for it in events if it.activity_type == name]
            assert [it.seq for it in own] == list(range(1, count + 1))


async def test_a_reader_may_stop_at_the_newest_event() -> None:
    may_end = asyncio.Event()

    @activity.defn
    async def wait() -> str:
        async with activity.open_stream(every=0) as stream:
            await stream.publish(1)
            await may_end.wait()
        return ""

    async with speaking(wait) as handle:
        live = handle.read_stream()
        seen = [await anext(live), await anext(live)]
        assert await read(handle, wait=False) == seen
        assert await read(handle, wait=False, after=seen[-1].id) == []
        may_end.set()
        assert [it.kind async for it in live] == [StreamEventKind.END]


@workflow.defn
class Again:
    @workflow.run
    async def run(self, left: int) -> str:
        await workflow.execute_activity(speak, **OPTIONS)
        if left:
            workflow.continue_as_new(left - 1)
        return "done"


async def test_a_reader_goes_on_with_the_run_that_takes_over() -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Again], activities=[speak]),
    ):
        handle = await client.start_workflow(Again.run, 2, id="w", task_queue=QUEUE)
        events = await read(handle)
        run_ids = list(dict.fromkeys(it.run_id for it in events))
        assert len(run_ids) == 3
        assert short(events) == ["1.1 begin", "1.2 {'step': 1}", "1.3 [2, 'two']", "1.4 end"] * 3
        assert await read(handle, wait=False) == events
        assert await read(handle, after=events[5].id) == events[6:]
        assert await read(handle, after=events[5].id, follow_runs=False) == events[6:8]
        pinned = client.get_workflow_handle("w", run_id=run_ids[1])
        assert await read(pinned, follow_runs=False) == events[4:8]


async def test_a_full_stream_drops_the_rest_and_the_activity_goes_on() -> None:
    @activity.defn
    async def talk() -> str:
        async with activity.open_stream(every=0) as stream:
            number = 0
            while not stream.is_full:
                await stream.publish({"number": number})
                await asyncio.sleep(0)
                number += 1
            await stream.publish({"number": "lost"})
        async with activity.open_stream(every=0) as stream:
            await stream.publish("lost too")
        return "to the end"

    async with speaking(talk, limits=Limits(stream_events_max=5)) as handle:
        events = await read(handle)
        assert await handle.result() == ["to the end"]
        assert events[-1].kind is StreamEventKind.FULL
        assert [it.value["number"] for it in events[1:-1]] == list(range(len(events) - 2))
        assert len(events) <= 6


@pytest.mark.parametrize("interceptors", [[], [Interceptor()]])
async def test_a_synchronous_activity_publishes_from_its_thread(interceptors: list[Interceptor]) -> None:
    @activity.defn
    def speak_in_thread() -> str:
        with activity.open_stream(every=0) as stream:
            stream.publish_sync({"half": 1})
            with pytest.raises(ValueError, match="too large"):
                stream.publish_sync("x" * 70_000)
            if activity.info().attempt == 1:
                raise ConnectionError("gone")
            stream.publish_sync({"half": 2})
        return "spoken"

    async with speaking(speak_in_thread, interceptors=interceptors) as handle:
        assert short(await read(handle)) == [
            "1.1 begin",
            "1.2 {'half': 1}",
            "2.1 begin",
            "2.2 {'half': 1}",
            "2.3 {'half': 2}",
            "2.4 end",
        ]
        assert await handle.result() == ["spoken"]


async def test_each_kind_of_activity_has_its_own_way() -> None:
    said: list[str] = []

    @activity.defn
    async def wrong() -> str:
        try:
            with activity.open_stream():
                pass
        except RuntimeError as error:
            said.append(str(error))
        return ""

    async with speaking(wrong) as handle:
        await handle.result()
    assert "`async with`" in said[0]


async def test_who_publishes_faster_than_the_disk_waits() -> None:
    beats: list[int] = []
    service = await open_embedded(None)
    record = service.record_activity_task_heartbeat
    most = 0
    opened: list[EventStream] = []

    async def slow(request: Any) -> Any:
        beats.append(len(request.details.payloads[1].data))
        await asyncio.sleep(0.001)
        return await record(request)

    service.record_activity_task_heartbeat = slow

    @activity.defn
    async def flood() -> str:
        nonlocal most
        async with activity.open_stream(every=0) as stream:
            opened.append(stream)
            for _ in range(100):
                await stream.publish({"text": "x" * 20_000})
                most = max(most, stream._size)
        return ""

    client = Client(service)
    async with Worker(client, task_queue=QUEUE, workflows=[Speaking], activities=[flood]):
        handle = await client.start_workflow(Speaking.run, ["flood"], id="w", task_queue=QUEUE)
        events = await read(handle)
    await service.close()
    assert [it.seq for it in events] == list(range(1, 103))
    assert most <= 256 * 1024 + 20_100
    assert max(beats) <= 128 * 1024 + 20_100


async def test_a_refusal_reaches_the_activity_also_while_it_waits_for_room() -> None:
    service = await open_embedded(None)

    async def refuse(request: Any) -> Any:
        await asyncio.sleep(0.01)
        raise ServiceError(StatusCode.PERMISSION_DENIED, "no room at the inn")

    service.record_activity_task_heartbeat = refuse
    told: list[str] = []

    @activity.defn
    async def flood() -> str:
        try:
            async with activity.open_stream(every=0) as stream:
                while True:
                    await stream.publish({"text": "x" * 20_000})
        except ServiceError as error:
            told.append(error.message)
        return ""

    client = Client(service)
    async with Worker(client, task_queue=QUEUE, workflows=[Speaking], activities=[flood]):
        await client.execute_workflow(Speaking.run, ["flood"], id="w", task_queue=QUEUE)
    await service.close()
    assert told == ["no room at the inn"]


async def test_what_cannot_be_an_event_is_refused_at_once() -> None:
    told: list[Exception] = []

    @activity.defn
    async def too_much() -> str:
        async with activity.open_stream() as stream:
            for value in ("x" * 65_537, {"text": "x" * 65_537}, object()):
                try:
                    await stream.publish(value)
                except (ValueError, TypeError) as error:
                    told.append(error)
            await stream.publish("x" * 65_536)
        return ""

    async with speaking(too_much) as handle:
        events = await read(handle)
    assert len(told) == 3
    assert "too large for a stream, the limit is 65,536" in str(told[0])
    assert [it.kind for it in events] == ["begin", "data", "end"]


async def test_cancelling_reaches_an_activity_that_only_streams() -> None:
    @activity.defn
    async def endless() -> str:
        async with activity.open_stream(every=0) as stream:
            while True:
                await stream.publish("on and ")
                await asyncio.sleep(0.001)

    service = await open_embedded(None)
    service.watch_activity = lambda token, on_cancel: lambda: None  # as of a server: the heartbeat's answer says it
    client = Client(service)
    async with Worker(client, task_queue=QUEUE, workflows=[Speaking], activities=[endless]):
        handle = await client.start_workflow(Speaking.run, ["endless"], id="w", task_queue=QUEUE)
        live = handle.read_stream()
        await anext(live)
        await handle.cancel()
        kinds = {it.kind async for it in live}
    await service.close()
    assert StreamEventKind.END not in kinds


async def test_where_there_is_no_stream_it_is_said() -> None:
    said: list[str] = []

    async def open_one() -> str:
        try:
            async with activity.open_stream():
                pass
        except RuntimeError as error:
            said.append(str(error))
        return ""

    @activity.defn
    async def local() -> str:
        return await open_one()

    @activity.defn
    def in_thread() -> str:
        return asyncio.run(open_one())

    @workflow.defn
    class Wrong:
        @workflow.run
        async def run(self) -> None:
            await workflow.execute_local_activity(local, start_to_close_timeout=timedelta(seconds=10))
            await workflow.execute_activity(in_thread, **OPTIONS)

    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Wrong], activities=[local, in_thread]),
    ):
        await client.execute_workflow(Wrong.run, id="w", task_queue=QUEUE)
    assert "a local activity has no stream" in said[0]
    assert "publish_sync" in said[1]
    with pytest.raises(RuntimeError, match="not in an activity"):
        activity.open_stream()


@pytest.mark.parametrize("after", ["17", "x:y", "x:1.5"])
async def test_a_position_that_is_none_is_refused(after: str) -> None:
    async with speaking(speak) as handle:
        await handle.result()
        with pytest.raises(InvalidArgumentError, match="position"):
            await read(handle, after=after)


async def test_a_run_without_a_stream_has_an_empty_one(tmp_path: Path) -> None:
    async with await Client.connect(f"sqlite:///{tmp_path}/s.db") as client:
        handle = await client.start_workflow(Speaking.run, [], id="w", task_queue=QUEUE)
        assert await read(handle, wait=False) == []
        await handle.terminate()
        assert await read(handle) == []
    SqliteStore.open(tmp_path / "s.db").close()
