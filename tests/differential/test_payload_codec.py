"""One codec, both packages, the real server: the same payloads are encoded, and each side reads the other's."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import temporalio.activity
import temporalio.client
import temporalio.common
import temporalio.converter
import temporalio.worker
import temporalio.workflow
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

import tsuzuki.activity
import tsuzuki.common
import tsuzuki.converter
import tsuzuki.workflow
from tsuzuki.client import Client
from tsuzuki.converter import FolderBlobStore, OffloadCodec
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker

ENCODING: Final = b"binary/backwards"
SECRET: Final = "the-secret"
PATIENCE_S: Final = 60.0

PROGRAM = """
@activity.defn(name="double")
async def double(text: str) -> str:
    activity.heartbeat(text, 1)
    return text * 2

@activity.defn(name="break_down")
async def break_down(text: str) -> None:
    raise ValueError("broke down: " + text)

@workflow.defn(name="Secretive")
class Secretive:
    def __init__(self):
        self.heard = []

    @workflow.signal
    def hear(self, text: str) -> None:
        self.heard.append(text)

    @workflow.query
    def told(self, text: str) -> str:
        return text + "!"

    @workflow.update
    async def ask(self, text: str) -> str:
        self.heard.append(text)
        return "heard " + text

    @workflow.run
    async def run(self, text: str) -> str:
        workflow.upsert_memo({"note": text})
        result = await workflow.execute_activity(double, text, start_to_close_timeout=STEP, summary=text)
        try:
            await workflow.execute_activity(
                break_down, text, start_to_close_timeout=STEP, retry_policy=RetryPolicy(maximum_attempts=1))
        except Exception:
            pass
        workflow.patched("p1")
        await workflow.execute_local_activity(double, text, start_to_close_timeout=STEP)
        try:
            await workflow.execute_local_activity(
                break_down, text, start_to_close_timeout=STEP, retry_policy=RetryPolicy(maximum_attempts=1))
        except Exception:
            pass
        await workflow.wait_condition(lambda: len(self.heard) >= 2)
        child = await workflow.execute_child_workflow("Child", text, id=workflow.info().workflow_id + "-child")
        return result + child + ",".join(self.heard)

@workflow.defn(name="Child")
class Child:
    @workflow.run
    async def run(self, text: str) -> str:
        return "child of " + text
