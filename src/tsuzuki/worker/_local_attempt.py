"""One attempt of a local activity: as any attempt, but nobody listens to its heartbeats."""

from __future__ import annotations

from collections.abc import Callable

from temporalio.api.common.v1 import Payloads

from ._activity_attempt import Attempt


class LocalAttempt(Attempt):
    """A running attempt of a local activity."""

    __slots__ = ()

    is_local = True

    def watch(self) -> Callable[[], None]:
        """Whoever cancels it has it in hand."""
        return _nothing

    def heartbeat(self, details: tuple[object, ...]) -> None:
        """Nothing: the worker that runs it knows that it is alive."""

    async def keeps_streams(self) -> bool:
        raise RuntimeError("a local activity has no stream, because it sends no heartbeats; execute it as an activity")

    def record_heartbeat(self, details: Payloads) -> None:
        """Nothing either, for code in another process."""


def _nothing() -> None:
    pass
