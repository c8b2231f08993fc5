"""What workflows and activities log, on its way to the logs of their runs.

For people, and best effort: lines are sent in batches now and then, again for a while where no answer comes, and are
lost with the process that has not sent them. A line may come twice when an answer was lost. Nothing ever waits for
them; where more is logged than can be sent, the rest is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, TypeAlias

from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatByIdRequest,
)

from tsuzuki.common.log_frames import BATCH_LINES_MAX, LOG_ACTIVITY_ID
from tsuzuki.common.stream_frames import write_frame
from tsuzuki.converter import PayloadConverter
from tsuzuki.service import WorkflowService

from ._pace import Pace, send_until
from ._server_kind import ServerKind
from ._variables import MASKED, is_secret, render

EVERY_S: Final = 0.2
LAST_S_MAX: Final = 2.0
"""How long a worker that stops waits for its last lines to arrive."""
TRY_S: Final = 30.0
LINES_MAX: Final = 5000
"""Lines that wait to be sent; more are dropped."""
BATCH_CHARACTERS_MAX: Final = 64_000
MESSAGE_CHARACTERS_MAX: Final = 8_000
EXCEPTION_CHARACTERS_MAX: Final = 16_000
FIELDS_MAX: Final = 20
AT_A_TIME: Final = 50
"""Runs whose lines are sent side by side."""

_logger = logging.getLogger("tsuzuki.worker")

Line: TypeAlias = dict[str, Any]
RunIds: TypeAlias = tuple[str, str]
"""Workflow id and run id."""


class RunLogs:
    """Those of one worker.

    Args:
        service: Who keeps the logs.
        server_kind: Of that service; nothing is sent to one of another maker.
        namespace: Of the worker.
        identity: Of the worker.
        payload_converter: Encodes the lines.
        level: The least that is kept, a number of `logging`.
        pace: For what is sent again.
        now_ns: The time of lines, since 1970.
    """

    def __init__(
        self,
        service: WorkflowService,
        server_kind: ServerKind,
        *,
        namespace: str,
        identity: str,
        payload_converter: PayloadConverter,
        level: int,
        pace: Pace,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._level = level
        self._service = service
        self._server_kind = server_kind
        self._namespace = namespace
        self._identity = identity
        self._converter = payload_converter
        self._pace = pace
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lines: deque[tuple[RunIds, Line]] = deque()
        self._taken = 0
        self._dropped = 0
        self._news = asyncio.Event()
        self._woken = False
        self._closing = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    @property
    def level(self) -> int | None:
        """The least that is kept; None where nobody keeps logs."""
        return None if self._server_kind.known is False else self._level

    def takes(self, level: int) -> bool:
        """Whether lines of a level are kept."""
        return level >= self._level and self._server_kind.known is not False

    def add(
        self,
        run: RunIds,
        level: int,
        logger: str,
        message: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        of: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Take a line of a level that it takes, from any thread.

        Args:
            run: Whose log it goes to.
            level: Its level.
            logger: Name of the logger.
            message: What was logged, with `%` for each of `args`.
            args: As `logging` takes them.
            kwargs: The same; `exc_info` and `extra` are read.
            of: What is known of the activity that logs.
        """
        if len(self._lines) >= LINES_MAX:
            self._dropped += 1
            return
        self.add_line(run, {**line_of(self._now_ns(), level, logger, message, args, kwargs), **of})

    def add_line(self, run: RunIds, line: Line) -> None:
        """Take a line as it is sent, from any thread."""
        if len(self._lines) >= LINES_MAX:
            self._dropped += 1
            return
        self._lines.append((run, line))
        self._taken += 1
        if not self._woken:
            self._woken = True
            if threading.get_ident() == self._thread:
                self._news.set()
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed: its thread has outlived the worker
                    self._loop.call_soon_threadsafe(self._news.set)

    @property
    def taken(self) -> int:
        """How many lines it has taken."""
        return self._taken

    def take_back(self, run: RunIds, since: int) -> None:
        """Forget what the code of a run has logged since so many lines were taken, as far as it is not on its way."""
        later = [self._lines.pop() for _ in range(min(self._taken - since, len(self._lines)))]
        self._lines.extend(kept for kept in reversed(later) if kept[0] != run or "activity_id" in kept[1])

    def start(self) -> None:
        """Begin to send."""
        self._sending = asyncio.create_task(self._send_for_ever(), name="logs of runs")

    async def stop(self) -> None:
        """Send what is left, for a moment."""
        assert self._sending is not None, "started before"
        self._closing.set()
        self._news.set()
        await asyncio.wait({self._sending}, timeout=LAST_S_MAX)
        self._sending.cancel()

    async def _send_for_ever(self) -> None:
        while self._lines or not self._closing.is_set():
            await self._news.wait()
            self._news.clear()
            self._woken = False
            if self._lines and await self._is_kept():
                await self._send_all()
            elif self._server_kind.known is False:
                self._lines.clear()
            if not self._closing.is_set():
                closing = asyncio.ensure_future(self._closing.wait())
                await asyncio.wait({closing}, timeout=EVERY_S)
                closing.cancel()

    async def _is_kept(self) -> bool:
        try:
            return await send_until(self._pace.now() + TRY_S, lambda _: self._server_kind.is_ours(), None, self._pace)
        except Exception as error:  # asked again with the next lines
            _logger.debug("whether the service keeps logs of runs is not known yet: %s", error)
            return False

    async def _send_all(self) -> None:
        by_run: dict[RunIds, list[Line]] = {}
        while self._lines:
            run, line = self._lines.popleft()
            by_run.setdefault(run, []).append(line)
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            by_run[run].append(
                {
                    "at_ns": self._now_ns(),
                    "level": logging.WARNING,
                    "logger": _logger.name,
                    "message": f"{dropped:,} lines of this worker's runs were dropped: more than it could send",
                }
            )
        batches = [(run, batch) for run, lines in by_run.items() for batch in _batches(lines)]
        for first in range(0, len(batches), AT_A_TIME):
            await asyncio.gather(*(self._send(run, lines) for run, lines in batches[first : first + AT_A_TIME]))

    async def _send(self, run: RunIds, lines: list[Line]) -> None:
        request = RecordActivityTaskHeartbeatByIdRequest(
            namespace=self._namespace,
            workflow_id=run[0],
            run_id=run[1],
            activity_id=LOG_ACTIVITY_ID,
            identity=self._identity,
        )
        try:
            request.details.payloads.append(write_frame({"lines": len(lines)}))
            request.details.payloads.append(self._converter.to_payload(lines))
            await send_until(
                self._pace.now() + TRY_S, self._service.record_activity_task_heartbeat_by_id, request, self._pace
            )
        except Exception as error:  # a codec's, too: whatever it is, the worker goes on
            _logger.debug("%d log lines of workflow %r are lost: %s", len(lines), run[0], error)