"""


def backwards(package: Any) -> Any:
    """A codec that writes payloads back to front, as a `PayloadCodec` of a package."""

    class Backwards(package.PayloadCodec):  # type: ignore[misc]
        async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
            return [
                Payload(metadata={"encoding": ENCODING}, data=payload.SerializeToString()[::-1]) for payload in payloads
            ]

        async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
            return [
                Payload.FromString(payload.data[::-1]) if payload.metadata.get("encoding") == ENCODING else payload
                for payload in payloads
            ]

    return package.DataConverter(
        payload_codec=Backwards(), failure_converter_class=package.DefaultFailureConverterWithEncodedAttributes
    )


def definitions(package: Any) -> tuple[list[type], list[Any]]:
    module = types.ModuleType(f"secretive_{package.__name__}")
    sys.modules[module.__name__] = module  # type hints are resolved through it
    module.__dict__.update(
        workflow=package.workflow,
        activity=package.activity,
        RetryPolicy=package.common.RetryPolicy,
        STEP=timedelta(seconds=30),
    )
    exec(PROGRAM, module.__dict__)
    return [module.Secretive, module.Child], [module.double, module.break_down]


OURS: Final = definitions(tsuzuki)
THEIRS: Final = definitions(temporalio)
UNSANDBOXED: Final = {"workflow_runner": temporalio.worker.UnsandboxedWorkflowRunner()}


class Place(NamedTuple):
    """Where in a history a payload stands, and whether it is encoded."""

    event: str
    path: str
    encoded: bool


def places(history: Any) -> list[Place]:
    return [
        Place(str(event.WhichOneof("attributes")), path, payload.metadata["encoding"] == ENCODING)
        for event in history.events
        for path, payload in _payloads(event, "")
    ]


def _payloads(message: Message, path: str) -> Iterator[tuple[str, Payload]]:
    if isinstance(message, Payload):
        yield path, message
        return
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None:
            continue
        if kind.GetOptions().map_entry:
            inner = list(value.items()) if kind.fields_by_name["value"].message_type is not None else []
        else:
            inner = list(enumerate(value)) if field.is_repeated else [(0, value)]
        for key, one in inner:
            yield from _payloads(one, f"{path}.{field.name}[{key}]")


async def drive(client: Any, queue: str) -> Any:
    """One run with everything in it that has payloads."""
    handle = await client.start_workflow("Secretive", SECRET, id=queue, task_queue=queue, memo={"first": SECRET})
    await handle.signal("hear", SECRET)
    assert await handle.query("told", SECRET) == SECRET + "!"
    assert await handle.execute_update("ask", SECRET) == "heard " + SECRET
    assert await handle.result() == f"{SECRET}{SECRET}child of {SECRET}{SECRET},{SECRET}"
    assert await (await handle.describe()).memo() == {"first": SECRET, "note": SECRET}
    return await handle.fetch_history()


@asynccontextmanager
async def official(target: str) -> AsyncIterator[temporalio.client.Client]:
    client = await temporalio.client.Client.connect(target, data_converter=backwards(temporalio.converter))
    workflows, activities = THEIRS
    async with temporalio.worker.Worker(
        client, task_queue="official", workflows=workflows, activities=activities, **UNSANDBOXED
    ):
        yield client


@asynccontextmanager
async def own(target: str, **options: Any) -> AsyncIterator[Client]:
    workflows, activities = OURS
    async with (
        await Client.connect(target, **({"data_converter": backwards(tsuzuki.converter)} | options)) as client,
        Worker(client, task_queue="own", workflows=workflows, activities=activities),
    ):
        yield client


async def test_the_same_payloads_are_encoded_and_each_side_reads_the_other(real_server: str) -> None:
    async with asyncio.timeout(PATIENCE_S), official(real_server) as theirs, own(real_server) as ours:
        their_history, our_history = await drive(theirs, "official"), await drive(ours, "own")

        assert sorted(places(our_history)) == sorted(places(their_history))
        assert sum(place.encoded for place in places(our_history)) == 16
        assert (
            await ours.get_workflow_handle("official").result() == await theirs.get_workflow_handle("official").result()
        )
        assert await theirs.get_workflow_handle("own").result() == await ours.get_workflow_handle("own").result()
        assert await ours.get_workflow_handle("official").query("told", "x") == "x!"
        assert await theirs.get_workflow_handle("own").query("told", "x") == "x!"

    replayer = Replayer(workflows=OURS[0], data_converter=backwards(tsuzuki.converter))
    assert (await replayer.replay_workflow(their_history, raise_on_replay_failure=False)).replay_failure is None
    their_replayer = temporalio.worker.Replayer(
        workflows=THEIRS[0],
        data_converter=backwards(temporalio.converter),
        debug_mode=True,  # a busy machine is no deadlock
        **UNSANDBOXED,
    )
    recorded = temporalio.client.WorkflowHistory("own", list(our_history.events))
    assert (await their_replayer.replay_workflow(recorded, raise_on_replay_failure=False)).replay_failure is None


@pytest.mark.parametrize("characters", [5_000_000])
async def test_a_result_of_ten_megabytes_is_a_reference_on_the_real_server(
    real_server: str, tmp_path: Path, characters: int
) -> None:
    converter = tsuzuki.converter.DataConverter(payload_codec=OffloadCodec(FolderBlobStore(tmp_path)))

    @tsuzuki.activity.defn
    async def big(count: int) -> str:
        return "x" * count

    @tsuzuki.workflow.defn
    async def doubled(count: int) -> str:
        text: str = await tsuzuki.workflow.execute_activity(
            big, count, start_to_close_timeout=timedelta(seconds=PATIENCE_S)
        )
        return text + text

    async with (
        asyncio.timeout(PATIENCE_S),
        await Client.connect(real_server, data_converter=converter) as client,
        Worker(client, task_queue="big", workflows=[doubled], activities=[big]),
    ):
        handle = await client.start_workflow(doubled, characters, id="big", task_queue="big")
        assert await handle.result() == "x" * (2 * characters)
        history = await handle.fetch_history()

    assert sum(event.ByteSize() for event in history.events) < 10_000
