"""A server for a test: in this process, or as a child process that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tsuzuki.server import Server, ServerOptions


@asynccontextmanager
async def in_process(options: ServerOptions | None = None) -> AsyncIterator[Server]:
    """A server on a free loopback port, on the loop of the test; in memory unless the options say otherwise."""
    server = await Server.start(options or ServerOptions(port=0))
    try:
        yield server
    finally:
        await server.stop()


@dataclass
class ServerProcess:
    """`tsuzuki server start` as a child process; the `with` that made it ends it.

    Attributes:
        target: `host:port`.
        greeting: The lines that it printed before it took calls.
    """

    process: subprocess.Popen[str]
    target: str
    greeting: list[str]

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()


@contextmanager
def in_subprocess(db: Path | None = None, *, port: int = 0, arguments: tuple[str, ...] = ()) -> Iterator[ServerProcess]:
    """A server on a loopback port; by default a free one, in memory."""
    tsuzuki = str(Path(sys.executable).with_name("tsuzuki"))
    command = [tsuzuki, "server", "start", "--port", str(port), "--http-port", "0", *arguments]
    if db is not None:
        command += ["--db", str(db)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield _greeted(process)
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _greeted(process: subprocess.Popen[str]) -> ServerProcess:
    assert process.stdout is not None
    greeting = []
    for line in process.stdout:
        greeting.append(line.rstrip("\n"))
        if line.startswith("namespaces"):
            break
    first = next((line for line in greeting if line.startswith("Temporal gRPC")), None)
    if first is None:
        raise RuntimeError(f"the server did not start; it printed {greeting} and ended with {process.wait()}")
    return ServerProcess(process, first.split()[2], greeting)
