"""Finishing an activity from outside: by the token that its attempt gave away, or by its ids.

Each operation is a pair of RPCs that differ only in how they name the activity. Completions are sent once:
an engine that had applied a lost one would answer the second with NOT_FOUND, which must not hide success.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

from ..activity import ActivityCancellationDetails
from ._context import ClientContext
from ._errors import ActivityNotFoundError, AsyncActivityCancelledError, InvalidArgumentError
from ._interceptor import (
    AsyncActivityIDReference,
    CompleteAsyncActivityInput,
    FailAsyncActivityInput,
    HeartbeatAsyncActivityInput,
    ReportCancellationAsyncActivityInput,
)
from ._validation import UNSET, check_name


class AsyncActivityHandle:
    """One activity that is finished by someone else than the code that its worker called.

    By token it means one attempt; by ids it means whichever attempt is running.
    """

    def __init__(
        self,
        context: ClientContext,
        *,
        task_token: bytes | None = None,
        workflow_id: str | None = None,
        run_id: str | None = None,
        activity_id: str | None = None,
    ) -> None:
        if (task_token is None) == (activity_id is None and workflow_id is None):
            raise InvalidArgumentError("name the activity by task_token, or by workflow_id and activity_id")
        self._context = context
        self._by_id = task_token is None
        if self._by_id:
            check_name("workflow_id", workflow_id)
            check_name("activity_id", activity_id)
        self._reference = task_token or AsyncActivityIDReference(workflow_id or "", run_id, activity_id or "")
        self._address: dict[str, Any] = {
            "namespace": context.namespace,
            "identity": context.identity,
            **(
                {"workflow_id": workflow_id, "run_id": run_id or "", "activity_id": activity_id}
                if self._by_id
                else {"task_token": task_token}
            ),
        }

    async def heartbeat(self, *details: Any) -> None:
        """Report that the activity is alive; the next attempt can read the details.

        Raises:
            AsyncActivityCancelledError: The activity should stop.
            ActivityNotFoundError: No such attempt is running; stop.
            ServiceUnavailableError: No answer; reporting again is safe.

        Source: `RecordActivityTaskHeartbeat`, `RecordActivityTaskHeartbeatById`.
        """
        if self._context.outbound is None:
            await self.send_heartbeat(details)
        else:
            await self._context.outbound.heartbeat_async_activity(HeartbeatAsyncActivityInput(self._reference, details))

    async def send_heartbeat(self, details: Sequence[Any]) -> None:
        """`heartbeat` without interceptors."""
        service, send = self._context.service, self._context.calls.send
        fields = {**self._address, "details": self._payloads(details)}
        answer = (
            await send(
                service.record_activity_task_heartbeat_by_id,
                rpc.RecordActivityTaskHeartbeatByIdRequest(**fields),
                not_found=ActivityNotFoundError,
            )
            if self._by_id
            else await send(
                service.record_activity_task_heartbeat,
                rpc.RecordActivityTaskHeartbeatRequest(**fields),
                not_found=ActivityNotFoundError,
            )
        )
        if answer.cancel_requested or answer.activity_paused or answer.activity_reset:
            raise AsyncActivityCancelledError(
                ActivityCancellationDetails(
                    cancel_requested=answer.cancel_requested,
                    paused=answer.activity_paused,
                    reset=answer.activity_reset,
                )
            )

    async def complete(self, result: Any = UNSET) -> None:
        """Finish the activity with a result; without one it is None.

        Raises:
            ActivityNotFoundError: No such attempt is running.
            ServiceUnavailableError: No answer. It may be finished; a second call then finds nothing.

        Source: `RespondActivityTaskCompleted`, `RespondActivityTaskCompletedById`.
        """
        if self._context.outbound is None:
            await self.send_completion(result)
        else:
            await self._context.outbound.complete_async_activity(CompleteAsyncActivityInput(self._reference, result))

    async def send_completion(self, result: Any) -> None:
        """`complete` without interceptors."""
        service, send = self._context.service, self._context.calls.send_once
        fields = {**self._address, "result": None if result is UNSET else self._payloads((result,))}
        if self._by_id:
            await send(
                service.respond_activity_task_completed_by_id,
                rpc.RespondActivityTaskCompletedByIdRequest(**fields),
                not_found=ActivityNotFoundError,
            )
        else:
            await send(
                service.respond_activity_task_completed,
                rpc.RespondActivityTaskCompletedRequest(**fields),
                not_found=ActivityNotFoundError,
            )

    async def fail(self, error: Exception, *, last_heartbeat_details: Sequence[Any] = ()) -> None:
        """Finish the attempt with a failure; the retry policy decides whether there is another.

        Args:
            error: Recorded like an exception that leaves an activity.
            last_heartbeat_details: Read by the next attempt, instead of those of the last heartbeat.

        Raises:
            ActivityNotFoundError: No such attempt is running.
            ServiceUnavailableError: No answer. It may be finished; a second call then finds nothing.

        Source: `RespondActivityTaskFailed`, `RespondActivityTaskFailedById`.
        """
        if self._context.outbound is None:
            await self.send_failure(error, last_heartbeat_details)
        else:
            await self._context.outbound.fail_async_activity(
                FailAsyncActivityInput(self._reference, error, last_heartbeat_details)
            )

    async def send_failure(self, error: Exception, last_heartbeat_details: Sequence[Any]) -> None:
        """`fail` without interceptors."""
        service, send = self._context.service, self._context.calls.send_once
        failure = Failure()
        self._context.data_converter.failure_converter.to_failure(error, self._context.payloads, failure)
        fields = {
            **self._address,
            "failure": failure,
            "last_heartbeat_details": self._payloads(last_heartbeat_details),
        }
        if self._by_id:
            await send(
                service.respond_activity_task_failed_by_id,
                rpc.RespondActivityTaskFailedByIdRequest(**fields),
                not_found=ActivityNotFoundError,
            )
        else:
            await send(
                service.respond_activity_task_failed,
                rpc.RespondActivityTaskFailedRequest(**fields),
                not_found=ActivityNotFoundError,
            )

    async def report_cancellation(self, *details: Any) -> None:
        """Finish the attempt as cancelled, after a heartbeat said that it should stop.

        Raises:
            ActivityNotFoundError: No such attempt is running.
            InvalidArgumentError: Its cancellation was not asked for.
            ServiceUnavailableError: No answer. It may be finished; a second call then finds nothing.

        Source: `RespondActivityTaskCanceled`, `RespondActivityTaskCanceledById`.
        """
        if self._context.outbound is None:
            await self.send_cancellation(details)
        else:
            await self._context.outbound.report_cancellation_async_activity(
                ReportCancellationAsyncActivityInput(self._reference, details)
            )

    async def send_cancellation(self, details: Sequence[Any]) -> None:
        """`report_cancellation` without interceptors."""
        service, send = self._context.service, self._context.calls.send_once
        fields = {**self._address, "details": self._payloads(details)}
        if self._by_id:
            await send(
                service.respond_activity_task_canceled_by_id,
                rpc.RespondActivityTaskCanceledByIdRequest(**fields),
                not_found=ActivityNotFoundError,
            )
        else:
            await send(
                service.respond_activity_task_canceled,
                rpc.RespondActivityTaskCanceledRequest(**fields),
                not_found=ActivityNotFoundError,
            )

    def _payloads(self, values: Sequence[Any]) -> Payloads | None:
        return self._context.payloads.to_payloads_wrapper(values) if values else None