def line_of(
    at_ns: int, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Line:
    """A line as it is sent; see `RunLogs.add`."""
    line: Line = {"at_ns": at_ns, "level": level, "logger": logger, "message": _text(message, args)}
    if extra := kwargs.get("extra"):
        line["fields"] = _fields(extra)
    if (exc_info := kwargs.get("exc_info")) and (told := _exception(exc_info)):
        line["exception"] = told
    return line


def of_activity(task: PollActivityTaskQueueResponse) -> Line:
    """What lines of an activity say of it."""
    return {"activity_id": task.activity_id, "activity_type": task.activity_type.name, "attempt": task.attempt}


def _batches(lines: list[Line]) -> list[list[Line]]:
    batches: list[list[Line]] = [[]]
    room = BATCH_CHARACTERS_MAX
    for line in lines:
        size = sum(len(value) for value in line.values() if isinstance(value, str))
        size += sum(len(name) + len(str(value)) for name, value in line.get("fields", {}).items())
        if batches[-1] and (size > room or len(batches[-1]) == BATCH_LINES_MAX):
            batches.append([])
            room = BATCH_CHARACTERS_MAX
        batches[-1].append(line)
        room -= size
    return batches


def _text(message: object, args: tuple[Any, ...]) -> str:
    try:
        text = str(message)
        if args:
            mapping = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
            text = text % mapping
    except Exception as error:  # `logging` itself tells of it
        text = f"{message!r:.1000} cannot be put together with its arguments: {error}"
    return _cut(text, MESSAGE_CHARACTERS_MAX)


def _fields(extra: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in list(extra.items())[:FIELDS_MAX]:
        key = _cut(str(name), 100)
        if is_secret(key):
            shown[key] = MASKED
        elif value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 1 << 53):
            shown[key] = value
        else:
            shown[key] = _cut(value if isinstance(value, str) else render(value), 400)
    return shown


def _exception(exc_info: object) -> str:
    error: BaseException | None = None
    trace: TracebackType | None = None
    if isinstance(exc_info, BaseException):
        error, trace = exc_info, exc_info.__traceback__
    else:
        found = exc_info if isinstance(exc_info, tuple) and len(exc_info) == 3 else sys.exc_info()
        _, error, trace = found
    if error is None:
        return ""
    return _cut("".join(traceback.format_exception(type(error), error, trace)), EXCEPTION_CHARACTERS_MAX, last=True)


def _cut(text: str, most: int, *, last: bool = False) -> str:
    """The first characters of a text, or its last ones."""
    text = text.encode(errors="replace").decode()  # lone surrogates go into no payload
    if len(text) <= most:
        return text
    return f"... {text[4 - most :]}" if last else f"{text[: most - 4]} ..."
