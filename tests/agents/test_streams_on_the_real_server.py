"""A server that keeps no streams: the newest events are read from heartbeats, and what was missed is told."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client, StreamEvent, StreamEventKind
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import Worker

QUEUE = "streams"


class Speaker:
    def __init__(self) -> None:
        self.seen = asyncio.Event()
        self.details: list[object] = []

    @activity.defn
    async def speak(self) -> str:
        info = activity.info()
        self.details += info.heartbeat_details
        activity.heartbeat("progress")
        async with activity.open_stream() as stream:
            for number in range(3):
                await stream.publish({"number": number})
            if info.attempt == 1:
                await self.seen.wait()
                raise ConnectionError("once more")
            for _ in range(20):
                await stream.publish({"much": "x" * 2000})
            await stream.publish("last words")
            await self.seen.wait()
            await stream.publish("unheard, perhaps")
        return "spoken"


@workflow.defn
class Speech:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            "speak",
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )


def short(event: StreamEvent) -> str:
    return f"{event.attempt}.{event.seq} {event.kind if event.value is None else event.value}"


async def test_the_newest_events_are_read_from_heartbeats(real_server: str) -> None:
    speaker = Speaker()
    async with (
        await Client.connect(real_server) as client,
        Worker(client, task_queue=QUEUE, workflows=[Speech], activities=[speaker.speak]),
    ):
        handle = await client.start_workflow(Speech.run, id="streams", task_queue=QUEUE)
        live = handle.read_stream()
        first = [await anext(live) for _ in range(4)]
        assert [short(it) for it in first] == ["1.1 begin", *(f"1.{n + 2} {{'number': {n}}}" for n in range(3))]
        middle = first[1].id
        again = handle.read_stream(after=middle)
        assert [short(await anext(again)) for _ in range(2)] == [short(it) for it in first[2:]]
        speaker.seen.set()
        speaker.seen = asyncio.Event()
        second: list[StreamEvent] = []
        while not second or second[-1].value != "last words":
            second.append(await anext(live))
        speaker.seen.set()
        assert {it.attempt for it in second} == {2}
        assert second[0].kind in (StreamEventKind.BEGIN, StreamEventKind.GAP)
        gaps = [it for it in second if it.kind is StreamEventKind.GAP]
        assert gaps, "more than a heartbeat holds was said at once"
        for before, after in itertools.pairwise(second):
            assert after.seq == before.seq + 1 or after.kind is StreamEventKind.GAP
        assert await handle.result() == "spoken"
        assert [it async for it in live if it.kind not in ("data", "end")] == []
        assert speaker.details == ["progress"]  # what was streamed is no detail
