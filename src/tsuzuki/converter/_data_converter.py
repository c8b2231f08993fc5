"""The pair of converters that a client and its workers must share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ._codec import PayloadCodec
from ._failure_converter import DefaultFailureConverter, FailureConverter
from ._payload_converter import DefaultPayloadConverter, PayloadConverter


@dataclass(frozen=True)
class DataConverter:
    """How values and failures are encoded. Give the same one to everything that shares workflows.

    Args:
        payload_converter_class: Made once, without arguments.
        payload_codec: What payloads go through on their way to the service and back; None for nothing.
        failure_converter_class: Made once, without arguments.

    Attributes:
        payload_converter: Values to payloads and back.
        failure_converter: Exceptions to failures and back.
    """

    payload_converter_class: type[PayloadConverter] = DefaultPayloadConverter
    payload_codec: PayloadCodec | None = None
    failure_converter_class: type[FailureConverter] = DefaultFailureConverter
    payload_converter: PayloadConverter = field(init=False)
    failure_converter: FailureConverter = field(init=False)

    default: ClassVar[DataConverter]

    def __post_init__(self) -> None:
        object.__setattr__(self, "payload_converter", self.payload_converter_class())
        object.__setattr__(self, "failure_converter", self.failure_converter_class())


DataConverter.default = DataConverter()
