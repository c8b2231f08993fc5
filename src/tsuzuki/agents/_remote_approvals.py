"""The other end of `Approvals`: what a client, a command line or a web page calls."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

from tsuzuki.client import WorkflowHandle

from ._approvals import DECIDE, LIST, ApprovalDecision, ApprovalRequest


class RemoteApprovals:
    """Sees and decides the questions of a run that has `Approvals`.

    Args:
        handle: The run.
        by: Who decides; recorded with each decision.
    """

    def __init__(self, handle: WorkflowHandle[Any, Any], *, by: str = "") -> None:
        self._handle = handle
        self._by = by

    async def all(self) -> list[ApprovalRequest]:
        """Every question with its answer, oldest first: the audit trail. Closed runs answer too."""
        return cast("list[ApprovalRequest]", await self._handle.query(LIST, result_type=list[ApprovalRequest]))

    async def pending(self) -> list[ApprovalRequest]:
        """The questions that wait for an answer."""
        return [request for request in await self.all() if request.decision is None]

    async def next(self, *, look_every: timedelta = timedelta(milliseconds=200)) -> ApprovalRequest:
        """Wait for a question, and give it.

        Args:
            look_every: How often to look. A query reaches a worker each time.
        """
        while not (asked := await self.pending()):  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(look_every.total_seconds())
        return asked[0]

    async def approve(self, id: str, *, reason: str = "", edited: Any = None) -> ApprovalDecision:
        """Say yes; `edited` is to be used in place of what was shown.

        Raises:
            WorkflowUpdateFailedError: There is no such question, or it was decided before.
        """
        return await self._decide(ApprovalDecision(id, True, self._by, reason, edited))

    async def reject(self, id: str, *, reason: str = "") -> ApprovalDecision:
        """Say no; raises what `approve` does."""
        return await self._decide(ApprovalDecision(id, False, self._by, reason))

    async def _decide(self, decision: ApprovalDecision) -> ApprovalDecision:
        decided = await self._handle.execute_update(DECIDE, decision, result_type=ApprovalDecision)
        return cast("ApprovalDecision", decided)
