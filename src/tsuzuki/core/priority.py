"""Priority and fairness of tasks: given with a start, an activity or a child, and inherited field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import Priority

from .refusal import InvalidInput

if TYPE_CHECKING:
    from .execution import Execution

LEVEL_DEFAULT: Final = 3
LEVEL_LAST: Final = 5
WEIGHT_MIN: Final = 0.001
WEIGHT_MAX: Final = 1000.0
FAIRNESS_KEY_BYTES_MAX: Final = 64


def is_given(priority: Priority) -> bool:
    return bool(priority.priority_key or priority.fairness_key or priority.fairness_weight)


def level_of(priority: Priority | None) -> int:
    """1 (first) to `LEVEL_LAST`; None stands for the default."""
    return LEVEL_DEFAULT if priority is None else min(priority.priority_key or LEVEL_DEFAULT, LEVEL_LAST)


def check_priority(priority: Priority) -> None:
    """Refuse a priority that no task may have.

    Raises:
        InvalidInput: It names the field, its value and what was expected.
    """
    if priority.priority_key < 0:
        raise InvalidInput(f"Priority.priority_key is {priority.priority_key}; expected 1 or more, or 0 for none.")
    size = len(priority.fairness_key.encode())
    if size > FAIRNESS_KEY_BYTES_MAX:
        raise InvalidInput(f"Priority.fairness_key has {size} bytes; the limit is {FAIRNESS_KEY_BYTES_MAX}.")
    if not priority.fairness_weight >= 0:  # nor is it NaN
        raise InvalidInput(f"Priority.fairness_weight is {priority.fairness_weight:g}; expected more than 0, or none.")


def inherited(given: Priority, workflow: Priority | None) -> Priority:
    """What counts for an activity or child: its own fields, and its workflow's where it has none.

    Args:
        given: Its own.
        workflow: The workflow's; None for the default.
    """
    if workflow is None:
        return given
    return Priority(
        priority_key=given.priority_key or workflow.priority_key,
        fairness_key=given.fairness_key or workflow.fairness_key,
        fairness_weight=given.fairness_weight or workflow.fairness_weight,
    )


def of_task(run: Execution, scheduled_event_id: int) -> Priority | None:
    """The priority of a run's activity, or (0 and less) of its workflow task or a query; None for the default."""
    activity = run.activities.get(scheduled_event_id)
    if activity is None:
        return run.priority
    if run.priority is None and activity.options is None and not activity.asked.HasField("priority"):
        return None
    priority = inherited(activity.priority, run.priority)
    return priority if is_given(priority) else None
