"""Whether a workflow id that was used before may be used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus, WorkflowIdReusePolicy

from .refusal import AlreadyStarted

if TYPE_CHECKING:
    from .execution import Execution

FAILED_STATUSES: Final = frozenset(
    {
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
    }
)
_FAILED_ONLY: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
_REJECT: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE


def check_reuse(closed: Execution, policy: WorkflowIdReusePolicy.ValueType) -> None:
    """Apply the reuse policy against the last run of the workflow id, which is closed.

    Raises:
        AlreadyStarted: The policy forbids another run.
    """
    if policy == _REJECT or (policy == _FAILED_ONLY and closed.status not in FAILED_STATUSES):
        status = WorkflowExecutionStatus.Name(closed.status).removeprefix("WORKFLOW_EXECUTION_STATUS_")
        raise AlreadyStarted(
            f"workflow id '{closed.workflow_id}' was used before, by run {closed.run_id} ({status}), and the "
            f"reuse policy {WorkflowIdReusePolicy.Name(policy)} does not allow another run. Use another id.",
            closed.run_id,
            closed.start_request_id,
        )
