"""Acting on a pending activity of a workflow from outside: pause it, let it go on, begin it anew, change its options.

Only the attempts are acted on; the workflow is not told, and history shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

from ..common import Priority, RetryPolicy
from ._context import ClientContext
from ._errors import ActivityNotFoundError, InvalidArgumentError
from ._validation import UNSET, check_name


class PendingActivityHandle:
    """A pending activity, by its id. Made by `WorkflowHandle.pending_activity`; costs no call.

    How it stands is among the `pending_activities` of `WorkflowHandle.describe`.

    Attributes:
        workflow_id: Of the workflow that waits for it.
        run_id: Which of its runs; None for the one that is open.
        activity_id: The activity within the run.
    """

    def __init__(self, context: ClientContext, workflow_id: str, run_id: str | None, activity_id: str) -> None:
        check_name("activity_id", activity_id)
        self._context = context
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.activity_id = activity_id

    def __repr__(self) -> str:
        return f"<PendingActivityHandle {self.activity_id!r} of {self.workflow_id!r}>"

    async def pause(self, *, reason: str = "") -> None:
        """Let no attempt start until it is unpaused, and no timeout end it. No effect if it is paused already.

        A running attempt is told with the answer to its next heartbeat (`activity.cancellation_details().paused`). It
        may complete; if it fails, the next one waits, even if it was the last that its retry policy allows.

        Args:
            reason: Shown by describe; at most 1000 characters.

        Raises:
            ActivityNotFoundError: No open run matches, or it has no such pending activity.
            ServiceUnavailableError: No answer. It may be paused; pausing again is safe.

        Source: `PauseActivity`.
        """
        await self._send("pause_activity", rpc.PauseActivityRequest(reason=reason, request_id=str(uuid4())))

    async def unpause(
        self, *, reset_attempts: bool = False, reset_heartbeat: bool = False, jitter: timedelta | None = None
    ) -> None:
        """Let it go on: at once, not at the end of its back-off. No effect if it is not paused.

        Args:
            reset_attempts: True to count attempts from 1 again; one that runs as a later attempt is given up.
            reset_heartbeat: True to forget the heartbeat details.
            jitter: Go on at some time within this.

        Raises:
            ActivityNotFoundError: No open run matches, or it has no such pending activity.
            ServiceUnavailableError: No answer; unpausing again is safe.

        Source: `UnpauseActivity`.
        """
        request = rpc.UnpauseActivityRequest(reset_attempts=reset_attempts, reset_heartbeat=reset_heartbeat)
        if jitter is not None:
            request.jitter.FromTimedelta(jitter)
        await self._send("unpause_activity", request)

    async def reset(
        self,
        *,
        keep_paused: bool = False,
        reset_heartbeat: bool = False,
        restore_original_options: bool = False,
        jitter: timedelta | None = None,
    ) -> None:
        """Begin it anew with attempt 1; a paused one is unpaused.

        An attempt that waits starts at once. A first attempt that runs is told with the answer to its next heartbeat
        (`activity.cancellation_details().reset`), a later one is given up: what it reports does not count.

        Args:
            keep_paused: True to leave it paused if it is.
            reset_heartbeat: True to let the next attempt not see the heartbeat details.
            restore_original_options: True to put those options in force that the workflow gave.
            jitter: Start at some time within this.

        Raises:
            ActivityNotFoundError: No open run matches, or it has no such pending activity.
            ServiceUnavailableError: No answer; resetting again is safe.

        Source: `ResetActivity`.
        """
        request = rpc.ResetActivityRequest(
            keep_paused=keep_paused,
            reset_heartbeat=reset_heartbeat,
            restore_original_options=restore_original_options,
        )
        if jitter is not None:
            request.jitter.FromTimedelta(jitter)
        await self._send("reset_activity", request)

    async def update_options(
        self,
        *,
        task_queue: str = UNSET,
        schedule_to_close_timeout: timedelta | None = UNSET,
        schedule_to_start_timeout: timedelta | None = UNSET,
        start_to_close_timeout: timedelta | None = UNSET,
        heartbeat_timeout: timedelta | None = UNSET,
        retry_policy: RetryPolicy = UNSET,
        priority: Priority | None = UNSET,
    ) -> ActivityOptions:
        """Change options, for the attempt that runs or waits too; those that are not given stay as they are.

        Args:
            task_queue: Where its attempts wait for a worker.
            schedule_to_close_timeout: From its schedule to its end, all attempts included; None for none.
            schedule_to_start_timeout: Until a worker takes an attempt; None for none.
            start_to_close_timeout: Of one attempt; None for none.
            heartbeat_timeout: Between two heartbeats; None for none.
            retry_policy: The whole policy.
            priority: None for that of the workflow.

        Returns:
            The options in force now.

        Raises:
            InvalidArgumentError: Nothing was given, or the options that would be in force are none that an activity
                may have.
            ActivityNotFoundError: No open run matches, or it has no such pending activity.
            ServiceUnavailableError: No answer; asking again is safe.

        Source: `UpdateActivityOptions`.
        """
        given: dict[str, Any] = {
            "task_queue": task_queue,
            "schedule_to_close_timeout": schedule_to_close_timeout,
            "schedule_to_start_timeout": schedule_to_start_timeout,
            "start_to_close_timeout": start_to_close_timeout,
            "heartbeat_timeout": heartbeat_timeout,
            "retry_policy": retry_policy,
            "priority": priority,
        }
        request = rpc.UpdateActivityOptionsRequest()
        request.activity_options.SetInParent()
        for name, value in given.items():
            if value is not UNSET:
                request.update_mask.paths.append("task_queue.name" if name == "task_queue" else name)
                if value is not None:
                    _WRITERS.get(name, _write_timeout)(request.activity_options, name, value)
        if not request.update_mask.paths:
            raise InvalidArgumentError(f"no option to change was given; expected one of {', '.join(given)}")
        answer: rpc.UpdateActivityOptionsResponse = await self._send("update_activity_options", request)
        return answer.activity_options

    async def restore_original_options(self) -> ActivityOptions:
        """Put those options in force that the workflow gave when it scheduled the activity.

        Returns:
            The options in force now.

        Raises:
            ActivityNotFoundError: No open run matches, or it has no such pending activity.
            ServiceUnavailableError: No answer; asking again is safe.

        Source: `UpdateActivityOptions`.
        """
        request = rpc.UpdateActivityOptionsRequest(restore_original=True)
        answer: rpc.UpdateActivityOptionsResponse = await self._send("update_activity_options", request)
        return answer.activity_options

    async def _send(self, method: str, request: Any) -> Any:
        context = self._context
        request.namespace, request.identity = context.namespace, context.identity
        request.execution.CopyFrom(WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id or ""))
        request.id = self.activity_id
        call = getattr(context.service, method)
        return await context.calls.send(call, request, not_found=ActivityNotFoundError)


def _write_timeout(options: ActivityOptions, name: str, value: timedelta) -> None:
    getattr(options, name).FromTimedelta(value)


def _write_task_queue(options: ActivityOptions, name: str, value: str) -> None:
    options.task_queue.name = value


def _write_retry_policy(options: ActivityOptions, name: str, value: RetryPolicy) -> None:
    value.apply_to_proto(options.retry_policy)


def _write_priority(options: ActivityOptions, name: str, value: Priority) -> None:
    options.priority.CopyFrom(value.to_proto())


_WRITERS: Final[Mapping[str, Callable[[ActivityOptions, str, Any], None]]] = {
    "task_queue": _write_task_queue,
    "retry_policy": _write_retry_policy,
    "priority": _write_priority,
}
