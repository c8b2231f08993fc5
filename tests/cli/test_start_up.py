"""Small commands import what they need and no more; and what stands for a command says what that says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from tsuzuki.cli._app import _app
from tsuzuki.cli._lazy import StandIn

ENGINE = ("tsuzuki.engine", "tsuzuki.store", "tsuzuki.core", "tsuzuki.server", "sqlite3")
CODE = ("tsuzuki.worker", "tsuzuki.replay", "tsuzuki.agents", "tsuzuki.demo", "tsuzuki.opentelemetry")
CLIENT = ("tsuzuki.client", "tsuzuki.service", "tsuzuki.converter", "temporalio", "google.protobuf", "grpc", "msgspec")
OTHERS = ("starlette", "uvicorn", "pydantic_ai", "opentelemetry", "multiprocessing", "debugpy")

_PROGRAM = """
import contextlib, io, sys
from tsuzuki.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(*sys.modules, sep="\\n")
"""


@pytest.mark.parametrize(
    ("command", "forbidden"),
    [
        ("--version", (*ENGINE, *CODE, *CLIENT, *OTHERS, "asyncio", "rich")),
        ("--help", (*ENGINE, *CODE, *CLIENT, *OTHERS, "asyncio")),
        ("workflow --help", (*ENGINE, *CODE, *CLIENT, *OTHERS, "asyncio")),
        ("lint --rules", (*ENGINE, *(set(CODE) - {"tsuzuki.replay"}), *CLIENT, *OTHERS, "asyncio")),
        ("workflow list --help", (*ENGINE, *CODE, *OTHERS)),
        ("workflow describe --help", (*ENGINE, *CODE, *OTHERS)),
        ("workflow signal --help", (*ENGINE, *CODE, *OTHERS)),
        ("workflow start --help", (*ENGINE, *CODE, *OTHERS)),
        ("schedule list --help", (*ENGINE, *CODE, *OTHERS)),
    ],
)
def test_what_a_command_does_not_import(command: str, forbidden: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *command.split()], capture_output=True, text=True, check=True, timeout=600
    )
    assert not {*ran.stdout.split()} & {*forbidden}


@pytest.mark.parametrize("group", ["", "workflow", "agent approval"])
def test_a_group_without_a_command_says_that_one_is_missing(group: str) -> None:
    program = "from tsuzuki.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, *group.split()], capture_output=True, text=True, check=False, timeout=600
    )
    assert "Usage: " in ran.stdout
    assert ran.stderr.startswith("tsuzuki: Missing command. See: ")
    assert ran.returncode == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("tsuzuki wor", {"workflow", "worker"}),
        ("tsuzuki agent approval ", {"list", "approve", "reject"}),
        ("tsuzuki workflow list --outp", {"--output"}),
        ("tsuzuki top --output ", {"text", "json", "jsonl"}),
    ],
)
def test_a_shell_is_told_how_a_line_may_go_on(words: str, offered: set[str]) -> None:
    asked = {"_TSUZUKI_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    program = "import sys; sys.argv = ['tsuzuki']; from tsuzuki.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, text=True, timeout=600
    )
    assert {*told.stdout.split()} == offered, told.stderr


def stand_ins(group: Any, path: str) -> Iterator[tuple[str, StandIn, Any]]:
    for name, command in group.commands.items():
        loaded = command.load() if isinstance(command, StandIn) else command
        if isinstance(command, StandIn):
            yield f"{path} {name}", command, loaded
        if hasattr(loaded, "commands"):
            yield from stand_ins(loaded, f"{path} {name}")


def test_a_line_in_a_list_is_how_the_help_of_the_command_begins() -> None:
    found = list(stand_ins(typer.main.get_command(_app), "tsuzuki"))
    assert len(found) > 25
    for path, stand_in, command in found:
        whole, line = " ".join(command.help.split()), stand_in.help
        assert whole.startswith(line), f"{path}: {line!r} is not how its help begins: {whole!r}"
        assert line.endswith("."), path
        assert command.name == path.rpartition(" ")[2]


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = (
        "import sys; from tsuzuki.cli._connection import run_or_refuse\n"
        "async def answer():\n    for _ in range(100_000):\n        print('a line')\n    sys.stdout.flush()\n"
        "import typer; app = typer.Typer()\n"
        "@app.command()\ndef command():\n    run_or_refuse(answer)\n"
        "app()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1
