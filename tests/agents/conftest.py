"""The agent layer on an engine under virtual time, and on the real server."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "examples"), str(TESTS / "simulation"), str(TESTS)]

from differential.conftest import real_server  # noqa: E402

__all__ = ["real_server"]
