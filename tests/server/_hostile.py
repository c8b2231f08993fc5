"""Requests that nobody should send: made from the descriptors, with values at and past every edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_WORDS: Final = (
    "",
    " ",
    "\0",
    "x",
    "default",
    "other",
    "q",
    "ü" * 40,
    "'",
    '"',
    "a' OR 1=1 --",
    "%s%n",
    "../..",
    "\U0001f600",
)
_LONG: Final = ("x" * 1000, "x" * 1001, "y" * 70_000)
_WHOLE: Final = (0, 1, 2, 3, 7, 100, 2**31 - 1)
_WIDE: Final = (2**63 - 1, 2**53, 2**33, 10**18)
_SECONDS: Final = (-1, 0, 1, 60, -(2**63), 2**63 - 1, 315_576_000_000, 253_402_300_800, 10**12)
_NANOS: Final = (0, 0, 0, -1, 1, 999_999_999, 10**9, -(2**31), 2**31 - 1)
_SIGNED: Final = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
_IN_TIMES: Final = {"google.protobuf.Duration", "google.protobuf.Timestamp"}
_COMMAND: Final = "temporal.api.command.v1.Command"
_LEVELS_MAX: Final = 6


@dataclass
class Hostile:
    """Makes messages.

    Attributes:
        random: The only source of chance.
        known: Values that mean something to the server, by field name: they get a request further in.
    """

    random: Random
    known: dict[str, Sequence[Any]] = field(default_factory=dict)

    def request(self, kind: type[Message]) -> Message:
        """A message with some fields filled: well, oddly or absurdly."""
        message = kind()
        self._fill(message, 0, dense=self.random.choice((0.05, 0.05, 0.2, 0.5, 0.9)))
        return message

    def spoiled(self, data: bytes) -> bytes:
        """Bytes that were a message, cut, flipped or stretched."""
        changed = bytearray(data or b"\x0a\x01x")
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randrange(len(changed))
            match self.random.randrange(4):
                case 0:
                    changed[place] = self.random.randrange(256)
                case 1:
                    del changed[place:]
                    changed += b"\xff"
                case 2:
                    changed[place:place] = self.random.randbytes(self.random.randint(1, 9))
                case _:
                    changed += b"\x0a\xff\xff\xff\xff\x0f"
        return bytes(changed)

    def _fill(self, message: Any, level: int, dense: float) -> None:
        for each in message.DESCRIPTOR.fields:
            wanted = 0.95 if level < 2 and each.name in self.known else dense if level < 2 else dense * 0.7
            if self.random.random() > wanted:
                continue
            known = self._known_value(each)
            if known is None:
                self._fill_field(message, each, level, dense)
            elif isinstance(known, Message):
                getattr(message, each.name).CopyFrom(known)
            else:
                setattr(message, each.name, known)

        if message.DESCRIPTOR.full_name == _COMMAND and self.random.random() < 0.9:
            attributes = message.WhichOneof("attributes") or ""
            name = f"COMMAND_TYPE_{attributes.removesuffix('_command_attributes').upper()}"
            message.command_type = name if attributes else 0

    def _known_value(self, each: FieldDescriptor) -> Any:
        if each.is_repeated or each.name not in self.known or self.random.random() < 0.1:
            return None
        value = self.random.choice(self.known[each.name])
        kind: Any = each.message_type
        fits = isinstance(value, Message) if kind is not None else not isinstance(value, Message)
        return value if fits and (kind is None or value.DESCRIPTOR.full_name == kind.full_name) else None

    def _fill_field(self, message: Any, each: FieldDescriptor, level: int, dense: float) -> None:
        kind: Any = each.message_type
        if kind is not None and kind.GetOptions().map_entry:
            self._fill_map(getattr(message, each.name), kind, level, dense)
        elif each.is_repeated:
            values = getattr(message, each.name)
            for _ in range(self.random.choice((0, 1, 1, 2, 30 if level < 2 else 2))):
                if kind is None:
                    values.append(self._value(each, ""))
                elif level < _LEVELS_MAX:
                    self._fill(values.add(), level + 1, dense)
        elif kind is None:
            setattr(message, each.name, self._value(each, message.DESCRIPTOR.full_name))
        elif level < _LEVELS_MAX:
            inner = getattr(message, each.name)
            inner.SetInParent()
            self._fill(inner, level + 1, 0.9 if kind.full_name in _IN_TIMES else dense)

    def _fill_map(self, values: Any, entry: Any, level: int, dense: float) -> None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for _ in range(self.random.choice((0, 1, 3))):
            name = self._value(key, "")
            if value.message_type is None:
                values[name] = self._value(value, "")
            elif level < _LEVELS_MAX:
                self._fill(values[name], level + 1, dense)

    def _value(self, each: FieldDescriptor, holder: str) -> Any:
        choose = self.random.choice
        if holder in _IN_TIMES:
            return choose(_SECONDS if each.name == "seconds" else _NANOS)
        match each.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                if each.type == FieldDescriptor.TYPE_BYTES:
                    return choose((b"", b"\0", b"\xff\xfe", b"null", self.random.randbytes(17), b"z" * 100_000))
                return choose(_LONG) if self.random.random() < 0.05 else choose(_WORDS)
            case FieldDescriptor.CPPTYPE_BOOL:
                return choose((True, False))
            case FieldDescriptor.CPPTYPE_ENUM:
                known: Any = each.enum_type.values
                return choose([*(value.number for value in known), 0, 999, -1, 2**31 - 1])
            case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
                return choose(
                    (
                        0.0,
                        -1.0,
                        1.0,
                        2.0,
                        1e308 if each.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE else 1e30,
                        float("inf"),
                        float("nan"),
                        -0.5,
                    )
                )
            case cpp:
                value = choose(_WHOLE)
                if (
                    cpp in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
                    and self.random.random() < 0.3
                ):
                    value = choose(_WIDE)
                return -value if cpp in _SIGNED and self.random.random() < 0.3 else value
