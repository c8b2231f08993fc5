"""Programs on SDKs of other languages, as child processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

BUILD_S_MAX = 600
"""For a build, or the fetch of what it needs."""


def tool(name: str, why: str) -> str:
    """Where a tool is, or skip."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on this machine: {why}")
    return path


def run_or_skip(command: Sequence[str], folder: Path, why: str) -> None:
    """Fetch what a program needs; without a package registry there is nothing to test."""
    fetched = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)
    if fetched.returncode:
        pytest.skip(f"{why} cannot be fetched: {fetched.stderr.strip().splitlines()[-1:]}")


def run(command: Sequence[str], folder: Path) -> str:
    """Run to the end; its output, or an error with it."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Program:
    """A running worker.

    Attributes:
        output: All that it has written.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            if line.startswith("working"):
                self._ready.set()
        self._ready.set()

    def wait_until_working(self) -> None:
        """Return when it says so."""
        self._ready.wait()
        assert self.process.poll() is None, "\n".join(self.output)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """SIGTERM, and wait for the end."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[Program]:
    """A worker that says "working" once it works; the `with` that made it ends it."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    program = Program(process)
    try:
        program.wait_until_working()
        yield program
    finally:
        program.end()
