"""The stores that the conformance suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tsuzuki.store import SqliteStore, Store
from tsuzuki.testing import FaultyStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=["file", "memory", "faulty without faults"])
def store(request: pytest.FixtureRequest, database: Path) -> Iterator[Store]:
    inner = SqliteStore.open(None if request.param == "memory" else database)
    yield inner if "faulty" not in request.param else FaultyStore(inner)
    inner.close()
