"""Values that cannot be encoded and payloads that do not fit: what the error says."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any, Literal

import pytest
from temporalio.api.common.v1 import Payload

from tsuzuki.converter import DataConverter, PayloadDecodeError, PayloadEncodeError

converter = DataConverter.default.payload_converter


class Connection:
    pass


@dataclasses.dataclass
class Job:
    name: str
    resource: Any = None


def cycle() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "path", "value_type"),
    [
        (Connection(), "$", Connection),
        (Connection, "$", type),
        ({"config": {"client": Connection()}}, "$['config']['client']", Connection),
        ([1, [2, Connection()]], "$[1][1]", Connection),
        ((0, {3, 4}, 1j), "$[2]", complex),
        (Job("a", {"x": [Connection()]}), "$.resource['x'][0]", Connection),
        ([Job("a"), Job("b", Connection())], "$[1].resource", Connection),
        ({"a": {(1, 2): 3}}, "$['a'][key (1, 2)]", tuple),
        (lambda: None, "$", type(lambda: None)),
        ((item for item in [1]), "$", type(item for item in [1])),
        (ValueError("x"), "$", ValueError),
        (cycle(), "$", list),
    ],
)
def test_the_part_that_cannot_be_encoded_is_named(value: Any, path: str, value_type: type) -> None:
    with pytest.raises(PayloadEncodeError) as caught:
        converter.to_payloads(["fine", value])

    error = caught.value
    assert (error.position, error.path, error.value_type) == (1, path, value_type)
    assert str(error).startswith(f"value 1 ({type(value).__qualname__}) cannot be encoded")
    assert value_type.__qualname__ in str(error)
    assert "Pass plain data instead" in str(error)
    if path != "$":
        assert path in str(error)


def test_an_open_file_is_refused_not_read() -> None:
    with open(__file__) as file:
        with pytest.raises(PayloadEncodeError):
            converter.to_payload(file)
        assert file.tell() == 0


def test_a_type_error_is_what_a_caller_may_expect() -> None:
    with pytest.raises(TypeError), socket.socket() as unencodable:
        converter.to_payload(unencodable)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("5", int, 'value 0 does not fit `int`: Expected `int`, got `str`. The payload (json/plain) is "5"'),
        (5, str, "does not fit `str`: Expected `str`, got `int`"),
        (1.5, int, "Expected `int`, got `float`"),
        (True, int, "Expected `int`, got `bool`"),
        ({"name": 5}, Job, "does not fit `Job`: Expected `str`, got `int` - at `$.name`"),
        ({}, Job, "missing required field `name`"),
        ([1, "x"], list[int], "does not fit `list[int]`: Expected `int`, got `str` - at `$[1]`"),
        ("c", Literal["a", "b"], "Invalid enum value 'c'"),
        ({"side": "x"}, list[int] | Job, "missing required field `name`"),
        ([1], tuple[int, int], "Expected `array` of length 2"),
        ("x", bytes, "does not fit `bytes`: Invalid base64 encoded string"),
    ],
    ids=repr,
)
def test_what_was_expected_and_what_came_is_named(value: Any, hint: Any, expected: str) -> None:
    with pytest.raises(PayloadDecodeError) as caught:
        converter.from_payloads(converter.to_payloads([value]), [hint])

    assert expected in str(caught.value)
    assert caught.value.type_hint == hint
    assert caught.value.encoding == "json/plain"


@dataclasses.dataclass
class Circle:
    radius: float


@dataclasses.dataclass
class Square:
    side: float


def test_a_union_of_dataclasses_that_fits_none_is_named() -> None:
    with pytest.raises(PayloadDecodeError, match=r"Expected `.*Circle.*Square.*`, got `dict` - at `\$\[0\]`"):
        converter.from_payload(converter.to_payload([{"side": "long"}]), list[Circle | Square])


def test_bytes_do_not_fit_a_text_hint() -> None:
    with pytest.raises(PayloadDecodeError, match=r"does not fit `str`: Expected `str`, got `bytes`"):
        converter.from_payload(converter.to_payload(b"x"), str)


def test_a_long_payload_is_shown_in_part() -> None:
    with pytest.raises(PayloadDecodeError) as caught:
        converter.from_payload(converter.to_payload("x" * 5000), int)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (Payload(data=b"1"), "has the encoding '', which this converter does not know"),
        (Payload(metadata={"encoding": b"binary/encrypted"}, data=b"1"), "'binary/encrypted'.*payload codec"),
        (
            Payload(metadata={"encoding": b"json/plain"}, data=b"{"),
            r"cannot be decoded: .*\(json/plain\) is {",
        ),
        (Payload(metadata={"encoding": b"json/plain"}, data=b""), "cannot be decoded"),
        (
            Payload(metadata={"encoding": b"json/protobuf", "messageType": b"no.Such"}, data=b"{}"),
            "'no.Such' is not known here; import its generated module",
        ),
    ],
)
def test_a_payload_that_cannot_be_read_says_why(payload: Payload, message: str) -> None:
    with pytest.raises(PayloadDecodeError, match=message):
        converter.from_payloads([payload])


def test_reading_a_payload_without_metadata_does_not_change_it() -> None:
    payload = Payload(data=b"1")
    with pytest.raises(PayloadDecodeError):
        converter.from_payload(payload)
    assert payload == Payload(data=b"1")
