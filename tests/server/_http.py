"""A client of an HTTP port, for tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from server._running import in_process
from tsuzuki.server import HttpOptions, Server, ServerOptions

OPTIONS = ServerOptions(port=0, http=HttpOptions(port=0))
START = {"workflowType": {"name": "Any"}, "taskQueue": {"name": "q"}}


@asynccontextmanager
async def in_process_with_http(options: ServerOptions = OPTIONS) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """A server in this process, and a client of its HTTP port."""
    async with in_process(options) as server:
        assert server.http is not None
        async with httpx.AsyncClient(base_url=server.http.url, trust_env=False, timeout=60) as client:
            yield server, client


@dataclass
class SentEvent:
    """One server-sent event."""

    id: str
    kind: str
    data: dict[str, object]


async def sent_events(response: httpx.Response) -> AsyncIterator[SentEvent]:
    """Read the events of a stream, without its comments and retry hints."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        else:
            if "data" in fields:
                yield SentEvent(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}
