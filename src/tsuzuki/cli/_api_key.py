"""`tsuzuki server api-key`: the keys with which callers of a server say who they are."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ._endings import FAILED, refuse
from ._lazy import group
from ._output import Output, OutputOption, write_json, write_table

if TYPE_CHECKING:
    from ..server import AccessFile

api_key = group("API keys: make, show and revoke them.")

Database = Annotated[Path, typer.Option(help="The server's database file. A running server sees changes in a second.")]
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


@api_key.command()
def create(
    db: Database,
    name: Annotated[
        str, typer.Option(help="Whose it is. Two live keys may share a name, to exchange one for another.")
    ],
    role: Annotated[
        list[str], typer.Option(help="read, write (which may also read), worker or admin; again for more.")
    ],
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="What it reaches: a namespace, again for more; '*' for all and the server itself."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="After how long it ends: 90d, 12h, 30m. Else it does not.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a key and print it: the only time that it is shown, as the server keeps a hash.

    From a database's first key on its server refuses callers without one.
    """
    from ..server import Role

    now_s = time.time()
    try:
        roles = [Role(each) for each in role]
    except ValueError:
        refuse(f"--role is one of {', '.join(each.value for each in Role)}, not {', '.join(role)}")
    expires_s = None if expires is None else now_s + _seconds(expires)
    with _access_file(db) as file:
        key = file.create(name, namespaces=namespace or ["default"], roles=roles, now_s=now_s, expires_s=expires_s)
    if output is not Output.TEXT:
        write_json({"key": key}, output)
    else:
        typer.echo(key)


@api_key.command("list")
def list_keys(db: Database, output: OutputOption = Output.TEXT) -> None:
    """Show all keys there ever were, without what is secret of them."""
    now_s = time.time()
    with _access_file(db) as file:
        rows = [
            {
                "id": key.id,
                "name": key.identity.name,
                "state": key.state(now_s),
                "roles": sorted(role.value for role in key.identity.roles),
                "namespaces": sorted(key.identity.namespaces),
                "created": _date(key.created_s),
                "expires": _date(key.expires_s),
            }
            for key in file.keys().values()
        ]
    if output is not Output.TEXT:
        write_json(rows, output)
    elif rows:
        write_table(
            list(rows[0]),
            [[" ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows],
        )
    else:
        typer.echo("no keys")


@api_key.command()
def revoke(
    db: Database,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """End a key for good."""
    with _access_file(db) as file:
        key = file.revoke(key_id, now_s=time.time())
    if output is not Output.TEXT:
        write_json({"id": key.id, "name": key.identity.name, "state": "revoked"}, output)
    else:
        typer.echo(f"{key.id} ({key.identity.name}) is revoked")


@contextmanager
def _access_file(db: Path) -> Iterator[AccessFile]:
    from ..server import AccessFile, AccessFileError

    try:
        with AccessFile.of_database(db) as file:
            yield file
    except AccessFileError as error:
        refuse(str(error), FAILED)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if found is None or int(found[1]) == 0:
        refuse(f"--expires is a number and m, h or d, such as 90d, not {text!r}")
    return int(found[1]) * _SECONDS[found[2]]


def _date(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
