"""The inventory of gates: where they stand, which versions open runs have, and what can go.

Which version a run has is read from its search attribute TemporalChangeVersion, so no history is fetched. A
run without an entry for a gate took the old way, or has not come to the gate yet: both need the old branch.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tsuzuki.client import Client
from tsuzuki.workflow import definition_of

from ._deploy_check import OPEN
from .lint import GateCall, gate_calls

CHANGE_VERSION: Final = "TemporalChangeVersion"


@dataclass(frozen=True)
class GateUse:
    """How many open runs have which version of a gate.

    Attributes:
        versions: Version -> number of open runs; of a patch, 1 for those that have it.
        without: Open runs of the workflows that reach it which have no entry for it.
    """

    versions: Mapping[int, int]
    without: int


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        gate_id: Its id.
        calls: Where it stands; none when only runs know it.
        use: What open runs say.
        advice: What can be deleted now, or why nothing can.
    """

    gate_id: str
    calls: tuple[GateCall, ...]
    use: GateUse
    advice: str


async def gate_inventory(client: Client, workflows: Sequence[Any]) -> list[Gate]:
    """List the gates of the code at hand and of the open runs, by id.

    Args:
        client: Where the runs are.
        workflows: The code at hand.

    Raises:
        RPCError: The runs cannot be listed.
        TypeError: Something among `workflows` is not a workflow.
    """
    calls: dict[str, list[GateCall]] = {}
    types: dict[str, str] = {}  # name in the code -> workflow type
    for workflow in workflows:
        definition = definition_of(workflow)
        types[(definition.cls or definition.run).__name__] = definition.name or ""
    for path in sorted({inspect.getfile(workflow) for workflow in workflows}):
        for call in gate_calls(path):
            calls.setdefault(call.gate_id, []).append(call)
    open_runs: Counter[str] = Counter()
    versions: dict[str, Counter[tuple[str, int]]] = {}
    async for execution in client.list_workflows(OPEN):
        open_runs[execution.workflow_type] += 1
        for entry in execution.search_attributes.get(CHANGE_VERSION, ()):  # type: ignore[union-attr]
            gate_id, version = _entry(str(entry), calls)
            versions.setdefault(gate_id, Counter())[execution.workflow_type, version] += 1
    gates = []
    for gate_id in sorted({*calls, *versions}):
        found = versions.get(gate_id, Counter())
        reached_by = {types.get(call.workflow, call.workflow) for call in calls.get(gate_id, ())}
        having = sum(count for (name, _), count in found.items() if name in reached_by)
        by_version: Counter[int] = Counter()
        for (_, version), count in found.items():
            by_version[version] += count
        use = GateUse(dict(sorted(by_version.items())), sum(open_runs[name] for name in reached_by) - having)
        gates.append(Gate(gate_id, tuple(calls.get(gate_id, ())), use, _advice(calls.get(gate_id, []), use)))
    return gates


def _entry(text: str, calls: Mapping[str, object]) -> tuple[str, int]:
    """Read `id-version`, as `get_version` writes it, or the bare id of a patch."""
    if text in calls:
        return text, 1
    gate_id, _, version = text.rpartition("-")
    return (gate_id, int(version)) if gate_id and version.isdigit() else (text, 1)


def _advice(calls: Sequence[GateCall], use: GateUse) -> str:
    if not calls:
        return "not in these modules, but open runs have it: keep it where it stands, such as a library that they use"
    kinds = {call.kind for call in calls}
    if kinds == {"deprecate_patch"}:
        return "can be deleted" if not use.versions else "keep it until the runs that have the patch are closed"
    if use.without:
        runs = "1 open run" if use.without == 1 else f"{use.without} open runs"
        return f"keep the old branch: {runs} took it or may still come to it"
    if kinds == {"patched"}:
        return "the old branch can be deleted: replace patched() by deprecate_patch()"
    newest = max((call.max_supported or 0 for call in calls), default=0)
    oldest = min(use.versions, default=newest)
    if all((call.min_supported if call.min_supported is not None else -1) >= oldest for call in calls):
        return "nothing to delete: the code has just the versions that open runs need"
    return f"branches of versions below {oldest} can be deleted: get_version({calls[0].gate_id!r}, {oldest}, {newest})"
