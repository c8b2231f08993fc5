"""Messages as JSON: the same as protobuf's own writer, for every request and response that there is."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tsuzuki.server._rpcs import RPCS
from tsuzuki.server.http._payload_json import from_json, to_json

WELL_KNOWN = "google.protobuf."
KINDS = sorted(
    {kind.DESCRIPTOR.full_name: kind for rpc in RPCS.values() for kind in (rpc.request, rpc.response)}.items()
)


def fill(message: Any, chance: random.Random, depth: int) -> None:
    """Set some of the fields of a message to something."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.4:
            continue
        kind = field.message_type
        if kind is None:
            values = [_value(field, chance) for _ in range(2)]
            if field.is_repeated:
                getattr(message, field.name).extend(values)
            else:
                setattr(message, field.name, values[0])
        elif kind.GetOptions().map_entry:
            _fill_map(getattr(message, field.name), kind, chance, depth)
        elif depth > 0 and kind.full_name != f"{WELL_KNOWN}Any":
            held = getattr(message, field.name)
            inner = held.add() if field.is_repeated else held
            if kind.full_name in (f"{WELL_KNOWN}Timestamp", f"{WELL_KNOWN}Duration"):
                inner.seconds, inner.nanos = chance.randrange(10**9), chance.choice([0, 5_000_000, 123_456_789])
            elif not kind.full_name.startswith(WELL_KNOWN):
                inner.SetInParent()
                fill(inner, chance, depth - 1)


def _fill_map(held: Any, kind: Any, chance: random.Random, depth: int) -> None:
    key = _value(kind.fields_by_name["key"], chance)
    value = kind.fields_by_name["value"]
    if value.message_type is None:
        held[key] = _value(value, chance)
    elif depth > 0:
        fill(held[key], chance, depth - 1)


def _value(field: Any, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice(field.enum_type.values).number
    return {
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_DOUBLE: chance.choice([0.5, 3.0, 1e300, float("inf")]),
        FieldDescriptor.CPPTYPE_FLOAT: chance.choice([0.5, 0.1, 3.0]),
        FieldDescriptor.CPPTYPE_STRING: b"\xff\x00" if field.type == FieldDescriptor.TYPE_BYTES else "é\u2028",
    }.get(field.cpp_type, chance.choice([1, 2**31 - 1]))


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=[name.rpartition(".")[2] for name, _ in KINDS])
def test_it_is_what_protobuf_itself_writes(name: str, kind: type[Message]) -> None:
    seed = 7
    for number in range(seed, seed + 4):
        message = kind()
        fill(message, random.Random(number), depth=4)
        expected = json_format.MessageToDict(message)
        assert json.dumps(to_json(message, shorthand=False)) == json.dumps(expected), f"seed {number}"
        again = kind()
        from_json(json.loads(json.dumps(to_json(message, shorthand=False))), again, shorthand=False)
        assert again == message
