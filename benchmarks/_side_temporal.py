"""The Temporal development server with a database file, and the official client and worker."""

from __future__ import annotations

from pathlib import Path

from benchmarks import _side_served


async def open_side(folder: Path) -> _side_served.ServedSide:
    """Start the server in `folder` on a free port, and the worker."""
    return await _side_served.open_side(folder, "temporal", "file")
