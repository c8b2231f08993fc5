"""The public surface: one text file per public module, so that every new name is a reviewed line.

After a wanted change run `make public-names` and review the difference.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parents[2] / "src"
LISTS: Final = Path(__file__).with_name("public_names")

# Folders that users do not import from; their modules have no underscore because nothing in them is public.
INTERNAL: Final = frozenset({"core"})


def public_modules() -> list[str]:
    """Every module that users may import: no underscore in its path, and not internal."""
    names = []
    for path in sorted((SOURCE / "tsuzuki").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") or part in INTERNAL for part in parts):
            names.append(".".join(parts))
    return names


def names_of(module: str) -> list[str]:
    """The public names of a module: its `__all__`, of which each must exist."""
    loaded = importlib.import_module(module)
    assert hasattr(loaded, "__all__"), f"{module} needs an __all__, or an underscore before its name"
    missing = [name for name in loaded.__all__ if not hasattr(loaded, name)]
    assert missing == [], f"{module}.__all__ has names that do not exist"
    return sorted(loaded.__all__)


@pytest.mark.parametrize("module", public_modules())
def test_public_names_are_the_reviewed_ones(module: str) -> None:
    pinned = LISTS / f"{module}.txt"
    assert pinned.exists(), f"{module} is new: run `make public-names` and review its list"
    assert names_of(module) == pinned.read_text(encoding="utf-8").split()


def test_no_list_is_left_of_a_module_that_is_gone() -> None:
    assert {path.stem for path in LISTS.glob("*.txt")} - set(public_modules()) == set()


def write() -> None:
    """Write every list anew."""
    LISTS.mkdir(exist_ok=True)
    for path in LISTS.glob("*.txt"):
        path.unlink()
    for module in public_modules():
        (LISTS / f"{module}.txt").write_text("".join(f"{name}\n" for name in names_of(module)), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(SOURCE))
    write()
