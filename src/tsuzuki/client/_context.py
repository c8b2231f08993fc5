"""What every handle of one client shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message
from temporalio.api.failure.v1 import Failure

from ..converter import DataConverter, PayloadConverter
from ..exceptions import FailureError
from ..service import WorkflowService, decoded
from ._calls import Calls

if TYPE_CHECKING:
    from ._interceptor import OutboundInterceptor

AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass
class ClientContext:
    """A client's connection and settings, without its methods.

    Attributes:
        service: Where requests go, behind the codec.
        calls: How they are sent.
        namespace: Namespace of every request.
        identity: Who calls, in histories.
        data_converter: Values and failures to the wire and back.
        outbound: Interceptors before each call; None without interceptors.
    """

    service: WorkflowService
    calls: Calls
    namespace: str
    identity: str
    data_converter: DataConverter
    outbound: OutboundInterceptor | None = None

    @property
    def payloads(self) -> PayloadConverter:
        """Converter of values."""
        return self.data_converter.payload_converter

    def exception_from(self, failure: Failure) -> FailureError:
        """Make the exception that a recorded failure describes."""
        return self.data_converter.failure_converter.from_failure(failure, self.payloads)

    async def decoded(self, recorded: AnyMessage) -> AnyMessage:
        """Decode a part of a history, which the service gives as it is recorded."""
        codec = self.data_converter.payload_codec
        return recorded if codec is None else await decoded(codec, recorded)
