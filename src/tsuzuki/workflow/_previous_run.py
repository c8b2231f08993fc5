"""What the runs before this one left behind: of a cron schedule, a retry, or a chain that continued as new."""

from __future__ import annotations

from typing import Any

from ._runtime import current_runtime


def has_last_completion_result() -> bool:
    """Tell whether an earlier run of this cron schedule has completed with a result."""
    return bool(current_runtime().started.last_completion_result.payloads)


def get_last_completion_result(type_hint: Any = None) -> Any:
    """Return the result of the last run of this cron schedule that completed; None if there is none.

    Runs that failed in between do not change it.

    Args:
        type_hint: Type to decode it as; without it plain JSON values.

    Source: `last_completion_result` of `WorkflowExecutionStarted`.
    """
    runtime = current_runtime()
    payloads = runtime.started.last_completion_result.payloads
    return runtime.payload_converter.from_payload(payloads[0], type_hint) if payloads else None


def get_last_failure() -> BaseException | None:
    """Return why the run before this one failed or timed out, if it did and a retry or cron schedule went on.

    Source: `continued_failure` of `WorkflowExecutionStarted`.
    """
    runtime = current_runtime()
    if not runtime.started.HasField("continued_failure"):
        return None
    return runtime.failure_converter.from_failure(runtime.started.continued_failure, runtime.payload_converter)
