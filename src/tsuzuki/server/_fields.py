"""Where in a kind of message fields of some sort stand, at any depth, found once from the descriptors.

So what must hold for every namespace or token of a request holds for fields that are added later too. Payloads and
failures are not entered: they are data of the user, and name a namespace without reaching it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_DATA: Final = frozenset({"temporal.api.common.v1.Payload", "temporal.api.failure.v1.Failure"})
Wanted: TypeAlias = Callable[[FieldDescriptor], bool]

_VALUES: Final = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


@dataclass(eq=False, slots=True)
class Fields:
    """The fields of some sort in one kind of message, and in those inside.

    Attributes:
        own: Names of such fields.
        inner: The fields that hold messages with such fields inside.
    """

    own: list[str] = field(default_factory=list)
    inner: list[tuple[FieldDescriptor, Fields]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """False if there is no such field at any depth."""
        return bool(self.own or self.inner)

    def places(self, message: Message) -> Iterator[tuple[Message, str]]:
        """The messages inside that have such a field, with the field's name."""
        for name in self.own:
            yield message, name
        for holder, fields in self.inner:
            for inside in _messages(message, holder):
                yield from fields.places(inside)

    def values(self, message: Message) -> Iterator[Any]:
        """What stands in them, empty values too."""
        return (getattr(holder, name) for holder, name in self.places(message))


def fields_named(kind: type[Message], name: str) -> Fields:
    """All fields of a kind of message that are called `name`, or end in `_name`, and hold text or bytes."""

    def wanted(each: FieldDescriptor) -> bool:
        return each.type in _VALUES and (each.name == name or each.name.endswith(f"_{name}"))

    return _search_all(kind, wanted)


def fields_holding(kind: type[Message], held: type[Message]) -> Fields:
    """All fields of a kind of message that hold one of another kind; not those inside of such a one."""
    name = held.DESCRIPTOR.full_name
    return _search_all(kind, lambda each: each.message_type is not None and each.message_type.full_name == name)


def _search_all(kind: type[Message], wanted: Wanted) -> Fields:
    known: dict[str, Fields] = {}
    found = _search(kind.DESCRIPTOR, wanted, known)
    _prune(known)
    return found


def _search(descriptor: Any, wanted: Wanted, known: dict[str, Fields]) -> Fields:
    if descriptor.full_name in known:  # kinds may hold themselves
        return known[descriptor.full_name]
    fields = known[descriptor.full_name] = Fields()
    for each in descriptor.fields:
        if wanted(each):
            fields.own.append(each.name)
            continue
        kind = _kind(each)
        if kind is not None and kind.full_name not in _DATA:
            fields.inner.append((each, _search(kind, wanted, known)))
    return fields


def _prune(known: dict[str, Fields]) -> None:
    """Drop the ways that lead nowhere."""
    alive = {id(fields) for fields in known.values() if fields.own}
    while more := {
        id(fields)
        for fields in known.values()
        if id(fields) not in alive and any(id(inner) in alive for _, inner in fields.inner)
    }:
        alive |= more
    for fields in known.values():
        fields.inner = [step for step in fields.inner if id(step[1]) in alive]


def _kind(each: FieldDescriptor) -> Any:
    """The messages that a field holds; those of a map are its values."""
    kind = each.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return kind.fields_by_name["value"].message_type
    return kind


def _messages(message: Message, holder: FieldDescriptor) -> Iterator[Message]:
    value = getattr(message, holder.name)
    if not holder.is_repeated:
        if message.HasField(holder.name):
            yield value
    elif isinstance(value, Mapping):
        yield from value.values()
    else:
        yield from value
