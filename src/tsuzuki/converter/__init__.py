"""Python values and exceptions to the payloads and failures of the protocol, and back."""

from ._data_converter import DataConverter
from ._errors import PayloadDecodeError, PayloadEncodeError
from ._failure_converter import DefaultFailureConverter, FailureConverter
from ._payload_converter import DefaultPayloadConverter, PayloadConverter
from ._search_attributes import (
    decode_search_attribute,
    decode_search_attributes,
    decode_typed_search_attributes,
    encode_search_attributes,
)

__all__ = [
    "DataConverter",
    "DefaultFailureConverter",
    "DefaultPayloadConverter",
    "FailureConverter",
    "PayloadConverter",
    "PayloadDecodeError",
    "PayloadEncodeError",
    "decode_search_attribute",
    "decode_search_attributes",
    "decode_typed_search_attributes",
    "encode_search_attributes",
]
