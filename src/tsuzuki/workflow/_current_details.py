"""What a workflow says about itself to people who look at it while it runs."""

from __future__ import annotations

from ._runtime import current_runtime


def set_current_details(details: str) -> None:
    """Say where the workflow stands, for people. It is in no history: the `__temporal_workflow_metadata` query,
    which user interfaces send, shows it.

    Args:
        details: One or more lines, Markdown if you like; they take the place of those before.

    Raises:
        ReadOnlyContextError: Called in a query or a validator.
    """
    runtime = current_runtime()
    runtime.check_may_act("set the current details")
    runtime.current_details = details


def get_current_details() -> str:
    """Return what `set_current_details` said last; empty if nothing."""
    return current_runtime().current_details
