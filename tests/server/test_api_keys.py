"""API keys: made, listed, exchanged, revoked and expired, while a server runs."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub
from typer.testing import CliRunner, Result

from server._guarded import Guarded, guarded
from server._running import in_process
from tsuzuki.cli._app import _app
from tsuzuki.server import AccessFile, AccessFileError, Role, ServerOptions


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path) as running:
        yield running


def api_key(*arguments: str) -> Result:
    return CliRunner().invoke(_app, ["server", "api-key", *arguments])


async def refusal(server: Guarded, headers: tuple[tuple[str, str], ...]) -> str:
    """How the server refuses a call with these headers; empty if it does not."""
    async with grpc.aio.insecure_channel(server.target) as channel:
        try:
            await WorkflowServiceStub(channel).DescribeNamespace(
                DescribeNamespaceRequest(namespace="default"), metadata=headers
            )
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
    return ""


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


async def test_only_a_valid_key_lets_in(server: Guarded) -> None:
    key = server.keys["reader"]
    assert await refusal(server, bearer(key)) == ""
    assert await refusal(server, (("authorization", f"bearer {key}"),)) == "", "schemes have no case"
    assert "UNAUTHENTICATED: Request unauthorized: there is no API key" in await refusal(server, ())
    assert "UNAUTHENTICATED: Request unauthorized: there is no API key" in await refusal(
        server, (("authorization", f"Basic {key}"),)
    )
    assert "not known" in await refusal(server, bearer(key[:-1]))
    assert "not known" in await refusal(server, bearer(key.upper()))
    assert "not known" in await refusal(server, bearer(""))


async def test_a_key_expires(server: Guarded) -> None:
    soon = server.clock.now_s + 60
    key = server.file.create("guest", namespaces=["*"], roles=[Role.READ], now_s=server.clock.now_s, expires_s=soon)
    server.clock.now_s += 59
    assert await refusal(server, bearer(key)) == ""
    server.clock.now_s += 1
    assert "('guest') is expired" in await refusal(server, bearer(key))


async def test_a_key_is_exchanged_for_another_while_the_server_runs(server: Guarded, tmp_path: Path) -> None:
    db = str(tmp_path / "runs.db")
    old = server.keys["worker"]
    made = api_key("create", "--db", db, "--name", "worker", "--role", "worker")
    new = made.output.strip()
    server.clock.now_s += 1
    assert await refusal(server, bearer(old)) == ""
    assert await refusal(server, bearer(new)) == "", "both are live"
    third = api_key("create", "--db", db, "--name", "worker", "--role", "worker")
    assert (third.exit_code, "2 live keys already" in third.output) == (1, True)

    revoked = api_key("revoke", "--db", db, old.split("_")[1])
    assert revoked.exit_code == 0
    server.clock.now_s += 1
    assert "is revoked" in await refusal(server, bearer(old))
    assert await refusal(server, bearer(new)) == ""
    assert api_key("create", "--db", db, "--name", "worker", "--role", "worker").exit_code == 0


async def test_revoking_the_last_key_does_not_open_the_door(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    key = api_key("create", "--db", str(db), "--name", "only", "--role", "admin").output.strip()
    api_key("revoke", "--db", str(db), key.split("_")[1])
    async with in_process(ServerOptions(db=db, port=0, authentication="api key")) as server:
        with AccessFile.of_database(db) as file:
            assert await refusal(Guarded(server, {}, file, None), bearer(key)) != ""  # type: ignore[arg-type]


def test_the_list_shows_what_a_key_is_for_and_not_the_key(tmp_path: Path) -> None:
    db = str(tmp_path / "runs.db")
    assert api_key("list", "--db", db).output == "no keys\n"
    arguments = ("--role", "read", "--role", "worker", "--namespace", "a", "--namespace", "b", "--expires", "90d")
    key = api_key("create", "--db", db, "--name", "ci", *arguments).output.strip()
    shown = api_key("list", "--db", db).output
    assert key not in shown
    assert [key.split("_")[1], "ci", "live", "read", "worker", "a", "b"] == shown.split("\n")[1].split()[:7]


def test_the_file_holds_no_key_and_is_for_its_owner_only(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    key = api_key("create", "--db", str(db), "--name", "x", "--role", "read").output.strip()
    path = tmp_path / "runs.db-access"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = key.split("_", 2)[2]
    assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "x", "--role", "boss"), "--role is one of"),
        (("--name", "x", "--role", "read", "--expires", "soon"), "--expires"),
        (("--name", "x", "--role", "read", "--expires", "0d"), "--expires"),
        (("--name", "", "--role", "read"), "printable characters"),
        (("--name", "x", "--role", "read", "--namespace", ""), "at least one role"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = api_key("create", "--db", str(tmp_path / "runs.db"), *arguments)
    assert refused.exit_code in (1, 2)
    assert said in refused.output


def test_a_key_that_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    refused = api_key("revoke", "--db", str(tmp_path / "runs.db"), "abc")
    assert (refused.exit_code, "no key 'abc'" in refused.output) == (1, True)


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.db-access").write_bytes(b"this is no database" * 100)
    with pytest.raises(AccessFileError, match="not a database"):
        AccessFile.of_database(tmp_path / "runs.db")
    with pytest.raises(AccessFileError, match="cannot be opened"):
        AccessFile.of_database(tmp_path / "no folder" / "runs.db")


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    with AccessFile.of_database(tmp_path / "runs.db") as file:
        first = file.secret
    with AccessFile.of_database(os.path.relpath(tmp_path / "runs.db")) as file:
        assert file.secret == first
    with sqlite3.connect(tmp_path / "runs.db-access") as connection:
        assert connection.execute("SELECT count(*), length(secret) FROM secret").fetchone() == (1, 32)
    connection.close()
