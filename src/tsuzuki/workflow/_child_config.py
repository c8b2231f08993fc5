"""The options of a child workflow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum
from typing import Any, TypedDict

from tsuzuki.common import Priority, RetryPolicy, SearchAttributes, TypedSearchAttributes, WorkflowIDReusePolicy


class ChildWorkflowCancellationType(IntEnum):
    """What the parent does when its wait for a child is cancelled."""

    ABANDON = 0
    """Ask for nothing and go on at once."""
    TRY_CANCEL = 1
    """Ask for the child's cancellation and go on at once."""
    WAIT_CANCELLATION_COMPLETED = 2
    """Ask for the child's cancellation and wait for what becomes of it."""
    WAIT_CANCELLATION_REQUESTED = 3
    """As `WAIT_CANCELLATION_COMPLETED`, which official SDKs make of it too."""


class ParentClosePolicy(IntEnum):
    """What happens to an open child when its parent closes, however it closes."""

    UNSPECIFIED = 0
    """The engine's default: terminate."""
    TERMINATE = 1
    ABANDON = 2
    """Nothing: the child goes on by itself."""
    REQUEST_CANCEL = 3


class ChildWorkflowConfig(TypedDict, total=False):
    """Options of a child workflow.

    Attributes:
        id: Workflow id; the default is a UUID drawn from the parent's random numbers.
        task_queue: Where its workers poll; the default is the parent's own task queue.
        cancellation_type: The default is `WAIT_CANCELLATION_COMPLETED`.
        parent_close_policy: The default is `TERMINATE`.
        execution_timeout: Bound of the whole chain of runs; no default.
        run_timeout: Bound of one run; the default is the execution timeout.
        task_timeout: Bound of one workflow task; the default is the parent's.
        id_reuse_policy: Whether the id of a closed run may be used again; the default is yes.
        retry_policy: Runs a failed child again, in a new run; the default is not to.
        cron_schedule: Runs the child again and again, in new runs.
        memo: Values shown with the child, not searchable.
        search_attributes: Values to find the child by; their names must be registered.
        static_summary: One line for people.
        static_details: Several lines for people.
        priority: The default is the parent's.
    """

    id: str | None
    task_queue: str | None
    cancellation_type: ChildWorkflowCancellationType
    parent_close_policy: ParentClosePolicy
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: SearchAttributes | TypedSearchAttributes | None
    static_summary: str | None
    static_details: str | None
    priority: Priority
