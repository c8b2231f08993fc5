"""Approval by people, as an object of the workflow: ask, see what is asked, decide, run out of time, read who decided.

Owns the questions of one run and their answers. A decision is an update, so whoever decides is told at once that it
counts, or why it does not; it is recorded in the history like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tsuzuki import workflow
from tsuzuki.exceptions import ApplicationError

DECIDE: Final = "decide_approval"
LIST: Final = "list_approvals"


@dataclass(frozen=True)
class ApprovalDecision:
    """The argument of the update `decide_approval`, and what became of a question.

    Attributes:
        id: Which question.
        approved: Yes or no.
        by: Who decided; empty when time decided.
        reason: Why.
        edited: What is to be used in place of what was shown; None to take it as it is.
        timed_out: True when nobody decided in time.
        at: When; set by the workflow.
        withdrawn: True when nobody waits for an answer any more: the code that asked was cancelled.
    """

    id: str
    approved: bool
    by: str = ""
    reason: str = ""
    edited: Any = None
    timed_out: bool = False
    at: datetime | None = None
    withdrawn: bool = False


@dataclass(frozen=True)
class ApprovalRequest:
    """A question, and its answer once there is one.

    Attributes:
        id: Its id, unique in the run.
        question: What is asked, in one line.
        subject: What it is about, to be shown: a plan, the arguments of a tool.
        requested_at: When.
        expires_at: When time decides; None for never.
        decision: The answer; None while it is pending.
    """

    id: str
    question: str
    subject: Any
    requested_at: datetime
    expires_at: datetime | None
    decision: ApprovalDecision | None = None


@dataclass
class _Open:
    request: ApprovalRequest
    decision: ApprovalDecision | None = field(default=None)


class Approvals:
    """The questions of this run. Make it first of all in the workflow's run method.

        approvals = Approvals()
        decision = await approvals.ask("Follow this plan?", subject=plan, timeout=timedelta(hours=24))
        if not decision.approved:
            ...

    Query `list_approvals`: all questions, open and decided, oldest first: the audit trail. Update `decide_approval`:
    takes an `ApprovalDecision`, answers with it, and refuses ids that are unknown or decided.

    Args:
        before: `trail` of the run that continued as new in this one, so that the audit trail goes on.
    """

    def __init__(self, before: Sequence[ApprovalRequest] = ()) -> None:
        self._asked = {request.id: _Open(request, request.decision) for request in before}
        for asked in self._asked.values():
            if asked.decision is None:
                asked.decision = _withdrawn(asked.request.id)
        workflow.set_query_handler(LIST, self._list)
        workflow.set_update_handler(DECIDE, self._decide, validator=self._may_decide)

    async def ask(
        self,
        question: str,
        *,
        subject: Any = None,
        timeout: timedelta | None = None,
        approve_on_timeout: bool = False,
        id: str | None = None,
    ) -> ApprovalDecision:
        """Ask people, and wait for their answer. When the waiting is cancelled, the question is withdrawn.

        Args:
            question: In one line.
            subject: What to show with it; anything that can be a result.
            timeout: How long to wait; the default is for ever.
            approve_on_timeout: What time decides.
            id: Its id; the default counts the run's questions, past ids that are taken.

        Raises:
            ApplicationError: The id was used before.
        """
        id = id or self._next_id()
        if id in self._asked:
            raise ApplicationError(f"approval {id!r} was asked before; give each question an id of its own")
        now = workflow.now()
        asked = _Open(ApprovalRequest(id, question, subject, now, None if timeout is None else now + timeout))
        self._asked[id] = asked
        try:
            await workflow.wait_condition(lambda: asked.decision is not None, timeout=timeout)
        except TimeoutError:
            if asked.decision is None:
                asked.decision = ApprovalDecision(
                    id, approve_on_timeout, reason="nobody decided in time", timed_out=True, at=workflow.now()
                )
        finally:
            asked.decision = asked.decision or _withdrawn(id)
        assert asked.decision is not None
        return asked.decision

    @property
    def trail(self) -> list[ApprovalRequest]:
        """All questions with their answers, oldest first."""
        return self._list()

    @property
    def pending(self) -> list[ApprovalRequest]:
        """The questions that wait for an answer."""
        return [request for request in self._list() if request.decision is None]

    def _next_id(self) -> str:
        number = len(self._asked) + 1
        while f"approval-{number}" in self._asked:
            number += 1
        return f"approval-{number}"

    def _list(self) -> list[ApprovalRequest]:
        return [
            ApprovalRequest(
                it.request.id,
                it.request.question,
                it.request.subject,
                it.request.requested_at,
                it.request.expires_at,
                it.decision,
            )
            for it in self._asked.values()
        ]

    def _may_decide(self, decision: ApprovalDecision) -> None:
        asked = self._asked.get(decision.id)
        if asked is None:
            pending = ", ".join(request.id for request in self.pending) or "none"
            raise ApplicationError(f"there is no approval {decision.id!r} to decide; pending: {pending}")
        if asked.decision is not None:
            by = asked.decision.by or "time"
            how = "was withdrawn" if asked.decision.withdrawn else f"was decided before, by {by}"
            raise ApplicationError(f"approval {decision.id!r} {how}")

    def _decide(self, decision: ApprovalDecision) -> ApprovalDecision:
        self._may_decide(decision)  # another one may have been accepted since this one was
        decided = ApprovalDecision(
            decision.id, decision.approved, decision.by, decision.reason, decision.edited, at=workflow.now()
        )
        self._asked[decision.id].decision = decided
        return decided


def _withdrawn(id: str) -> ApprovalDecision:
    return ApprovalDecision(id, False, reason="nobody waits for an answer any more", at=workflow.now(), withdrawn=True)
