"""The arrows of the architecture: which folder may import which, read from the source without running it.

One table says it all. A folder that is not in the table fails the test, so that a new one is a reviewed
line. Imports for type checkers count like any other: an arrow is an arrow.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parents[2] / "src" / "tsuzuki"

# What anyone may import: plain data without behaviour of its own.
BASE: Final = frozenset({"common", "exceptions"})

# folder or module directly under tsuzuki/ -> what it may import, besides itself and BASE.
ARROWS: Final[dict[str, frozenset[str]]] = {
    "common": frozenset(),
    "exceptions": frozenset(),
    # The pure rules, and what keeps them.
    "core": frozenset(),
    "store": frozenset({"core"}),
    "engine": frozenset({"core", "store", "service"}),
    # The seam.
    "service": frozenset({"converter"}),
    # Both sides of the authoring API.
    "converter": frozenset(),
    "activity": frozenset({"converter"}),
    "workflow": frozenset({"activity", "converter"}),
    "client": frozenset({"activity", "converter", "engine", "service", "workflow"}),
    "worker": frozenset({"activity", "converter", "service", "workflow"}),
    # Tools around them.
    "testing": frozenset({"client", "converter", "core", "engine", "service", "store", "worker", "workflow"}),
    "replay": frozenset({"activity", "client", "converter", "service", "worker", "workflow"}),
    "agents": frozenset({"activity", "client", "worker", "workflow"}),
    # Ready-made interceptors.
    "opentelemetry": frozenset({"activity", "client", "converter", "worker", "workflow"}),
    "propagation": frozenset({"client", "converter", "worker"}),
    # Programs.
    "server": frozenset({"agents", "core", "engine", "service", "store"}),
    "demo": frozenset({"activity", "agents", "workflow"}),
    "cli": frozenset(
        {"agents", "client", "converter", "demo", "engine", "replay", "server", "service", "store", "worker"},
    ),
}

# Neither the pure rules nor anything they import may do I/O, wait, read a clock or draw a random number.
IMPURE: Final = frozenset(
    {"asyncio", "concurrent", "fcntl", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random"}
    | {"secrets", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile"}
    | {"threading", "time", "urllib", "uuid"}
)

# Loaded only by those who ask for them. grpc is not in the list: where it is installed, temporalio's own packages of
# messages load it, and it loads the names of its companions.
HEAVY: Final = frozenset({"typer", "click", "rich", "starlette", "uvicorn", "aiohttp", "pydantic_ai", "opentelemetry"})


def modules() -> Iterator[tuple[str, Path]]:
    """Each module of the package with the folder (or top-level module) that it belongs to."""
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if relative.name != "__init__.py" or len(relative.parts) > 1:
            yield relative.with_suffix("").parts[0], path


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, by absolute name, with its line."""
    package = ["tsuzuki", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from tsuzuki import workflow` imports tsuzuki.workflow, not a name of the root.
            if module == "tsuzuki":
                yield from ((f"tsuzuki.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield module, node.lineno


def test_every_folder_stands_in_the_table() -> None:
    assert {folder for folder, _ in modules()} - ARROWS.keys() == set()


def test_the_table_has_no_circle() -> None:
    def reach(folder: str, path: tuple[str, ...]) -> None:
        assert folder not in path, f"circle: {' -> '.join([*path, folder])}"
        for target in ARROWS[folder]:
            reach(target, (*path, folder))

    for folder in ARROWS:
        reach(folder, ())


def test_imports_follow_the_arrows() -> None:
    wrong = []
    for folder, path in modules():
        allowed = ARROWS[folder] | BASE | {folder}
        for module, line in imports(path):
            root, _, rest = module.partition(".")
            target = rest.partition(".")[0]
            is_folder = (SOURCE / target).is_dir() or (SOURCE / f"{target}.py").exists()
            if root == "tsuzuki" and target and is_folder and target not in allowed:
                wrong.append(f"{path.relative_to(SOURCE)}:{line} imports {module}")
    assert wrong == [], f"not in ARROWS: {wrong}"


def test_the_core_is_pure() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {module}"
        for folder, path in modules()
        if folder == "core"
        for module, line in imports(path)
        if module.partition(".")[0] in IMPURE
    ]
    assert wrong == []


def test_nobody_imports_a_private_module_of_another_folder() -> None:
    wrong = []
    for folder, path in modules():
        for module, line in imports(path):
            root, *parts = module.split(".")
            private = any(part.startswith("_") for part in parts)
            if root == "tsuzuki" and private and parts[0] not in (folder, "__version__"):
                wrong.append(f"{path.relative_to(SOURCE)}:{line} imports {module}")
    assert wrong == [], f"re-export the name in the package's __init__ instead: {wrong}"


@pytest.mark.parametrize("module", ["tsuzuki", "tsuzuki.workflow", "tsuzuki.activity"])
def test_importing_the_authoring_api_loads_no_server_web_or_cli_library(module: str) -> None:
    code = f"import {module}, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    roots = {name.partition(".")[0] for name in loaded.split()}
    assert roots & HEAVY == set()
    assert "tsuzuki.server" not in loaded.split()


def test_import_lines_are_read_from_every_form_of_import() -> None:
    """The reader itself, on a file with each form; without it the tests above could pass on nothing."""
    path = SOURCE / "engine" / "_made_up.py"
    lines = ["import os.path", "from tsuzuki import cli", "from .. import worker", "from ..store import X"]

    class Made(type(path)):  # type: ignore[misc]
        def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
            return "\n".join([*lines, "from ._y import Z"])

    assert list(imports(Made(path))) == [
        ("os.path", 1),
        ("tsuzuki.cli", 2),
        ("tsuzuki.worker", 3),
        ("tsuzuki.store", 4),
        ("tsuzuki.engine._y", 5),
    ]
