"""The examples as modules: each has its workflows, its activities and a `main(target)`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "examples"), str(Path(__file__).parents[1])]

from differential.conftest import real_server  # noqa: E402

__all__ = ["real_server"]
