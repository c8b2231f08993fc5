"""How deep the failures of a request may go, and whether the messages that it carries packed can be read.

A message may hold messages to a depth of 100 before protobuf, here and in the SDKs, no longer reads it. A failure that
just fits into a request does not fit into the history that repeats it: the run could never be read again. So a chain
of causes has a bound well below that, and well above what any program means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from temporalio.api.failure.v1 import Failure
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response

from tsuzuki.service import ServiceError, StatusCode

from ._fields import fields_holding

CAUSES_MAX: Final = 64
_PACKED: Final = {kind.DESCRIPTOR.full_name: kind for kind in (Acceptance, Rejection, Request, Response)}
"""What workers send packed: the parts of an update."""
_FAILURES_IN_PACKED: Final = {name: fields_holding(kind, Failure) for name, kind in _PACKED.items()}


class Nesting:
    """The check of one kind of request."""

    def __init__(self, request: type[Message]) -> None:
        self._failures = fields_holding(request, Failure)
        self._packed = fields_holding(request, Any)

    def check(self, request: Message) -> None:
        """Return if all that is inside can be stored and read again.

        Raises:
            ServiceError: INVALID_ARGUMENT.
        """
        for failure in self._all_failures(request):
            causes = 0
            while failure.HasField("cause"):
                failure, causes = failure.cause, causes + 1
                if causes > CAUSES_MAX:
                    raise ServiceError(
                        StatusCode.INVALID_ARGUMENT,
                        f"a failure has more than {CAUSES_MAX} causes below one another. Cut the chain.",
                    )

    def _all_failures(self, request: Message) -> Iterator[Failure]:
        yield from self._failures.values(request)
        for packed in _each(self._packed.values(request)):
            name = packed.TypeName()
            if (kind := _PACKED.get(name)) is not None:
                yield from _FAILURES_IN_PACKED[name].values(_unpacked(packed, kind))


def _each(values: Iterator[Any | list[Any]]) -> Iterator[Any]:
    for value in values:
        yield from [value] if isinstance(value, Any) else value


def _unpacked(packed: Any, kind: type[Message]) -> Message:
    try:
        return kind.FromString(packed.value)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"what is packed is no {name}: {error}") from None
