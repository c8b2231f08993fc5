"""The other end of `Control`: what a client, a command line or a web page calls."""

from __future__ import annotations

from typing import Any, cast

from tsuzuki.client import WorkflowHandle

from ._control_state import (
    CANCEL,
    GET_CONTROL_STATE,
    GET_STATUS,
    PAUSE,
    RESUME,
    ControlRequest,
    ControlState,
    ControlStatus,
)


class RemoteControl:
    """Pauses, resumes and cancels a run that has a `Control`.

    Each call returns once the request is in the run's history, and raises what `WorkflowHandle.signal` raises.

    Args:
        handle: The run.
        by: Who is asking; recorded with each request.
    """

    def __init__(self, handle: WorkflowHandle[Any, Any], *, by: str = "") -> None:
        self._handle = handle
        self._by = by

    async def pause(self, reason: str = "") -> None:
        """Hold the run and its children at their next checkpoints. No effect on a run that is paused."""
        await self._handle.signal(PAUSE, ControlRequest(reason, self._by))

    async def resume(self, reason: str = "") -> None:
        """Let a paused run and its children go on. No effect on others."""
        await self._handle.signal(RESUME, ControlRequest(reason, self._by))

    async def cancel(self, reason: str = "") -> None:
        """Say who cancels the run and why, then ask for its cancellation: it may clean up, and ends as Canceled.

        After a `ServiceUnavailableError` the run may know why and not be cancelled; cancel it again.
        """
        await self._handle.signal(CANCEL, ControlRequest(reason, self._by, announced=True))
        await self._handle.cancel(reason=reason)

    async def status(self) -> ControlStatus:
        """Ask where the run stands; closed runs answer too."""
        return ControlStatus(await self._handle.query(GET_STATUS))

    async def state(self) -> ControlState:
        """Ask for everything about the control of the run; closed runs answer too."""
        return cast("ControlState", await self._handle.query(GET_CONTROL_STATE, result_type=ControlState))
