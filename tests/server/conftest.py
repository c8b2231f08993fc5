"""Servers for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from server._running import in_process
from tsuzuki.server import Server


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """In this process, in memory, on a free loopback port."""
    async with in_process() as running:
        yield running


@pytest_asyncio.fixture
async def client(server: Server) -> Client:
    """The official client, connected to `server`."""
    return await Client.connect(server.target)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
