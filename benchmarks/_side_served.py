"""A server in a process of its own, and the official client and worker in this one."""

from __future__ import annotations

from pathlib import Path

from benchmarks._official import OfficialProgram
from benchmarks._servers import ChildServer, start_server
from benchmarks._side_official import OfficialSide


class ServedSide(OfficialSide):
    def __init__(self, server: ChildServer, program: OfficialProgram) -> None:
        super().__init__(program)
        self._server = server

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            self._server.stop()


async def open_side(folder: Path, kind: str, store: str) -> ServedSide:
    """Start a server (`tsuzuki` or `temporal`) with its database in `folder` (store `file`) or in `memory`."""
    server = start_server(kind, folder / f"{kind}-served.db" if store == "file" else None)
    try:
        return ServedSide(server, await OfficialProgram.connect(server.target))
    except BaseException:
        server.process.kill()
        raise
