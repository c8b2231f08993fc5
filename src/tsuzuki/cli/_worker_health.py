"""Whether a worker process lives, and whether it takes tasks: two small answers over HTTP, on loopback.

Owns the endpoint, and what ready means: every worker runs, none is stopping, and the service answers when it is asked.
It speaks just enough HTTP for a probe and needs no web framework.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from tsuzuki.service import ServiceError, WorkflowService
from tsuzuki.worker import Worker

REQUEST_BYTES_MAX: Final = 8192
REQUEST_S_MAX: Final = 5.0
SERVICE_S_MAX: Final = 2.0
"""How long the service may take to answer."""


class Stage(StrEnum):
    """How far a worker process is."""

    CONNECTING = "connecting"
    RUNNING = "running"
    STOPPING = "stopping"


class WorkerHealth:
    """What a worker process says of itself; it begins as connecting."""

    def __init__(self) -> None:
        self.stage = Stage.CONNECTING
        self.service: WorkflowService | None = None
        self.workers: Sequence[Worker] = ()
        self._answers: Final[dict[str, Callable[[], Awaitable[tuple[HTTPStatus, dict[str, Any]]]]]] = {
            "/livez": self.live,
            "/readyz": self.ready,
        }

    async def live(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """The loop that answers is the one that runs workflows, so an answer is all there is to it."""
        return HTTPStatus.OK, {"live": True, "stage": self.stage}

    async def ready(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Ready, or what is in the way."""
        running = {worker.task_queue: worker.is_running for worker in self.workers}
        connected = self.stage is Stage.RUNNING and await self._service_answers()
        ready = connected and self.stage is Stage.RUNNING and all(running.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {"ready": ready, "stage": self.stage, "connected": connected, "running": running}

    async def _service_answers(self) -> bool:
        if self.service is None:
            return False
        try:
            async with asyncio.timeout(SERVICE_S_MAX):
                await self.service.get_system_info(GetSystemInfoRequest())
        except (ServiceError, TimeoutError):
            return False
        return True

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[int]:
        """Answer `GET /livez` and `GET /readyz` on a loopback port (0 for a free one) for the length of the block.

        Raises:
            OSError: The port is taken.
        """
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=REQUEST_BYTES_MAX)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b"\r\n", 1)[0].decode("latin-1")))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            pass  # whoever it was does not speak HTTP, or has gone
        finally:
            writer.close()

    async def _answer(self, request_line: str) -> bytes:
        method, _, rest = request_line.partition(" ")
        answer = self._answers.get(rest.partition(" ")[0].partition("?")[0])
        if method != "GET":
            status, said = HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"{method} is not answered; expected GET"}
        elif answer is None:
            status, said = HTTPStatus.NOT_FOUND, {"error": f"nothing there; expected {' or '.join(self._answers)}"}
        else:
            status, said = await answer()
        body = json.dumps(said).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body
