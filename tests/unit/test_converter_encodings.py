"""Converters put together from one an encoding, and failures whose words are payloads too."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import temporalio.converter
import temporalio.exceptions
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from tsuzuki import exceptions
from tsuzuki.common import RawValue
from tsuzuki.converter import (
    BinaryProtoPayloadConverter,
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadDecodeError,
    PayloadEncodeError,
)


@dataclass
class Point:
    x: int
    y: int


class Fraction(EncodingPayloadConverter):
    """Decimals with all their digits, in an encoding of its own."""

    encoding = "text/decimal"  # type: ignore[assignment]

    def to_payload(self, value: Any) -> Payload | None:
        if not isinstance(value, Decimal):
            return None
        return Payload(metadata={"encoding": b"text/decimal"}, data=str(value).encode())

    def from_payload(self, payload: Payload, type_hint: Any = None) -> Any:
        return Decimal(payload.data.decode())


class WithFractions(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(Fraction(), *DefaultPayloadConverter.default_encoding_payload_converters)


class Whole(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(*DefaultPayloadConverter.default_encoding_payload_converters)


VALUES: list[tuple[Any, Any]] = [
    (None, None),
    (b"bytes", bytes),
    ("text", str),
    (Point(1, 2), Point),
    ([Point(1, 2)], list[Point]),
    (Duration(seconds=3), Duration),
    ({"a": [1, 2.5, None]}, None),
]


def test_the_parts_together_are_the_default_converter() -> None:
    values, hints = [value for value, _ in VALUES], [hint for _, hint in VALUES]
    whole, default = Whole(), DataConverter.default.payload_converter

    assert whole.to_payloads(values) == default.to_payloads(values)
    assert whole.from_payloads(default.to_payloads(values), hints) == values


def test_an_encoding_of_its_own_comes_first() -> None:
    converter = DataConverter(payload_converter_class=WithFractions).payload_converter

    payloads = converter.to_payloads([Decimal("1.10"), "text"])

    assert [payload.metadata["encoding"] for payload in payloads] == [b"text/decimal", b"json/plain"]
    assert converter.from_payloads(payloads) == [Decimal("1.10"), "text"]


def test_raw_values_pass() -> None:
    raw = RawValue(Payload(metadata={"encoding": b"any"}, data=b"thing"))

    assert Whole().from_payloads(Whole().to_payloads([raw]), [RawValue]) == [raw]


def test_what_no_converter_takes_or_knows_is_told() -> None:
    class OnlyJSON(CompositePayloadConverter):
        def __init__(self) -> None:
            super().__init__(Fraction())

    with pytest.raises(PayloadEncodeError, match=r"value 0 \(Point\) is not for any of the converters; .*text/decimal"):
        OnlyJSON().to_payloads([Point(1, 2)])
    with pytest.raises(PayloadDecodeError, match=r"the encoding 'x/y', for which there is no converter"):
        OnlyJSON().from_payloads([Payload(metadata={"encoding": b"x/y"})])


def test_protobuf_messages_as_bytes_for_those_who_ask() -> None:
    class Binary(CompositePayloadConverter):
        def __init__(self) -> None:
            super().__init__(BinaryProtoPayloadConverter(), JSONPlainPayloadConverter())

    (payload,) = Binary().to_payloads([Duration(seconds=3)])

    assert payload.metadata["encoding"] == b"binary/protobuf"
    assert Binary().from_payloads([payload], [Duration]) == [Duration(seconds=3)]
    theirs = temporalio.converter.BinaryProtoPayloadConverter()
    assert theirs.to_payload(Duration(seconds=3)) == payload


# ---- failures ------------------------------------------------------------------------------------------------

ours = DataConverter(failure_converter_class=DefaultFailureConverterWithEncodedAttributes)
theirs = temporalio.converter.DataConverter(
    failure_converter_class=temporalio.converter.DefaultFailureConverterWithEncodedAttributes
)


def raised(package: Any) -> BaseException:
    try:
        try:
            raise package.ApplicationError("the inner secret", "detail")
        except package.ApplicationError as inner:
            raise package.ApplicationError("the outer secret", type="Outer") from inner
    except package.ApplicationError as error:
        return error  # type: ignore[no-any-return]


def test_messages_and_stack_traces_are_payloads() -> None:
    failure = Failure()
    ours.failure_converter.to_failure(raised(exceptions), ours.payload_converter, failure)

    assert failure.message == failure.cause.message == "Encoded failure"
    assert not failure.stack_trace
    assert not failure.cause.stack_trace
    for one in (failure, failure.cause):
        one.ClearField("encoded_attributes")
    assert b"secret" not in failure.SerializeToString()


def test_each_side_reads_what_the_other_wrote() -> None:
    written = Failure()
    ours.failure_converter.to_failure(raised(exceptions), ours.payload_converter, written)
    read: Any = theirs.failure_converter.from_failure(written, theirs.payload_converter)
    assert (str(read), read.type, str(read.cause)) == ("Outer: the outer secret", "Outer", "the inner secret")

    written = Failure()
    theirs.failure_converter.to_failure(raised(temporalio.exceptions), theirs.payload_converter, written)
    mine: Any = ours.failure_converter.from_failure(written, ours.payload_converter)
    assert (mine.message, mine.type, mine.cause.message) == ("the outer secret", "Outer", "the inner secret")


def test_attributes_that_cannot_be_read_leave_the_failure_as_it_is() -> None:
    """Such as those of an encrypted failure, looked at without the codec."""
    failure = Failure(message="Encoded failure")
    failure.encoded_attributes.metadata["encoding"] = b"binary/encrypted"
    failure.application_failure_info.type = "Outer"

    read = ours.failure_converter.from_failure(failure, ours.payload_converter)

    assert isinstance(read, exceptions.ApplicationError)
    assert (read.message, read.type) == ("Encoded failure", "Outer")
