"""Heartbeats of one attempt: which are sent, when, and what their answers mean.

Invariant: what is sent is always the newest; between two sends lies at least the throttle interval, unless
the first found no answer; details are unacknowledged until an answer came, and whoever ends the attempt
gets the unacknowledged ones, so that a retry does not start from older details than the user reported. One call is
under way at a time: a server keeps what comes last, and that must be what was sent last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
)

from tsuzuki.activity import ActivityCancellationDetails
from tsuzuki.service import ServiceError, StatusCode, WorkflowService

from ._pace import Pace, is_transient

THROTTLE_SHARE_OF_TIMEOUT: Final = 0.8

_logger = logging.getLogger("tsuzuki.worker")


def throttle_s(task: PollActivityTaskQueueResponse, default: timedelta, maximum: timedelta) -> float:
    """Return the least number of seconds between two heartbeats of an attempt."""
    timeout_s = task.heartbeat_timeout.seconds + task.heartbeat_timeout.nanos / 1e9
    wanted_s = timeout_s * THROTTLE_SHARE_OF_TIMEOUT if timeout_s else default.total_seconds()
    return min(wanted_s, maximum.total_seconds())


class Heartbeats:
    """Sends the heartbeats of one attempt; lives on the event loop."""

    __slots__ = (
        "_closed",
        "_identity",
        "_interval_s",
        "_namespace",
        "_newest",
        "_on_error",
        "_on_stop",
        "_pace",
        "_reported",
        "_sender",
        "_service",
        "_task_token",
        "_turn",
        "_window",
    )

    def __init__(
        self,
        service: WorkflowService,
        *,
        task_token: bytes,
        namespace: str,
        identity: str,
        interval_s: float,
        pace: Pace,
        on_stop: Callable[[ActivityCancellationDetails], None],
        on_error: Callable[[ServiceError], None],
        proper: Payloads,
    ) -> None:
        self._service = service
        self._task_token = task_token
        self._namespace = namespace
        self._identity = identity
        self._interval_s = interval_s
        self._pace = pace
        self._on_stop = on_stop
        self._on_error = on_error
        self._newest: Payloads | None = None
        self._reported = proper
        """The last details, acknowledged or not: a batch of a stream has them after it, so that they stay."""
        self._window: Sequence[Payload] = ()
        """What a server that keeps no streams has of one, and would lose with a heartbeat that has it not."""
        self._turn = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None
        self._closed = False

    def record(self, details: Payloads) -> None:
        """Make these the newest details; send them now or at the end of the running interval."""
        if self._closed:
            return
        self._newest = self._reported = details
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._send())

    def close(self) -> Payloads | None:
        """Stop sending; return the newest details if no answer has acknowledged them."""
        self._closed = True
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        return self._newest

    async def _send(self) -> None:
        failures = 0
        while (details := self._newest) is not None:
            try:
                answer = await self._record()
            except ServiceError as error:
                if not is_transient(error):
                    self._refused(error)
                    break
                failures += 1
                delay_s = min(self._interval_s, self._pace.retry_delay_s(failures))
                _logger.debug("A heartbeat got no answer (%s); sent again in %.1f s", error, delay_s)
            else:
                failures = 0
                delay_s = self._interval_s
                if self._newest is details:
                    self._newest = None
                self._heed(answer)
            await self._pace.sleep(delay_s)
        self._sender = None

    async def deliver(self, batch: Sequence[Payload], *, stays: bool = False) -> bool:
        """Send a batch of a stream at once, again and again until it is acknowledged; False if the stream is full.

        Args:
            batch: The frame and the events; nothing for a sign of life.
            stays: Send it with every heartbeat that follows too, until the next one.

        Raises:
            ServiceError: It is refused. NOT_FOUND has stopped the attempt too.
        """
        if stays:
            self._window = batch
        failures = 0
        while True:
            try:
                answer = await self._record(batch)
            except ServiceError as error:
                if error.status is StatusCode.FAILED_PRECONDITION:
                    return False
                if error.status is StatusCode.NOT_FOUND:
                    self._on_stop(ActivityCancellationDetails(not_found=True))
                if not is_transient(error):
                    raise
                failures += 1
                _logger.debug("A batch of a stream got no answer (%s); it is sent again", error)
                await self._pace.sleep(self._pace.retry_delay_s(failures))
            else:
                self._heed(answer)
                return True

    async def _record(self, batch: Sequence[Payload] | None = None) -> RecordActivityTaskHeartbeatResponse:
        async with self._turn:
            payloads = [*(self._window if batch is None else batch), *self._reported.payloads]
            return await self._service.record_activity_task_heartbeat(
                RecordActivityTaskHeartbeatRequest(
                    task_token=self._task_token,
                    details=Payloads(payloads=payloads) if payloads else None,
                    identity=self._identity,
                    namespace=self._namespace,
                )
            )

    def _heed(self, answer: RecordActivityTaskHeartbeatResponse) -> None:
        if answer.cancel_requested or answer.activity_paused or answer.activity_reset:
            self._on_stop(
                ActivityCancellationDetails(
                    cancel_requested=answer.cancel_requested,
                    paused=answer.activity_paused,
                    reset=answer.activity_reset,
                )
            )

    def _refused(self, error: ServiceError) -> None:
        self._closed = True
        self._newest = None
        if error.status is StatusCode.NOT_FOUND:
            self._on_stop(ActivityCancellationDetails(not_found=True))
        else:
            self._on_error(error)
