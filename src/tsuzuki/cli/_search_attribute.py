"""`tsuzuki operator search-attribute`: by what else workflows can be found."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)

from tsuzuki.client import Client

from ._connection import Connection, connected
from ._endings import FAILED, refuse
from ._lazy import group
from ._output import Output, OutputOption, write_json, write_table

search_attribute = group("Search attributes of a namespace.")

_PREFIX: Final = "INDEXED_VALUE_TYPE_"
_TYPES: Final = {
    "Text": IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}
_SHOWN: Final = {int(number): name for name, number in _TYPES.items()}

Names = Annotated[list[str], typer.Option("--name", help="The search attribute; may be given again.")]
Type = Annotated[
    list[str], typer.Option("--type", metavar="TYPE", help=f"Its type: {', '.join(_TYPES)}; once, or once for each.")
]


@search_attribute.command()
@connected
def create(connection: Connection, name: Names, type: Type, output: OutputOption = Output.TEXT) -> None:
    """Add search attributes. One that is there with the same type stays."""
    if len(type) not in (1, len(name)):
        refuse(f"--type is given {len(type)} times for {len(name)} names; give one for all, or one for each")
    known = {each.lower(): each for each in _TYPES}
    for each in type:
        if each.lower() not in known:
            refuse(f"--type {each}: expected one of {', '.join(_TYPES)}")
    types = [known[each.lower()] for each in (type if len(type) > 1 else type * len(name))]

    async def work(client: Client) -> None:
        there = await _all(client)
        request = AddSearchAttributesRequest(namespace=client.namespace)
        for one, wanted in zip(name, types, strict=True):
            if there.get(one, wanted) != wanted:
                refuse(f"the search attribute {one} is there already, as {there[one]}", FAILED)
            if one not in there:
                request.search_attributes[one] = _TYPES[wanted]
        if request.search_attributes:
            await client.service.add_search_attributes(request)

    connection.run(work)
    rows = [{"name": one, "type": kind} for one, kind in zip(name, types, strict=True)]
    if output is not Output.TEXT:
        write_json(rows, output)
    else:
        typer.echo("Registered: " + ", ".join(f"{row['name']} ({row['type']})" for row in rows) + ".")


@search_attribute.command("list")
@connected
def list_search_attributes(connection: Connection, output: OutputOption = Output.TEXT) -> None:
    """List the search attributes of a namespace, those of the system too."""
    found = connection.run(_all, "Listing")
    if output is not Output.TEXT:
        write_json([{"name": name, "type": type} for name, type in found.items()], output)
    else:
        write_table(("Name", "Type"), found.items())


@search_attribute.command()
@connected
def remove(
    connection: Connection,
    name: Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove search attributes; workflows cannot be found by them any more."""
    if not yes and not typer.confirm(f"Remove {', '.join(name)}. Go on?", err=True):
        raise typer.Exit(0)

    async def work(client: Client) -> None:
        request = RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=name)
        await client.service.remove_search_attributes(request)

    connection.run(work)
    if output is not Output.TEXT:
        write_json([{"name": one} for one in name], output)
    else:
        typer.echo(f"Removed: {', '.join(name)}.")


async def _all(client: Client) -> dict[str, str]:
    answer = await client.service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    kinds = {**answer.system_attributes, **answer.custom_attributes}
    return {
        name: _SHOWN.get(int(kind), IndexedValueType.Name(kind).removeprefix(_PREFIX))
        for name, kind in sorted(kinds.items())
    }
