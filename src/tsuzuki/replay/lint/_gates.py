"""The gates (`get_version`, `patched`, `deprecate_patch`) that stand in the workflow code of a file."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ._files import decode, read_bytes
from ._module import WORKFLOW, Module
from ._rules._gate_names import GATES, id_of, literal
from ._workflow_code import workflow_code


@dataclass(frozen=True)
class GateCall:
    """One call of a gate.

    Attributes:
        gate_id: Its id.
        kind: `get_version`, `patched` or `deprecate_patch`.
        path: The file.
        line: The line.
        workflow: Name of the class or function of the workflow that reaches it.
        min_supported: Oldest version that the code has; None for patches, and where it is no literal.
        max_supported: Newest one.
    """

    gate_id: str
    kind: str
    path: str
    line: int
    workflow: str
    min_supported: int | None = None
    max_supported: int | None = None


def gate_calls(path: str) -> list[GateCall]:
    """Find the gates in the workflow code of a file whose ids are literals.

    Raises:
        UnreadableError: The file cannot be read as text.
        SyntaxError: It is no Python.
    """
    text = decode(read_bytes(path))
    module = Module(path, text, ast.parse(text))
    found = []
    for function, reach in workflow_code(module).items():
        owner = reach.root.owner
        workflow = owner.name if owner is not None else reach.root.name
        for call, name in function.calls:
            if name not in GATES or (expr := id_of(call)) is None or (gate := literal(expr, function)) is None:
                continue
            kind = name.removeprefix(WORKFLOW)
            versions = (_version(call, 1, "min_supported"), _version(call, 2, "max_supported"))
            found.append(GateCall(gate, kind, path, call.lineno, workflow, *versions))
    return found


def _version(call: ast.Call, position: int, name: str) -> int | None:
    given = call.args[position] if len(call.args) > position else None
    expr = given or next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    match expr:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
        case ast.Attribute(attr="DEFAULT_VERSION") | ast.Name(id="DEFAULT_VERSION"):
            return -1
    return None
