"""A codec between worker, client and engine: what is recorded is encoded, and its troubles are visible and pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from tsuzuki.common import RetryPolicy
from tsuzuki.converter import (
    ChainedCodec,
    CompressionCodec,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncryptionCodec,
    FolderBlobStore,
    OffloadCodec,
    PayloadCodec,
)
from tsuzuki.engine import open_embedded
from tsuzuki.exceptions import ApplicationError
from tsuzuki.replay import Replayer, state_at_event
from tsuzuki.service import WorkflowService
from tsuzuki.worker import Worker

STEP = timedelta(seconds=60)
PATIENCE_S = 60.0
SECRET = "the-secret"
BIG = 10_000_000
QUEUE = "queue"


@activity.defn
async def double(text: str) -> str:
    activity.heartbeat(text)
    return text * 2


@activity.defn
async def break_down(text: str) -> None:
    raise ApplicationError(f"broke down: {text}", text)


@activity.defn
async def big(size: int) -> bytes:
    return bytes(size)


@activity.defn
async def beat(text: str) -> None:
    activity.heartbeat(text)
    await asyncio.Event().wait()


@workflow.defn
class Secretive:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, text: str) -> str:
        workflow.upsert_memo({"note": text})
        doubled = await workflow.execute_activity(double, text, start_to_close_timeout=STEP, summary=text)
        try:
            await workflow.execute_activity(
                break_down, text, start_to_close_timeout=STEP, retry_policy=RetryPolicy(maximum_attempts=1)
            )
        except Exception as error:
            self.heard.append(str(error.__cause__))
        effect = workflow.side_effect(lambda: text)
        await workflow.wait_condition(lambda: len(self.heard) == 3)
        child = await workflow.execute_child_workflow(Child.run, text)
        return f"{doubled} {child} {effect} {self.heard}"

    @workflow.signal
    def hear(self, text: str) -> None:
        self.heard.append(text)

    @workflow.update
    async def ask(self, text: str) -> str:
        self.heard.append(text)
        return f"heard {text}"

    @workflow.query
    def told(self, text: str) -> str:
        return f"{text}: {len(self.heard)}"


@workflow.defn
class Child:
    @workflow.run
    async def run(self, text: str) -> str:
        return text.upper()


@workflow.defn
class Big:
    @workflow.run
    async def run(self, size: int) -> bytes:
        return await workflow.execute_activity(big, size, start_to_close_timeout=STEP)


@workflow.defn
class One:
    """One activity with one try, and queries."""

    @workflow.run
    async def run(self, name: str, text: str) -> str:
        return await workflow.execute_activity(  # type: ignore[no-any-return]
            name, text, start_to_close_timeout=STEP, retry_policy=RetryPolicy(maximum_attempts=1)
        )

    @workflow.query
    def say(self, text: str) -> str:
        return text + text


WORKFLOWS = [Secretive, Child, Big, One]
ACTIVITIES = [double, break_down, big, beat]


class Refusing(PayloadCodec):
    """Does not take what holds certain words, on the way out or in."""

    def __init__(self, *, encode: bytes = b"", decode: bytes = b"", error: Exception | None = None) -> None:
        self.encoding, self.decoding = encode, decode
        self.error = error or RuntimeError("the codec refuses")

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return self._check(payloads, self.encoding)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return self._check(payloads, self.decoding)

    def _check(self, payloads: Sequence[Payload], word: bytes) -> list[Payload]:
        if word and any(word in payload.data for payload in payloads):
            raise self.error
        return list(payloads)


@pytest.fixture
async def service() -> AsyncIterator[WorkflowService]:
    engine = await open_embedded(None)
    yield engine
    await engine.close()


def converter(codec: PayloadCodec | None) -> DataConverter:
    return DataConverter(payload_codec=codec, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)


def everything(folder: Path) -> PayloadCodec:
    return ChainedCodec(
        CompressionCodec(), EncryptionCodec({"key": b"k" * 32}, key_id="key"), OffloadCodec(FolderBlobStore(folder))
    )


@asynccontextmanager
async def working(service: WorkflowService, codec: PayloadCodec | None) -> AsyncIterator[Client]:
    client = Client(service, data_converter=converter(codec))
    async with Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, activities=ACTIVITIES):
        yield client


async def patiently(awaited: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaited, PATIENCE_S)


async def events_until(handle: Any, found: Callable[[HistoryEvent], bool]) -> list[HistoryEvent]:
    """The history, as soon as it holds such an event."""

    async def look() -> list[HistoryEvent]:
        while True:
            events = list((await handle.fetch_history()).events)
            if any(found(event) for event in events):
                return events
            await asyncio.sleep(0.01)

    return await asyncio.wait_for(look(), PATIENCE_S)


def task_failed(event: HistoryEvent) -> bool:
    return event.HasField("workflow_task_failed_event_attributes")


async def be_secretive(client: Client) -> tuple[Any, str]:
    handle = await client.start_workflow(
        Secretive.run, SECRET, id="secretive", task_queue=QUEUE, memo={"first": SECRET}
    )
    await handle.signal(Secretive.hear, SECRET)
    assert await patiently(handle.execute_update(Secretive.ask, SECRET)) == f"heard {SECRET}"
    result = await patiently(handle.result())
    assert await patiently(handle.query(Secretive.told, SECRET)) == f"{SECRET}: 3"
    return handle, result


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# ---- all is well ---------------------------------------------------------------------------------------------


async def test_nothing_of_the_user_is_recorded_in_clear(service: WorkflowService, tmp_path: Path) -> None:
    async with working(service, everything(tmp_path)) as client:
        handle, result = await be_secretive(client)

        assert result.startswith(f"{SECRET}{SECRET} {SECRET.upper()} {SECRET} [")
        recorded = await handle.fetch_history()
        for event in recorded.events:
            assert SECRET.encode() not in event.SerializeToString(), event
        memo = await (await handle.describe()).memo()
        assert memo == {"first": SECRET, "note": SECRET}
        [listed] = [one async for one in client.list_workflows("WorkflowId = 'secretive'")]
        assert await listed.memo() == memo


async def test_what_is_recorded_replays_with_the_codec(service: WorkflowService, tmp_path: Path) -> None:
    codec = everything(tmp_path)
    async with working(service, codec) as client:
        handle, _ = await be_secretive(client)
        history = await handle.fetch_history()

    replayer = Replayer(workflows=WORKFLOWS, data_converter=converter(codec))
    assert (await replayer.replay_workflow(history)).replay_failure is None
    state = await state_at_event(history, WORKFLOWS, data_converter=converter(codec))
    assert SECRET in str(state)


async def test_a_result_of_ten_megabytes(service: WorkflowService, tmp_path: Path) -> None:
    """Five times what a payload may have: history holds a reference."""
    async with working(service, OffloadCodec(FolderBlobStore(tmp_path))) as client:
        handle = await client.start_workflow(Big.run, BIG, id="big", task_queue=QUEUE)
        result = await patiently(handle.result())
        history = await handle.fetch_history()

    assert result == bytes(BIG)
    assert sum(event.ByteSize() for event in history.events) < 10_000
    assert len(files_in(tmp_path)) == 1, "the same bytes are one blob"


# ---- trouble on the way out ----------------------------------------------------------------------------------


async def test_an_activity_result_that_the_codec_refuses_fails_the_attempt(service: WorkflowService) -> None:
    async with working(service, Refusing(encode=b"wordword")) as client:
        with pytest.raises(WorkflowFailureError) as caught:
            await patiently(client.execute_workflow(One.run, args=["double", "word"], id="one", task_queue=QUEUE))

        cause = caught.value.cause.__cause__
        assert isinstance(cause, ApplicationError)
        assert (cause.type, cause.message) == (
            "RuntimeError",
            "the payload codec could not do its work: the codec refuses",
        )
        again = await patiently(client.execute_workflow(One.run, args=["double", "fine"], id="two", task_queue=QUEUE))
        assert again == "finefine", "the worker goes on"


async def test_an_activity_failure_that_the_codec_refuses_fails_the_attempt(service: WorkflowService) -> None:
    async with working(service, Refusing(encode=b"broke down")) as client:
        with pytest.raises(WorkflowFailureError) as caught:
            await patiently(client.execute_workflow(One.run, args=["break_down", "x"], id="one", task_queue=QUEUE))

    assert "the payload codec could not do its work" in str(caught.value.cause.__cause__)


async def test_heartbeat_details_that_the_codec_refuses_fail_the_attempt(service: WorkflowService) -> None:
    codec = Refusing()
    async with working(service, codec) as client:
        handle = await client.start_workflow(One.run, args=["beat", "word"], id="one", task_queue=QUEUE)
        codec.encoding = b"word"

        with pytest.raises(WorkflowFailureError) as caught:
            await patiently(handle.result())

    assert "the payload codec refused" in str(caught.value.cause.__cause__)


async def test_commands_that_the_codec_refuses_fail_the_workflow_task_until_it_is_mended(
    service: WorkflowService,
) -> None:
    codec = Refusing()
    async with working(service, codec) as client:
        codec.encoding = b"fine"
        with pytest.raises(RuntimeError, match="the codec refuses"):  # the client's caller sees it as it is
            await client.start_workflow(One.run, args=["double", "fine"], id="one", task_queue=QUEUE)
        async with working(service, None) as plain:  # a client without it
            handle = await plain.start_workflow(One.run, args=["double", "fine"], id="one", task_queue=QUEUE + "-2")
        async with Worker(client, task_queue=QUEUE + "-2", workflows=WORKFLOWS, activities=ACTIVITIES):
            events = await events_until(handle, task_failed)
            [failed] = [event for event in events if task_failed(event)]
            failure = failed.workflow_task_failed_event_attributes.failure
            assert failure.message == "the payload codec could not do its work: the codec refuses"
            codec.encoding = b""
            assert await patiently(handle.result()) == "finefine"


async def test_a_query_answer_that_the_codec_refuses_fails_the_query(service: WorkflowService) -> None:
    async with working(service, Refusing(encode=b"wordword")) as client:
        handle = await client.start_workflow(One.run, args=["double", "x"], id="one", task_queue=QUEUE)
        await patiently(handle.result())

        with pytest.raises(WorkflowQueryFailedError, match="the codec refuses"):
            await patiently(handle.query(One.say, "word"))
        assert await patiently(handle.query(One.say, "fine")) == "finefine"


async def test_a_blob_store_out_of_reach_is_met_by_trying_again(service: WorkflowService) -> None:
    codec = Refusing(error=OSError("the bucket is away"))
    async with working(service, codec) as client:
        codec.encoding = b"wordword"
        handle = await client.start_workflow(One.run, args=["double", "word"], id="one", task_queue=QUEUE)
        await events_until(handle, lambda event: event.HasField("activity_task_scheduled_event_attributes"))
        codec.encoding = b""

        assert await patiently(handle.result()) == "wordword"


# ---- trouble on the way in -----------------------------------------------------------------------------------


async def test_a_worker_with_another_key_fails_the_task_visibly_and_the_right_one_goes_on(
    service: WorkflowService,
) -> None:
    right, wrong = EncryptionCodec({"a": b"a" * 32}, key_id="a"), EncryptionCodec({"b": b"b" * 32}, key_id="b")
    client = Client(service, data_converter=converter(right))
    handle = await client.start_workflow(One.run, args=["double", "word"], id="one", task_queue=QUEUE)
    async with working(service, wrong):
        events = await events_until(handle, task_failed)
    [failed, *_] = [event for event in events if task_failed(event)]
    assert "encrypted with key 'a', which is not at hand" in (
        failed.workflow_task_failed_event_attributes.failure.message
    )

    async with working(service, right):
        assert await patiently(handle.result()) == "wordword"


async def test_an_activity_task_that_cannot_be_decoded_fails_the_attempt(service: WorkflowService) -> None:
    codec = Refusing()
    queue = QUEUE + "-activities"
    client = Client(service, data_converter=converter(codec))

    @workflow.defn
    class Elsewhere:
        @workflow.run
        async def run(self) -> str:
            return await workflow.execute_activity(
                double,
                "word",
                task_queue=queue,
                start_to_close_timeout=STEP,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )

    async with (
        Worker(client, task_queue=QUEUE, workflows=[Elsewhere]),
        Worker(
            Client(service, data_converter=converter(Refusing(decode=b"word"))),
            task_queue=queue,
            activities=ACTIVITIES,
        ),
    ):
        with pytest.raises(WorkflowFailureError) as caught:
            await patiently(client.execute_workflow(Elsewhere.run, id="one", task_queue=QUEUE))

    assert "the codec refuses" in str(caught.value.cause.__cause__)


async def test_a_query_that_cannot_be_decoded_fails(service: WorkflowService) -> None:
    codec = Refusing()
    async with working(service, codec) as client:
        handle = await client.start_workflow(One.run, args=["double", "x"], id="one", task_queue=QUEUE)
        await patiently(handle.result())
        codec.decoding = b"word"

        with pytest.raises(WorkflowQueryFailedError, match="the codec refuses"):
            await patiently(handle.query(One.say, "word"))
        assert await patiently(handle.query(One.say, "fine")) == "finefine"
