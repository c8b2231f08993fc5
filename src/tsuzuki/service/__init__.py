"""The `WorkflowService` seam between worker or client and whichever engine answers."""

from ._errors import ServiceError, StatusCode
from ._protocol import WorkflowService

__all__ = ["ServiceError", "StatusCode", "WorkflowService"]
