"""Which payloads of a message a codec sees: all that are the user's, in every message there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Header, Payload, Payloads, SearchAttributes
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message as ProtocolMessage
from temporalio.api.update.v1 import Request
from temporalio.api.workflowservice.v1 import service_pb2

from tsuzuki.converter import has_payloads, transform_payloads

DEPTH = 9
LEFT_ALONE = (SearchAttributes.DESCRIPTOR, Header.DESCRIPTOR)


def message_types() -> list[type[Message]]:
    methods = service_pb2.DESCRIPTOR.services_by_name["WorkflowService"].methods
    return [
        message_factory.GetMessageClass(kind) for method in methods for kind in (method.input_type, method.output_type)
    ]


def fill(message: Any, depth: int, path: tuple[Descriptor, ...]) -> None:
    """Put a payload wherever one can be, as deep as `depth`."""
    for field in message.DESCRIPTOR.fields:
        kind = field.message_type
        if kind is None or (kind in path and kind.full_name != "temporal.api.failure.v1.Failure"):
            continue
        if kind.GetOptions().map_entry:
            value = kind.fields_by_name["value"]
            if value.message_type is not None and kind.fields_by_name["key"].type == field.TYPE_STRING:
                put(getattr(message, field.name)["key"], depth, path)
        elif field.is_repeated:
            put(getattr(message, field.name).add(), depth, path)
        elif field.containing_oneof is None or len(field.containing_oneof.fields) == 1:
            put(getattr(message, field.name), depth, path)


def put(message: Any, depth: int, path: tuple[Descriptor, ...]) -> None:
    if isinstance(message, Payload):
        message.data = b"plain"
    else:
        message.SetInParent()
        if depth:
            fill(message, depth - 1, (*path, message.DESCRIPTOR))


def payloads_in(message: Any, inside: tuple[Descriptor, ...] = ()) -> list[tuple[Payload, bool]]:
    """Each payload, and whether it stands where a codec must not look."""
    if isinstance(message, Payload):
        return [(message, any(kind in LEFT_ALONE for kind in inside))]
    found = []
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None:
            continue
        if kind.GetOptions().map_entry:
            values = list(value.values()) if kind.fields_by_name["value"].message_type is not None else []
        else:
            values = list(value) if field.is_repeated else [value]
        for one in values:
            found += payloads_in(one, (*inside, message.DESCRIPTOR))
    return found


async def mark(payloads: Sequence[Payload]) -> list[Payload]:
    return [Payload(data=b"encoded") for _ in payloads]


@pytest.mark.parametrize("message_type", message_types(), ids=lambda kind: kind.DESCRIPTOR.name)
def test_every_payload_of_the_user_is_seen(message_type: type[Message]) -> None:
    message = message_type()
    fill(message, DEPTH, (message.DESCRIPTOR,))

    asyncio.run(transform_payloads([message], mark))

    found = payloads_in(message)
    assert [payload.data for payload, left_alone in found] == [
        b"plain" if left_alone else b"encoded" for payload, left_alone in found
    ]
    if any(not left_alone for _, left_alone in found):
        assert has_payloads(message_type)


def test_the_messages_of_the_test_above_hold_payloads() -> None:
    counted = 0
    for message_type in message_types():
        message = message_type()
        fill(message, DEPTH, (message.DESCRIPTOR,))
        counted += len(payloads_in(message))
    assert counted > 200


def encoded(message: Any) -> Any:
    asyncio.run(transform_payloads([message], mark))
    return message


def test_messages_that_are_packed_in_others_are_seen() -> None:
    request = Request()
    request.input.args.payloads.add(data=b"plain")
    carrier = ProtocolMessage()
    carrier.body.Pack(request)

    encoded(carrier).body.Unpack(request)

    assert request.input.args.payloads[0].data == b"encoded"


@pytest.mark.parametrize(
    ("marker", "seen"),
    [("core_patch", []), ("Version", []), ("core_local_activity", ["result"]), ("mine", ["data", "result"])],
)
def test_what_sdks_note_for_themselves_in_markers_is_left_alone(marker: str, seen: list[str]) -> None:
    """Other SDKs read it without the user's codec."""
    command, event = Command(), HistoryEvent()
    for attributes in (command.record_marker_command_attributes, event.marker_recorded_event_attributes):
        attributes.marker_name = marker
        for key in ("data", "result"):
            attributes.details[key].payloads.add(data=b"plain")

        encoded(command if attributes is command.record_marker_command_attributes else event)

        assert [k for k, v in sorted(attributes.details.items()) if v.payloads[0].data == b"encoded"] == seen


def test_a_codec_may_make_one_payload_of_several() -> None:
    async def join(payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(data=b"+".join(payload.data for payload in payloads))]

    arguments = Payloads(payloads=[Payload(data=b"a"), Payload(data=b"b")])
    asyncio.run(transform_payloads([arguments], join))

    assert [payload.data for payload in arguments.payloads] == [b"a+b"]


def test_a_codec_may_return_the_payloads_that_it_was_given() -> None:
    async def reversed_order(payloads: Sequence[Payload]) -> list[Payload]:
        return list(reversed(payloads))

    arguments = Payloads(payloads=[Payload(data=b"a"), Payload(data=b"b")])
    asyncio.run(transform_payloads([arguments], reversed_order))

    assert [payload.data for payload in arguments.payloads] == [b"b", b"a"]


def test_more_payloads_than_there_is_room_for_are_refused() -> None:
    async def twice(payloads: Sequence[Payload]) -> list[Payload]:
        return [*payloads, *payloads]

    event = HistoryEvent()
    event.user_metadata.summary.data = b"plain"

    with pytest.raises(ValueError, match="made 2 payloads of one that stands alone"):
        asyncio.run(transform_payloads([event], twice))
