"""`tsuzuki server start`: what it refuses, and how it ends."""

from __future__ import annotations

from pathlib import Path

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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tls-cert", "cert.pem"), "both --tls-cert and --tls-key"),
        (("--tls-client-ca", "ca.pem"), "both --tls-cert and --tls-key"),
        (("--tls-cert", "no.pem", "--tls-key", "no.key"), "no.pem cannot be read"),
        (("--insecure-no-auth", "--require-api-key"), "contradict"),
        (("--require-api-key",), "kept beside the database"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: tuple[str, ...], said: str) -> None:
    refused = CliRunner().invoke(_app, ["server", "start", "--port", "0", *arguments])
    assert refused.exit_code in (1, 2)
    assert said in refused.output


def test_an_open_address_wants_keys_once_there_are_some(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    assert CliRunner().invoke(_app, ["server", "start", "--db", str(db), "--host", "0.0.0.0"]).exit_code == 2
    CliRunner().invoke(_app, ["server", "api-key", "create", "--db", str(db), "--name", "x", "--role", "read"])
    # 127.0.0.2 is loopback too; what matters is that the first key closes every address
    with in_subprocess(db, arguments=("--host", "127.0.0.2")) as running:
        assert "callers         with a valid api key" in running.greeting
