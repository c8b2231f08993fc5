"""Another process that has a store open, for tests of ownership and of sudden death."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import store as this_package
import tsuzuki

_PATHS = [str(Path(module.__file__ or "").parents[1]) for module in (this_package, tsuzuki)]
_PREAMBLE = f"import sys; sys.path[:0] = {_PATHS!r}; from store._process import *; from tsuzuki.store import *\n"


class Other:
    """A child process that runs a script and says named moments on its standard output."""

    def __init__(self, process: subprocess.Popen[str], out: IO[str]) -> None:
        self.process = process
        self._out = out

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, moment: str) -> str:
        """Read lines up to the one that begins with the moment; returns what follows on that line."""
        for line in self._out:
            if line.startswith(moment):
                return line.removeprefix(moment).strip()
        raise AssertionError(f"the process ended with {self.process.wait()} before {moment!r}")

    def rest(self) -> list[str]:
        """Everything said until the end."""
        return self._out.read().splitlines()


@contextmanager
def other_process(script: str, *arguments: object) -> Iterator[Other]:
    """Run a script with `sys.argv[1:]` as given; killed at the end if it still runs."""
    command = [sys.executable, "-c", _PREAMBLE + script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Other(process, process.stdout)
        finally:
            process.kill()


def say(moment: str) -> None:
    """In the child: name a moment."""
    print(moment, flush=True)


def wait_to_be_killed() -> None:
    """In the child: do nothing until the parent closes the pipe or kills."""
    sys.stdin.read()
