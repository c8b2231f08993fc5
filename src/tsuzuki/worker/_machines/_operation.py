"""Waiting for the outcome of something that a cancellation does not end but asks to end; and telling it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temporalio.api.failure.v1 import Failure

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun


async def outcome_of(
    run: WorkflowRun,
    future: asyncio.Future[Any],
    cancel: Callable[[str], None],
    *,
    leave_with_workflow: bool = False,
) -> Any:
    """Wait for a future; whenever the wait is cancelled, call `cancel` and wait on.

    It takes the same turns of the event loop as the official SDK does, which decide the order of commands.

    Args:
        run: The run.
        future: What is waited for; it is never cancelled itself.
        cancel: Asks for the cancellation; gets the message given to `Task.cancel`, or an empty string.
        leave_with_workflow: Stop waiting when the workflow itself is being cancelled.
    """
    while True:
        try:
            await asyncio.wait([future])
            return future.result()
        except asyncio.CancelledError as error:
            reason = error.args[0] if error.args and isinstance(error.args[0], str) else ""
            cancel(reason)
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()  # or the next wait would be cancelled at once
            if leave_with_workflow and run.cancel_reason is not None:
                raise


def settle(run: WorkflowRun, future: asyncio.Future[Any], failure: Failure | None) -> None:
    """Tell the outcome of an operation that has no result; nothing happens if nobody waits any more."""
    if future.done():
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(run.failure_converter.from_failure(failure, run.payload_converter))


def refusal(message: str, cause: str) -> Failure:
    """Build the failure of an operation that the engine refused, its type named as official SDKs name it."""
    failure = Failure(message=message)
    _, _, words = cause.partition("_FAILED_CAUSE_")
    failure.application_failure_info.type = "".join(word.capitalize() for word in words.split("_"))
    return failure
