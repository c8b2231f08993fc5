"""What goes wrong between Python values and payloads: one class for each direction."""

from __future__ import annotations

from ..exceptions import TsuzukiError


class PayloadEncodeError(TsuzukiError, TypeError):
    """A value has no JSON form; nothing was sent.

    Attributes:
        position: Place of the value among those encoded together, from 0.
        value_type: Type of the innermost part that could not be encoded.
        path: Where that part is inside the value, such as `$.config['client']`; `$` is the value itself.
    """

    def __init__(self, message: str, *, position: int, value_type: type, path: str) -> None:
        super().__init__(message)
        self.position = position
        self.value_type = value_type
        self.path = path


class PayloadDecodeError(TsuzukiError, ValueError):
    """A payload does not fit the type that the receiver declares, or is no payload that we can read.

    Attributes:
        position: Place of the payload among those decoded together, from 0.
        type_hint: What the receiver expects; None when it declares nothing.
        encoding: The payload's `encoding` metadata.
    """

    def __init__(self, message: str, *, position: int, type_hint: object, encoding: str) -> None:
        super().__init__(message)
        self.position = position
        self.type_hint = type_hint
        self.encoding = encoding
