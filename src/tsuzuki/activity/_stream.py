"""Saying something into the run's event stream while an activity runs: tokens of a model, progress, what a tool does.

A stream is for whoever watches the run; no decision may follow from it, and nothing of it is in history. What is
published is sent in batches, the next one while the last is on its way to the disk, so that the pace of the producer
and that of the disk do not depend on each other; where the disk is slower for long, `publish` waits.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Final, Self

from tsuzuki.common.stream_frames import BEGIN, DATA, END

from ._context import ActivityContext, _context

EVENT_BYTES_MAX: Final = 64 * 1024
BATCH_BYTES_MAX: Final = 128 * 1024
BATCH_EVENTS_MAX: Final = 500
WAITING_BYTES_MAX: Final = 256 * 1024
"""From here on `publish` waits."""
EVERY_S: Final = 0.1
EVERY_S_ELSEWHERE: Final = 1.0
"""Where the server keeps no streams a batch is a heartbeat as any other, and not so cheap."""
_LAST_WORDS_S: Final = 2.0
_EVENT_BYTES: Final = 16

_logger = logging.getLogger("tsuzuki.activity")


class EventStream:
    """A run's stream, open for writing. Made by `open_stream`, used with `async with`, or with `with` in a thread.

    Attributes:
        is_full: The run's stream has reached a limit; what is published is dropped.
    """

    def __init__(self, context: ActivityContext, every_s: float) -> None:
        self.is_full = False
        self._context = context
        self._every_s = every_s
        self._kinds: list[str] = []
        self._values: list[object] = []
        self._sizes: list[int] = []
        self._size = 0
        self._closing = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        if not await self._context.keeps_streams():
            self._every_s = max(self._every_s, EVERY_S_ELSEWHERE)
        self._add(BEGIN, None, 0)
        self._sending = asyncio.create_task(self._send_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sending is not None, "entered before"
        if error is None:
            self._add(END, None, 0)
        self._closing.set()
        self._news.set()
        if error is None:
            try:
                await self._sending
            finally:
                self._sending.cancel()
            if self._error is not None:
                raise self._error
        else:
            if isinstance(error, Exception):  # a word of what went on before it may help
                await asyncio.wait({self._sending}, timeout=_LAST_WORDS_S)
            self._sending.cancel()

    def __enter__(self) -> Self:
        return self._context.run_on_loop(self.__aenter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.run_on_loop(self.__aexit__(kind, error, trace))

    def publish_sync(self, value: object) -> None:
        """Do what `publish` does, from a synchronous activity; costs two hops between threads."""
        self._context.run_on_loop(self.publish(value))

    async def publish(self, value: object) -> None:
        """Say something. It is on its way when this returns, and kept when the block has ended without an error.

        Args:
            value: Anything that could be a result, at most 64 KiB once encoded. Texts that come while others wait to
                be sent are joined with those to one event: a stream of tokens is a text in pieces.

        Raises:
            TypeError: It cannot be encoded.
            ValueError: It is too large.
            Exception: What was said before could not be delivered; the attempt is about to be stopped.
        """
        if self._error is not None:
            raise self._error
        if self.is_full:
            if not self._kinds:
                self._add(DATA, None, 0)  # a sign of life
            return
        size = len(value.encode()) if isinstance(value, str) else len(self._encoded(value))
        if size > EVENT_BYTES_MAX:
            raise ValueError(
                f"an event of {size:,} bytes is too large for a stream, the limit is {EVENT_BYTES_MAX:,}: "
                "publish it in pieces, or a reference to it"
            )
        if isinstance(value, str) and self._joins(size):
            self._values[-1] = f"{self._values[-1]}{value}"
            self._sizes[-1] += size
            self._size += size
        else:
            self._add(DATA, value, size)
        while self._size > WAITING_BYTES_MAX and self._error is None:
            self._room.clear()
            await self._room.wait()

    def _joins(self, size: int) -> bool:
        return bool(self._values) and isinstance(self._values[-1], str) and self._sizes[-1] + size <= EVENT_BYTES_MAX

    def _encoded(self, value: object) -> bytes:
        return self._context.payload_converter.to_payload(value).data

    def _add(self, kind: str, value: object, size: int) -> None:
        self._kinds.append(kind)
        self._values.append(value)
        self._sizes.append(size + _EVENT_BYTES)
        self._size += size + _EVENT_BYTES
        self._news.set()

    async def _send_all(self) -> None:
        try:
            while self._kinds or not self._closing.is_set():
                await self._news.wait()
                self._news.clear()
                while self._kinds:
                    await self._send_batch()
                    if not self._closing.is_set():
                        await self._pause()
        except Exception as error:
            self._error = error
        finally:
            self._room.set()

    async def _send_batch(self) -> None:
        count, size = 0, 0
        while count < min(len(self._kinds), BATCH_EVENTS_MAX) and (not count or size < BATCH_BYTES_MAX):
            size += self._sizes[count]
            count += 1
        kinds, values = "".join(self._kinds[:count]), self._values[:count]
        del self._kinds[:count], self._values[:count], self._sizes[:count]
        taken = await self._context.publish(kinds, values)
        if not taken and not self.is_full:
            self.is_full = True
            _logger.warning("The stream of %s is full; what it says from here on is dropped", self._context.info)
        self._size -= size
        self._room.set()

    async def _pause(self) -> None:
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait({closing}, timeout=self._every_s)
        closing.cancel()


def open_stream(*, every: float = EVERY_S) -> EventStream:
    """Open the run's event stream for writing.

        async with activity.open_stream() as stream:
            async for token in model.answer(prompt):
                await stream.publish(token)

    In a synchronous activity: `with activity.open_stream() as stream: stream.publish_sync(token)`.

    Read it with `handle.read_stream()`, `tsuzuki workflow stream`, over HTTP, or see it on the run's page. Each attempt
    begins anew: what an attempt has said that died stays, and readers are told that another one has begun. What is
    sent counts as a heartbeat; the details of `activity.heartbeat` stay what they are.

    A run's stream holds 200,000 events and 64 MiB by default, as long as the run itself is kept. When it is full, the
    rest is dropped and the activity goes on.

    On a Temporal cluster nothing keeps a stream. There heartbeats carry the newest events, those that fit in 16 KiB, so
    that one who reads along misses nothing as a rule, and is told when it did.

    Args:
        every: Least number of seconds between two batches; on a Temporal cluster at least 1.

    Raises:
        RuntimeError: Not in an activity; in a local one, which has no heartbeats; or in a process pool.

    Source: `RecordActivityTaskHeartbeat`, temporal.api.workflowservice.v1.
    """
    return EventStream(_context(), every)
