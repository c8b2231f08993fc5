"""`tsuzuki gates`: which version gates there are, which versions open runs have, and what can be deleted."""

from __future__ import annotations

from dataclasses import asdict

import typer

from tsuzuki.client import Client
from tsuzuki.replay import Gate, gate_inventory, load_workflows

from ._connection import Connection, Modules, connected
from ._output import Output, OutputOption, write_json


@connected
def gates(connection: Connection, workflows: Modules, output: OutputOption = Output.TEXT) -> None:
    """List the gates (`get_version`, `patched`) in the code and in open runs, and which branches can go."""

    async def work(client: Client) -> list[Gate]:
        return await gate_inventory(client, load_workflows(workflows))

    found = connection.run(work, "Reading histories")
    if output is not Output.TEXT:
        write_json([asdict(gate) for gate in found], output)
        return
    for gate in found:
        typer.echo(gate.gate_id)
        for call in gate.calls:
            typer.echo(f"    {call.path}:{call.line}: {call.kind} in {call.workflow}")
        counts = [f"version {version}: {count}" for version, count in gate.use.versions.items()]
        typer.echo(f"    open runs: {', '.join([*counts, f'without: {gate.use.without}'])}")
        typer.echo(f"    {gate.advice}")
    if not found:
        typer.echo("No gates, in the code or in open runs.")
