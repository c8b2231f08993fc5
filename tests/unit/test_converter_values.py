"""Values to payloads and back: alone, against the official converter, and by type hint."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import math
import pathlib
import typing
import uuid
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pytest
import temporalio.converter
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload, WorkflowType

from tsuzuki.common import RawValue
from tsuzuki.converter import DataConverter

ours = DataConverter.default.payload_converter
theirs = temporalio.converter.default().payload_converter

T = TypeVar("T")


class Color(enum.StrEnum):
    RED = "red"


class OldColor(str, enum.Enum):  # noqa: UP042
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Shape(enum.Enum):
    ROUND = "round"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Search:
    topic: str
    at: Point
    tags: list[str]
    level: Level
    parent: Search | None = None


@dataclasses.dataclass
class Circle:
    radius: float


@dataclasses.dataclass
class Square:
    side: float


@dataclasses.dataclass
class Drawing:
    shapes: list[Circle | Square]
    raw: bytes = b""


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@dataclasses.dataclass(frozen=True)
class Derived:
    a: int
    b: int = dataclasses.field(init=False, default=0)


class Movie(TypedDict, total=False):
    name: typing.Required[str]
    year: int


class Pair(NamedTuple):
    left: int
    right: str


class Fast(msgspec.Struct):
    a: int


UserId = NewType("UserId", str)

# Both converters write and read these alike, whoever writes.
ORDINARY: list[tuple[Any, Any]] = [
    (None, type(None)),
    (b"\x00bytes", bytes),
    (b"", bytes),
    ("text", str),
    ("schön 続き \u0000 \U0001f600", str),
    ("", str),
    (0, int),
    (-(2**63), int),
    (2**200, int),
    (True, bool),
    (1.5, float),
    (1e300, float),
    (5e-324, float),
    (math.inf, float),
    (-math.inf, float),
    ([], list),
    ([1, "a", None, [True]], list[Any]),
    ({}, dict),
    ({"b": 1, "a": {"c": [None]}}, dict[str, Any]),
    ({1: "x"}, dict[int, str]),
    ({"a": None, "n": [math.inf]}, dict[str, Any]),
    ((1, "a"), tuple[int, str]),
    ({1, 2}, set[int]),
    (Color.RED, Color),
    (OldColor.RED, OldColor),
    (Level.HIGH, Level),
    (Point(1, 2.5), Point),
    (Search("t", Point(1), ["a"], Level.HIGH, Search("u", Point(2), [], Level.HIGH)), Search),
    ([Point(1), Point(2)], list[Point]),
    ({"p": Point(1)}, dict[str, Point]),
    (Point(3), Point | None),
    (None, Point | None),
    (uuid.UUID("12345678-1234-5678-1234-567812345678"), uuid.UUID),
    (datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC), datetime.datetime),
    (datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.datetime),
    ({"name": "Ran", "year": 1985}, Movie),
    ("a", Literal["a", "b"]),
    (UserId("u"), UserId),
    (Duration(seconds=3), Duration),
    (WorkflowType(name="x"), WorkflowType),
    (Circle(1.0), Square | Circle),
    (Derived(1), Derived),
]


@pytest.mark.parametrize(("value", "hint"), ORDINARY, ids=repr)
def test_ordinary_values_pass_to_and_from_the_official_converter(value: Any, hint: Any) -> None:
    assert ours.from_payloads(ours.to_payloads([value]), [hint]) == [value]
    assert theirs.from_payloads(ours.to_payloads([value]), [hint]) == [value]
    assert ours.from_payloads(theirs.to_payloads([value]), [hint]) == [value]
    assert type(ours.from_payload(ours.to_payload(value), hint)) is type(value)


@pytest.mark.parametrize(("value", "hint"), ORDINARY, ids=repr)
def test_payloads_are_labelled_as_the_official_converter_labels_them(value: Any, hint: Any) -> None:
    assert dict(ours.to_payload(value).metadata) == dict(theirs.to_payload(value).metadata)


@pytest.mark.parametrize(("value", "hint"), ORDINARY, ids=repr)
def test_without_a_hint_the_official_plain_values_come_out(value: Any, hint: Any) -> None:
    payload = theirs.to_payload(value)
    assert ours.from_payload(payload) == theirs.from_payload(payload)


# What the official converter does not take, or takes otherwise.
FURTHER: list[tuple[Any, Any, str | None]] = [
    (Decimal("1.50"), Decimal, '"1.50"'),
    (Shape.ROUND, Shape, '"round"'),
    (Pair(1, "b"), Pair, '[1,"b"]'),
    (frozenset({1}), frozenset[int], "[1]"),
    (collections.deque([1, 2]), collections.deque[int], "[1,2]"),
    (collections.OrderedDict(b=1, a=2), collections.OrderedDict[str, int], '{"b":1,"a":2}'),
    (collections.defaultdict(None, {"a": 1}), collections.defaultdict[str, int], '{"a":1}'),
    (datetime.date(2026, 1, 2), datetime.date, '"2026-01-02"'),
    (datetime.timedelta(days=1, seconds=2), datetime.timedelta, '"P1DT2S"'),
    (pathlib.Path("a/b"), pathlib.Path, '"a/b"'),
    (Drawing([Circle(1.0), Square(2.0)], b"\xff"), Drawing, None),
    (Box(Point(1)), Box[Point], '{"content":{"x":1,"y":0.5}}'),
    ([Box(1)], list[Box[int]], '[{"content":1}]'),
    (Fast(1), Fast, '{"a":1}'),
    ({True: 1, False: 2}, dict[bool, int], None),
    ({None: 1}, dict[None, int], '{"null":1}'),
    ({Level.HIGH: 1}, dict[Level, int], '{"3":1}'),
    ({uuid.UUID(int=1): 1}, dict[uuid.UUID, int], None),
    ([None, 1.5], list[float | None], "[null,1.5]"),
    ([1, 2], collections.abc.Sequence[int], "[1,2]"),
    ([1, 2], collections.abc.Iterable[int], "[1,2]"),
    ({"a": [1]}, collections.abc.Mapping[str, list[int]], '{"a":[1]}'),
    ((1, 2, 3), tuple[int, ...], "[1,2,3]"),
    ([Circle(1.0), Square(2.0)], list[Circle | Square], None),
    ({"a": Square(1.0)}, dict[str, Circle | Square | None], None),
    ((Circle(1.0), 2), tuple[Square | Circle, int], None),
    (bytearray(b"ab"), bytearray, "ab"),
    (5, typing.Annotated[int, ["unhashable"]], "5"),
    ({"name": "Ran"}, Movie | None, '{"name":"Ran"}'),
    (Pair(1, "b"), Pair | None, '[1,"b"]'),
]


@pytest.mark.parametrize(("value", "hint", "data"), FURTHER, ids=repr)
def test_further_types_come_back_by_their_hint(value: Any, hint: Any, data: str | None) -> None:
    payload = ours.to_payload(value)
    back = ours.from_payload(payload, hint)
    assert back == value
    assert type(back) is type(value)
    if data is not None:
        assert payload.data.decode() == data


class Text(str):
    __slots__ = ()


class Count(int):
    pass


class Ratio(float):
    pass


@pytest.mark.parametrize(
    ("value", "data"), [(Text("a"), '"a"'), (Count(3), "3"), (Ratio(0.5), "0.5"), ([Text("a")], '["a"]')]
)
def test_subclasses_of_scalars_count_as_what_they_extend(value: Any, data: str) -> None:
    assert ours.to_payload(value).data.decode() == data


def test_a_dict_comes_back_in_its_order() -> None:
    assert list(ours.from_payload(ours.to_payload({"b": 1, "a": 2}))) == ["b", "a"]


def test_nan_is_not_turned_into_none() -> None:
    payload = ours.to_payload({"score": math.nan, "other": None})
    assert math.isnan(ours.from_payload(payload)["score"])
    assert math.isnan(theirs.from_payload(payload)["score"])
    assert math.isnan(ours.from_payload(ours.to_payload(math.nan), float))


def test_a_lone_surrogate_survives() -> None:
    assert ours.from_payload(ours.to_payload(["\ud800"])) == ["\ud800"]
    assert theirs.from_payload(ours.to_payload(["\ud800"])) == ["\ud800"]


def test_bytes_inside_a_value_are_read_in_both_ways_of_writing_them() -> None:
    assert ours.from_payload(theirs.to_payload(Drawing([], b"ab")), Drawing) == Drawing([], b"ab")
    assert ours.from_payload(ours.to_payload(Drawing([], b"ab")), Drawing) == Drawing([], b"ab")


def test_a_union_member_whose_names_all_match_goes_first() -> None:
    @dataclasses.dataclass
    class Anything:
        note: str = ""

    payload = ours.to_payload(Circle(2.0))
    assert ours.from_payload(payload, Anything | Circle) == Circle(2.0)


def test_names_that_a_dataclass_does_not_have_are_ignored() -> None:
    assert ours.from_payload(ours.to_payload({"x": 1, "later": 2}), Point) == Point(1)


def test_a_raw_value_passes_unchanged_both_ways() -> None:
    payload = Payload(metadata={"encoding": b"own/encoding"}, data=b"x")
    assert ours.to_payload(RawValue(payload)) is payload
    assert ours.from_payload(payload, RawValue).payload is payload


def test_binary_protobuf_is_read() -> None:
    message = WorkflowType(name="Research")
    payload = Payload(
        metadata={"encoding": b"binary/protobuf", "messageType": b"temporal.api.common.v1.WorkflowType"},
        data=message.SerializeToString(),
    )
    assert ours.from_payload(payload) == message


def test_a_protobuf_hint_reads_plain_json() -> None:
    assert ours.from_payload(ours.to_payload({"name": "x"}), WorkflowType) == WorkflowType(name="x")


def test_missing_hints_mean_plain_values() -> None:
    payloads = ours.to_payloads([Point(1), Point(2), Point(3)])
    assert ours.from_payloads(payloads, [Point, None]) == [Point(1), {"x": 2, "y": 0.5}, {"x": 3, "y": 0.5}]


def test_wrappers_hold_the_same_payloads() -> None:
    wrapper = ours.to_payloads_wrapper([1, None])
    assert ours.from_payloads_wrapper(wrapper, [int, None]) == [1, None]
    assert ours.from_payloads_wrapper(None) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_json_value_passes_to_and_from_the_official_converter(value: Any) -> None:
    payload = ours.to_payload(value)
    assert ours.from_payload(payload) == value
    assert theirs.from_payload(payload) == value
    assert ours.from_payload(theirs.to_payload(value)) == value
