"""The client side: start workflows, follow them, signal, cancel and look at them."""

from ._async_activity import AsyncActivityHandle
from ._calls import Calls
from ._client import Client
from ._errors import (
    ActivityNotFoundError,
    AsyncActivityCancelledError,
    InvalidArgumentError,
    NamespaceNotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RPCError,
    ServiceUnavailableError,
    WorkflowContinuedAsNewError,
    WorkflowFailureError,
    WorkflowNotFoundError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from ._execution import (
    PendingActivity,
    PendingActivityState,
    PendingWorkflowTask,
    PendingWorkflowTaskState,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from ._handle import WorkflowHandle
from ._history import WorkflowHistory, WorkflowHistoryEventFilterType
from ._start import StartWorkflowOptions
from ._update import WorkflowUpdateHandle, WorkflowUpdateStage
from ._update_with_start import WithStartWorkflowOperation
from ._visibility import WorkflowExecutionCount, WorkflowExecutionCountAggregationGroup

__all__ = [
    "ActivityNotFoundError",
    "AsyncActivityCancelledError",
    "AsyncActivityHandle",
    "Calls",
    "Client",
    "InvalidArgumentError",
    "NamespaceNotFoundError",
    "PendingActivity",
    "PendingActivityState",
    "PendingWorkflowTask",
    "PendingWorkflowTaskState",
    "PermissionDeniedError",
    "RPCError",
    "ResourceExhaustedError",
    "ServiceUnavailableError",
    "StartWorkflowOptions",
    "WithStartWorkflowOperation",
    "WorkflowContinuedAsNewError",
    "WorkflowExecution",
    "WorkflowExecutionCount",
    "WorkflowExecutionCountAggregationGroup",
    "WorkflowExecutionDescription",
    "WorkflowExecutionStatus",
    "WorkflowFailureError",
    "WorkflowHandle",
    "WorkflowHistory",
    "WorkflowHistoryEventFilterType",
    "WorkflowNotFoundError",
    "WorkflowQueryFailedError",
    "WorkflowQueryRejectedError",
    "WorkflowUpdateFailedError",
    "WorkflowUpdateHandle",
    "WorkflowUpdateStage",
]
