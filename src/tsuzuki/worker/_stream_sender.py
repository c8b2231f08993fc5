"""What an attempt says into its run's stream: numbered, framed, and sent with heartbeats.

A server of this package keeps each batch, so each is sent once (again and again, if need be, until it is acknowledged,
and it may come twice: the number tells). Another server, a Temporal cluster, keeps the last heartbeat and nothing else;
there a heartbeat holds a window of the last events, each of which is in several, and who looks often enough at the
pending activity misses none. Heartbeats are dearer there, so they come less often.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Payload

from tsuzuki.common.stream_frames import write_frame
from tsuzuki.converter import PayloadConverter

from ._heartbeat import Heartbeats

WINDOW_BYTES_MAX: Final = 16 * 1024
"""Of the values of a window, roughly; it holds the newest event in any case."""


class StreamSender:
    """Sends for one attempt; one batch at a time, so that their numbers follow.

    Args:
        heartbeats: Of the attempt.
        converter: Makes the payload of a batch.
        attempt: The attempt's number.
        keeps: Whether the server keeps streams.
    """

    def __init__(self, heartbeats: Heartbeats, converter: PayloadConverter, attempt: int, *, keeps: bool) -> None:
        self._heartbeats = heartbeats
        self._converter = converter
        self._attempt = attempt
        self._keeps = keeps
        self._turn = asyncio.Lock()
        self._sent = 0
        self._is_full = False
        self._window: deque[tuple[str, object, int]] = deque()

    async def send(self, kinds: str, values: Sequence[object]) -> bool:
        """Send events, one a letter of `kinds`; returns when they are acknowledged, False if the stream is full.

        Of a full stream only the sign of life is left.

        Raises:
            ServiceError: They are refused.
        """
        async with self._turn:
            if self._is_full:
                await self._heartbeats.deliver(())
                return False
            said = self._frame(kinds, values) if self._keeps else self._framed_window(kinds, values)
            self._is_full = not await self._heartbeats.deliver(said, stays=not self._keeps)
            self._sent += len(kinds)
            return not self._is_full

    def _frame(self, kinds: str, values: Sequence[object]) -> list[Payload]:
        frame = write_frame({"attempt": self._attempt, "seq": self._sent + 1, "kinds": kinds})
        return [frame, self._converter.to_payload(list(values))]

    def _framed_window(self, kinds: str, values: Sequence[object]) -> list[Payload]:
        window = self._window
        for kind, value in zip(kinds, values, strict=True):
            window.append((kind, value, len(self._converter.to_payload(value).data)))
        size = sum(size for _, _, size in window)
        while size > WINDOW_BYTES_MAX and len(window) > 1:
            size -= window.popleft()[2]
        first = self._sent + len(kinds) + 1 - len(window)
        letters = "".join(kind for kind, _, _ in window)
        frame = write_frame({"attempt": self._attempt, "seq": first, "kinds": letters})
        return [frame, self._converter.to_payload([value for _, value, _ in window])]
