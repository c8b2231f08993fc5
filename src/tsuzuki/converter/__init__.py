"""Python values and exceptions to the payloads and failures of the protocol, and back."""

from ._blobs import BlobNotFoundError, BlobStore, FolderBlobStore, S3BlobStore, S3Client
from ._codec import ChainedCodec, PayloadCodec, PayloadCodecError
from ._compression import CompressionCodec
from ._data_converter import DataConverter
from ._encodings import (
    BinaryNullPayloadConverter,
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    CompositePayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
)
from ._encryption import EncryptionCodec
from ._errors import PayloadDecodeError, PayloadEncodeError
from ._failure_converter import (
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    FailureConverter,
)
from ._headers import read_headers, write_headers
from ._offload import OffloadCodec
from ._payload_converter import DefaultPayloadConverter, PayloadConverter
from ._payload_fields import has_payloads, transform_payloads
from ._search_attributes import (
    decode_search_attribute,
    decode_search_attributes,
    decode_typed_search_attributes,
    encode_search_attributes,
)

__all__ = [
    "BinaryNullPayloadConverter",
    "BinaryPlainPayloadConverter",
    "BinaryProtoPayloadConverter",
    "BlobNotFoundError",
    "BlobStore",
    "ChainedCodec",
    "CompositePayloadConverter",
    "CompressionCodec",
    "DataConverter",
    "DefaultFailureConverter",
    "DefaultFailureConverterWithEncodedAttributes",
    "DefaultPayloadConverter",
    "EncodingPayloadConverter",
    "EncryptionCodec",
    "FailureConverter",
    "FolderBlobStore",
    "JSONPlainPayloadConverter",
    "JSONProtoPayloadConverter",
    "OffloadCodec",
    "PayloadCodec",
    "PayloadCodecError",
    "PayloadConverter",
    "PayloadDecodeError",
    "PayloadEncodeError",
    "S3BlobStore",
    "S3Client",
    "decode_search_attribute",
    "decode_search_attributes",
    "decode_typed_search_attributes",
    "encode_search_attributes",
    "has_payloads",
    "read_headers",
    "transform_payloads",
    "write_headers",
]
