"""Refusals as HTTP tells them: a status, and JSON with the gRPC code, the message and Temporal's details."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import json_format

from tsuzuki.service import ServiceError, StatusCode

from ._foreign_json import JsonResponse

HTTP_STATUSES: Final = {
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
    StatusCode.UNAUTHENTICATED: 401,
}


def refusal(error: ServiceError) -> JsonResponse:
    """The response that tells of an error."""
    content: dict[str, Any] = {"code": int(error.status), "message": error.message}
    if error.detail is not None:
        kind = f"type.googleapis.com/{error.detail.DESCRIPTOR.full_name}"
        content["details"] = [{"@type": kind, **json_format.MessageToDict(error.detail)}]
    return JsonResponse(content, HTTP_STATUSES[error.status])
