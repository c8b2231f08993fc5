"""`tsuzuki operator namespace`: what keeps the workflows of several teams apart."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from temporalio.api.enums.v1 import NamespaceState
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    ListNamespacesRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)

from tsuzuki.client import Client

from ._connection import Connection, connected
from ._endings import refuse
from ._inputs import duration
from ._lazy import group
from ._output import Output, OutputOption, as_data, write_fields, write_json, write_table

namespace = group("Namespaces of a server, or of a database.")

_PAGE: Final = 100
_RETENTION_USUAL: Final = timedelta(hours=72)

Which = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The namespace; else that of --namespace.")]
Description = Annotated[str | None, typer.Option(help="For people.")]
Email = Annotated[str | None, typer.Option(help="Whose it is.")]
Retention = Annotated[
    timedelta | None,
    typer.Option(parser=duration, metavar="DURATION", help="How long closed runs are kept, such as 72h or 30d."),
]


@namespace.command("list")
@connected
def list_namespaces(connection: Connection, output: OutputOption = Output.TEXT) -> None:
    """List the namespaces."""

    async def work(client: Client) -> list[Any]:
        found: list[Any] = []
        request = ListNamespacesRequest(page_size=_PAGE)
        while True:
            page = await client.service.list_namespaces(request)
            found += page.namespaces
            if not page.next_page_token:
                return found
            request.next_page_token = page.next_page_token

    found = connection.run(work, "Listing")
    if output is not Output.TEXT:
        write_json([as_data(each) for each in found], output)
        return
    write_table(
        ("Name", "State", "Retention", "Description"),
        ((it.namespace_info.name, _state(it), _retention(it), it.namespace_info.description) for it in found),
    )


@namespace.command()
@connected
def describe(connection: Connection, name: Which = None, output: OutputOption = Output.TEXT) -> None:
    """Show a namespace."""
    found = connection.run(lambda client: _described(client, name))
    if output is not Output.TEXT:
        write_json(found, output)
        return
    info = found.namespace_info
    write_fields(
        "Namespace",
        [
            ("Name", info.name),
            ("Id", info.id),
            ("State", _state(found)),
            ("Description", info.description),
            ("OwnerEmail", info.owner_email),
            ("Retention", _retention(found)),
        ],
    )


@namespace.command()
@connected
def create(
    connection: Connection,
    name: Which = None,
    description: Description = None,
    email: Email = None,
    retention: Retention = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a namespace. Its closed runs are kept for 72h unless --retention says otherwise."""

    async def work(client: Client) -> str:
        request = RegisterNamespaceRequest(
            namespace=name or client.namespace, description=description or "", owner_email=email or ""
        )
        request.workflow_execution_retention_period.FromTimedelta(retention or _RETENTION_USUAL)
        await client.service.register_namespace(request)
        return request.namespace

    _tell(connection.run(work), "created", output)


@namespace.command()
@connected
def update(
    connection: Connection,
    name: Which = None,
    description: Description = None,
    email: Email = None,
    retention: Retention = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Change a namespace; what is not given stays."""
    if description is None and email is None and retention is None:
        refuse("give --description, --email or --retention: what is to change?")

    async def work(client: Client) -> str:
        now = await _described(client, name)
        request = UpdateNamespaceRequest(namespace=now.namespace_info.name)
        request.update_info.description = now.namespace_info.description if description is None else description
        request.update_info.owner_email = now.namespace_info.owner_email if email is None else email
        if retention is not None:
            request.config.workflow_execution_retention_ttl.FromTimedelta(retention)
        await client.service.update_namespace(request)
        return request.namespace

    _tell(connection.run(work), "updated", output)


@namespace.command()
@connected
def delete(
    connection: Connection,
    name: Which = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Delete a namespace with every run in it. It cannot be brought back."""
    which = name or connection.namespace
    if not yes and typer.prompt(f"Delete the namespace {which} and every run in it: type its name", err=True) != which:
        refuse(f"that was not {which}; nothing is deleted")

    async def work(client: Client) -> None:
        await client.service.delete_namespace(DeleteNamespaceRequest(namespace=which))

    connection.run(work)
    _tell(which, "deleted", output)


async def _described(client: Client, name: str | None) -> Any:
    return await client.service.describe_namespace(DescribeNamespaceRequest(namespace=name or client.namespace))


def _state(found: Any) -> str:
    return NamespaceState.Name(found.namespace_info.state).removeprefix("NAMESPACE_STATE_").capitalize()


def _retention(found: Any) -> str:
    kept: timedelta = found.config.workflow_execution_retention_ttl.ToTimedelta()
    hours = kept.total_seconds() / 3600
    return f"{hours:g}h" if hours else ""


def _tell(name: str, done: str, output: Output) -> None:
    if output is not Output.TEXT:
        write_json({"namespace": name, "status": done.upper()}, output)
    else:
        typer.echo(f"Namespace {name} {done}.")
