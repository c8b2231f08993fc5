"""An engine under virtual time; what it leaves in its store is checked after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_site import Site

from tsuzuki.store import SqliteStore, check_store
from tsuzuki.testing import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """In memory: a hundred tests do not wait for the disk."""
    store = SqliteStore.open(None)
    with LocalServer(store) as server:
        yield server
        server.call(server.service.drain())
        problems = check_store(store)
    assert not problems, "\n".join(map(str, problems))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """On disk, for what must outlive its process."""
    with Site(tmp_path / "engine.db") as site:
        yield site
