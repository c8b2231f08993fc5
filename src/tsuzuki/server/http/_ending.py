"""Requests that are still answered when the port closes: they are ended, and not left to time out.

A long poll or a stream would else hold the port open for as long as it waits.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tsuzuki.service import ServiceError, StatusCode

from ._refusals import refusal


class Ending:
    """Stands before an application, and can end what it is doing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()
        self._ending = False

    def end(self) -> None:
        """End every request, now."""
        self._ending = True
        for running in self._running:
            running.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        async def answer() -> None:
            await self._app(scope, receive, sending)

        running = asyncio.create_task(answer())
        self._running.add(running)
        try:
            await running
        except asyncio.CancelledError:
            running.cancel()
            if not self._ending:
                raise
        finally:
            self._running.discard(running)
        if not running.cancelled():
            return
        if begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await refusal(ServiceError(StatusCode.UNAVAILABLE, "the server is stopping."))(scope, receive, send)
