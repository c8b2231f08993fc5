"""The engine: executions in memory over one durable store, behind the `WorkflowService` seam."""

from tsuzuki.core.limits import Limits

from ._caller import calling
from ._clock import Alarm, Clock, SystemClock
from ._service import EmbeddedService, open_embedded

__all__ = ["Alarm", "Clock", "EmbeddedService", "Limits", "SystemClock", "calling", "open_embedded"]
