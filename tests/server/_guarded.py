"""A server that asks who calls, and a key for each kind of caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server._running import in_process
from tsuzuki.server import AccessFile, HttpOptions, Role, Server, ServerOptions

CALLERS: Final[Mapping[str, tuple[str, Role]]] = {
    "reader": ("default", Role.READ),
    "writer": ("default", Role.WRITE),
    "worker": ("default", Role.WORKER),
    "admin": ("default", Role.ADMIN),
    "server admin": ("*", Role.ADMIN),
    "other namespace": ("other", Role.ADMIN),
}
"""Who there is: the namespace and the role of each one's key."""


class Clock:
    """The server's time, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Guarded:
    """A running server that wants keys.

    Attributes:
        keys: By the names of `CALLERS`.
        file: Its access file, as the command line opens it.
    """

    server: Server
    keys: dict[str, str]
    file: AccessFile
    clock: Clock

    @property
    def target(self) -> str:
        return self.server.target

    def metadata(self, caller: str) -> tuple[tuple[str, str], ...]:
        """The headers of a call; none for somebody without a key."""
        return (("authorization", f"Bearer {self.keys[caller]}"),) if caller in self.keys else ()


@asynccontextmanager
async def guarded(folder: Path, http: HttpOptions | None = None) -> AsyncIterator[Guarded]:
    """A server in this process, on a free loopback port."""
    db, clock = folder / "runs.db", Clock()
    with AccessFile.of_database(db) as file:
        keys = {
            caller: file.create(caller, namespaces=[namespace], roles=[role], now_s=clock.now_s, expires_s=None)
            for caller, (namespace, role) in CALLERS.items()
        }
        options = ServerOptions(db=db, port=0, authentication="api key", clock_s=clock, http=http)
        async with in_process(options) as server:
            yield Guarded(server, keys, file, clock)
