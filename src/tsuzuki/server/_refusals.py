"""A `ServiceError` as gRPC tells it: status, message, and Temporal's details message in a trailer."""

from __future__ import annotations

from typing import Final, NoReturn

import grpc
from temporalio.api.common.v1 import GrpcStatus

from tsuzuki.service import ServiceError

_DETAILS_TRAILER: Final = "grpc-status-details-bin"
_MESSAGE_CHARACTERS_MAX: Final = 2000
"""Trailers have little room; what a caller sent may stand in a message."""
_STATUSES: Final = {status.value[0]: status for status in grpc.StatusCode}


async def refuse(context: grpc.aio.ServicerContext[bytes, bytes], error: ServiceError) -> NoReturn:
    """End the call with the error."""
    message = error.message
    if len(message) > _MESSAGE_CHARACTERS_MAX:
        message = message[:_MESSAGE_CHARACTERS_MAX] + " ..."
    trailers: tuple[tuple[str, bytes], ...] = ()
    if error.detail is not None:
        status = GrpcStatus(code=int(error.status), message=message)
        status.details.add().Pack(error.detail)
        trailers = ((_DETAILS_TRAILER, status.SerializeToString()),)
    await context.abort(_STATUSES[int(error.status)], message, trailers)
