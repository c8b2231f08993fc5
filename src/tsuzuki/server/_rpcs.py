"""The RPCs that exist, read from the service descriptors; there is no list of them by hand.

Owns the way from a gRPC path to the name of an engine's method. Which of them an engine offers is asked of it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # annotations that other generated code brings along
    from temporalio.api.operatorservice.v1 import service_pb2 as _operator_service
    from temporalio.api.workflowservice.v1 import service_pb2 as _workflow_service

WORKFLOW_SERVICE: Final[ServiceDescriptor] = _workflow_service.DESCRIPTOR.services_by_name["WorkflowService"]
OPERATOR_SERVICE: Final[ServiceDescriptor] = _operator_service.DESCRIPTOR.services_by_name["OperatorService"]

_WORD_START: Final = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC.

    Attributes:
        path: As gRPC names it, `/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo`.
        name: `GetSystemInfo`.
        method: `get_system_info`, its name at the `WorkflowService` seam.
        request: The class of its request.
        response: The class of its response.
    """

    path: str
    name: str
    method: str
    request: type[Message]
    response: type[Message]


def _rpcs_of(service: ServiceDescriptor) -> Iterator[Rpc]:
    for method in service.methods:
        yield Rpc(
            path=f"/{service.full_name}/{method.name}",
            name=method.name,
            method=_WORD_START.sub("_", method.name).lower(),
            request=message_factory.GetMessageClass(method.input_type),
            response=message_factory.GetMessageClass(method.output_type),
        )


RPCS: Final[Mapping[str, Rpc]] = {
    rpc.path: rpc for service in (WORKFLOW_SERVICE, OPERATOR_SERVICE) for rpc in _rpcs_of(service)
}
"""By path."""
