"""A `WorkflowService` that gives prepared answers in order and keeps the requests; it has no own rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from google.protobuf.message import Message

from tsuzuki.service import ServiceError, StatusCode, WorkflowService


class AnsweringService:
    """Answers each RPC with the next prepared message, or raises the next prepared error.

    Attributes:
        requests: What was asked, in order.
    """

    local = True

    def __init__(self, *answers: Message | ServiceError) -> None:
        self._answers = list(answers)
        self.requests: list[Any] = []

    def __getattr__(self, rpc: str) -> Callable[[Message], Awaitable[Message]]:
        async def answer(request: Message) -> Message:
            self.requests.append(request)
            assert self._answers, f"{rpc} was not expected: {request}"
            prepared = self._answers.pop(0)
            if isinstance(prepared, ServiceError):
                raise prepared
            return prepared

        return answer

    @property
    def service(self) -> WorkflowService:
        """Itself, as what a client takes."""
        return cast("WorkflowService", self)


class ManualTime:
    """A clock that moves only when someone sleeps.

    Attributes:
        now: Seconds since the start.
        naps: How long each sleep was.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def clock(self) -> float:
        """Seconds since the start."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.naps.append(seconds)
        self.now += seconds


def refusal(status: StatusCode, detail: Message | None = None) -> ServiceError:
    """A prepared refusal."""
    return ServiceError(status, f"refused: {status.name}", detail)
