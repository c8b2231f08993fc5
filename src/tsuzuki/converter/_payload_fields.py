"""Every payload of a message, wherever it stands; found by descriptors, so that no list of fields can go stale.

Search attributes are left out, for servers must read them; headers too, for interceptors own them. So are the
details of markers that SDKs write for themselves: other SDKs read those without the user's codec. And the frame before
a batch of a stream, which the engine reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

from tsuzuki.common.stream_frames import has_frame

Transform = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]

_PAYLOAD: Final = Payload.DESCRIPTOR.full_name
_ANY: Final = AnyMessage.DESCRIPTOR.full_name
_LEFT_OUT: Final = frozenset({"temporal.api.common.v1.SearchAttributes", "temporal.api.common.v1.Header"})

# Of a marker: its name -> the details that are the user's. Markers with other names are the user's as a whole.
_MARKER_DETAILS: Final[dict[str, frozenset[str]]] = {
    "core_patch": frozenset(),
    "core_local_activity": frozenset({"result"}),
    "Version": frozenset(),
}
_MARKERS: Final = frozenset(
    {"temporal.api.command.v1.RecordMarkerCommandAttributes", "temporal.api.history.v1.MarkerRecordedEventAttributes"}
)


class _Group(NamedTuple):
    """Payloads that belong together, and what puts others in their place."""

    payloads: Sequence[Payload]
    put: Callable[[Sequence[Payload]], None]


async def transform_payloads(messages: Iterable[Message], transform: Transform) -> None:
    """Replace all payloads of messages, in place.

    Args:
        messages: Changed; pass copies of what others hold.
        transform: Given the payloads of one field at a time; several run at once.

    Raises:
        Exception: What `transform` raises; the messages are then worth nothing.
    """
    groups: list[_Group] = []
    packed: list[tuple[AnyMessage, Message]] = []
    for message in messages:
        _collect(message, groups, packed)
    if groups:
        replaced = await asyncio.gather(*(transform(group.payloads) for group in groups))
        for group, payloads in zip(groups, replaced, strict=True):
            group.put(payloads)
    for holder, inner in packed:
        holder.Pack(inner)


def has_payloads(message_type: type[Message]) -> bool:
    """Tell whether messages of a type can hold payloads that a codec is to see."""
    return bool(_fields(message_type.DESCRIPTOR))


def _collect(message: Message, groups: list[_Group], packed: list[tuple[AnyMessage, Message]]) -> None:
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == _ANY:
        inner = _unpacked(message)
        if inner is not None:
            packed.append((message, inner))  # type: ignore[arg-type]
            _collect(inner, groups, packed)
        return
    details = _MARKER_DETAILS.get(message.marker_name) if descriptor.full_name in _MARKERS else None  # type: ignore[attr-defined]
    for field in _fields(descriptor):
        value = getattr(message, field.name)
        inner_type = field.message_type
        assert inner_type is not None
        if inner_type.GetOptions().map_entry:
            keys = value if details is None or field.name != "details" else details.intersection(value)
            for key in list(keys):
                _collect_one(value[key], groups, packed)
        elif field.is_repeated:
            if inner_type.full_name == _PAYLOAD:
                framed = 1 if has_frame(value) else 0
                if len(value) > framed:
                    groups.append(_Group(list(value)[framed:], _putting_all(value, framed)))
            else:
                for item in value:
                    _collect(item, groups, packed)
        elif message.HasField(field.name):
            _collect_one(value, groups, packed)


def _collect_one(value: Message, groups: list[_Group], packed: list[tuple[AnyMessage, Message]]) -> None:
    if isinstance(value, Payload):
        groups.append(_Group([value], _putting_one(value)))
    else:
        _collect(value, groups, packed)


def _putting_all(field: Any, first: int) -> Callable[[Sequence[Payload]], None]:
    def put(payloads: Sequence[Payload]) -> None:
        copies = [_copy(payload) for payload in payloads]  # they may be the very ones that are removed now
        del field[first:]
        field.extend(copies)

    return put


def _putting_one(field: Payload) -> Callable[[Sequence[Payload]], None]:
    def put(payloads: Sequence[Payload]) -> None:
        if len(payloads) != 1:
            raise ValueError(f"the codec made {len(payloads)} payloads of one that stands alone; it must make one")
        if payloads[0] is not field:
            field.CopyFrom(payloads[0])

    return put


def _copy(payload: Payload) -> Payload:
    copied = Payload()
    copied.CopyFrom(payload)
    return copied


def _unpacked(holder: Any) -> Message | None:
    name = holder.type_url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return None
    if not _fields(descriptor):
        return None
    inner = message_factory.GetMessageClass(descriptor)()
    inner.ParseFromString(holder.value)
    return inner


@cache
def _fields(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    """The fields of a message type through which payloads can be reached."""
    return tuple(
        field
        for field in descriptor.fields
        if field.message_type is not None and _PAYLOAD in _reached(field.message_type)
    )


@cache
def _reached(descriptor: Descriptor) -> frozenset[str]:
    """The message types inside of one, itself included; one that can hold anything can hold payloads."""
    seen: dict[str, Descriptor] = {}
    left = [descriptor]
    while left:
        one = left.pop()
        if one.full_name in seen or one.full_name in _LEFT_OUT:
            continue
        seen[one.full_name] = one
        left.extend(_inner(one))
    return frozenset(seen) | ({_PAYLOAD} if _ANY in seen else frozenset())


def _inner(descriptor: Descriptor) -> Iterator[Descriptor]:
    return (field.message_type for field in descriptor.fields if field.message_type is not None)
