"""Protobuf messages as payloads: written as `json/protobuf`, read from that and from `binary/protobuf`."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload


def to_payload(message: Message) -> Payload:
    """Encode a message as its JSON form, with its full name beside it."""
    fields = json_format.MessageToDict(message)
    return Payload(
        metadata={"encoding": b"json/protobuf", "messageType": message.DESCRIPTOR.full_name.encode()},
        data=json.dumps(fields, separators=(",", ":"), sort_keys=True).encode(),
    )


def from_payload(payload: Payload, encoding: bytes) -> Message:
    """Decode a message of the type that the payload names.

    Raises:
        ValueError: This process has not imported the generated module of that type.
    """
    name = payload.metadata.get("messageType", b"").decode()
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise ValueError(f"the protobuf type {name!r} is not known here; import its generated module") from None
    message = message_factory.GetMessageClass(descriptor)()
    if encoding == b"binary/protobuf":
        message.ParseFromString(payload.data)
        return message
    return json_format.Parse(payload.data, message)


def from_json(data: bytes, cls: type[Any]) -> Message:
    """Decode a message of a known type from plain JSON."""
    message: Message = json_format.Parse(data, cls())
    return message
