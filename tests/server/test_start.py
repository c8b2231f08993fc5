"""`tsuzuki server start`: what it refuses, and how it ends."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from server._running import in_subprocess
from tsuzuki.cli._app import _app


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_open_address_needs_an_explicit_word(host: str) -> None:
    refused = CliRunner().invoke(_app, ["server", "start", "--host", host])
    assert refused.exit_code == 2
    assert "--insecure-no-auth" in refused.output


def test_sigterm_ends_it_well() -> None:
    with in_subprocess() as running:
        running.process.terminate()
        assert running.process.wait(timeout=60) == 0
