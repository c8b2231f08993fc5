"""Commands that are imported when they are asked for, so that `--help` and small commands start at once.

A group knows of each command its name, one line and where it is. A test compares the lines with the commands.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final, cast

import typer
import typer.core
import typer.main

MARKUP: Final = "markdown"


class StandIn(typer.core.TyperCommand):
    """Stands for a command in lists of commands.

    Args:
        name: Its name.
        place: `module:attribute` within this package: a function, or a `Typer`.
        says: The first sentence of its help.
    """

    def __init__(self, name: str, place: str, says: str) -> None:
        super().__init__(name, help=says)
        self._place = place

    def load(self) -> Any:
        """Import the command."""
        module, _, attribute = self._place.partition(":")
        found = getattr(importlib.import_module(f".{module}", __package__), attribute)
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
            alone.command(self.name)(found)
            command = typer.main.get_command(alone)
        command.name = self.name
        return command


def group(help: str, commands: Mapping[str, tuple[str, str]] | None = None, **more: Any) -> typer.Typer:
    """Make a group of commands.

    Args:
        help: What it is for.
        commands: By name: the place and the line of each that is imported later.
        more: Of `Typer`.
    """
    stand_ins = {name: StandIn(name, place, says) for name, (place, says) in (commands or {}).items()}
    options = {"add_completion": False, "no_args_is_help": True, "rich_markup_mode": MARKUP, **more}
    return typer.Typer(cls=_loading(stand_ins), help=help, **options)


def _loading(stand_ins: Mapping[str, StandIn]) -> type[typer.core.TyperGroup]:
    class Loading(typer.core.TyperGroup):
        """A group that has the stand-ins besides its own commands, and resolves them."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands |= cast("Any", stand_ins)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            return name, command.load() if isinstance(command, StandIn) else command, rest

    return Loading
