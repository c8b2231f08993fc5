"""The `WorkflowService` seam between worker or client and whichever engine answers."""

from ._codec import behind_codec, decoded
from ._errors import ServiceError, StatusCode
from ._metered import metered
from ._protocol import WorkflowService
from ._remote import RemoteWorkflowService, TLSConfig

__all__ = [
    "RemoteWorkflowService",
    "ServiceError",
    "StatusCode",
    "TLSConfig",
    "WorkflowService",
    "behind_codec",
    "decoded",
    "metered",
]
