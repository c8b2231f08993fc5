"""What a workflow may know about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import Payload

from tsuzuki.common import Priority, RetryPolicy, SearchAttributes, TypedSearchAttributes

from ._runtime import current_runtime


@dataclass(frozen=True)
class ParentInfo:
    """The workflow that started this one as its child."""

    namespace: str
    run_id: str
    workflow_id: str


@dataclass(frozen=True)
class RootInfo:
    """The workflow at the top of the tree of children that this one belongs to."""

    run_id: str
    workflow_id: str


@dataclass(frozen=True)
class Info:
    """Facts about the running workflow; but for memo and search attributes they do not change while it runs.

    Attributes:
        attempt: From 1; more when a retry policy started this run after a failed one.
        continued_run_id: The run that continued as this one, if any.
        cron_schedule: Cron expression it runs under, if any.
        execution_timeout: Bound over all runs of the chain, if any.
        first_execution_run_id: First run of the chain (retries, cron, continue-as-new).
        headers: Headers that came with the start.
        namespace: Namespace of the workflow.
        original_execution_run_id: The run id as history records it; it outlives a reset.
        parent: The parent, for a child workflow.
        root: The root, for a child workflow.
        priority: Priority of its tasks.
        raw_memo: Memo, not decoded; `workflow.memo()` decodes it.
        retry_policy: The workflow's own retry policy, if any.
        run_id: This run.
        run_timeout: Bound over this run, if any.
        search_attributes: Search attributes as they are now, decoded.
        start_time: When the first workflow task started.
        task_queue: Queue that its workflow tasks come from.
        task_timeout: Bound of one workflow task.
        workflow_id: Id that the caller chose.
        workflow_start_time: When the run was started.
        workflow_type: Name of the workflow.
    """

    attempt: int
    continued_run_id: str | None
    cron_schedule: str | None
    execution_timeout: timedelta | None
    first_execution_run_id: str
    headers: Mapping[str, Payload]
    namespace: str
    original_execution_run_id: str
    parent: ParentInfo | None
    root: RootInfo | None
    priority: Priority
    raw_memo: Mapping[str, Payload]
    retry_policy: RetryPolicy | None
    run_id: str
    run_timeout: timedelta | None
    search_attributes: SearchAttributes
    start_time: datetime
    task_queue: str
    task_timeout: timedelta
    workflow_id: str
    workflow_start_time: datetime
    workflow_type: str

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """Search attributes as they are now, those that have their type beside them."""
        return current_runtime().typed_search_attributes

    def logger_details(self) -> Mapping[str, Any]:
        """What log records of this run carry."""
        return {
            "attempt": self.attempt,
            "namespace": self.namespace,
            "run_id": self.run_id,
            "task_queue": self.task_queue,
            "workflow_id": self.workflow_id,
            "workflow_type": self.workflow_type,
        }

    def get_current_history_length(self) -> int:
        """Number of events in the history up to the current workflow task."""
        return current_runtime().history_length

    def get_current_history_size(self) -> int:
        """Size of the history in bytes, up to the current workflow task."""
        return current_runtime().history_size

    def is_continue_as_new_suggested(self) -> bool:
        """Tell whether the history has grown so long that the workflow should continue as new."""
        return current_runtime().continue_as_new_suggested
