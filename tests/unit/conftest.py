"""An engine over a store file, under virtual time; what it leaves on disk is checked after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_site import Site

from tsuzuki.testing import LocalServer


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "engine.db") as site:
        yield site


@pytest.fixture
def server(site: Site) -> LocalServer:
    return site.server
