"""`tsuzuki gates`: which version gates there are, which versions open runs have, and what can be deleted."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from tsuzuki.client import Client
from tsuzuki.replay import Gate, gate_inventory, load_workflows

from ._connection import DEFAULT_NAMESPACE, DEFAULT_TARGET, Modules, Namespace, Target, run_with_client


def gates(
    workflows: Modules,
    target: Target = DEFAULT_TARGET,
    namespace: Namespace = DEFAULT_NAMESPACE,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List the gates (`get_version`, `patched`) in the code and in open runs, and which branches can go."""

    async def work(client: Client) -> list[Gate]:
        return await gate_inventory(client, load_workflows(workflows))

    found = run_with_client(target, namespace, work)
    if as_json:
        typer.echo(json.dumps([asdict(gate) for gate in found], indent=2))
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
