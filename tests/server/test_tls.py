"""A server with TLS, client certificates and keys: our client, the official SDK and the official command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import temporalio.client
import temporalio.service
import temporalio.worker
import trustme
from typer.testing import CliRunner

from server import _official_program as program
from server._running import in_process, in_subprocess
from server.test_own_worker import Doubling, double
from tsuzuki.cli._app import _app
from tsuzuki.client import Client, ServiceUnavailableError
from tsuzuki.server import AccessFile, Role, Server, ServerOptions, TlsFileError, TlsFiles
from tsuzuki.service import TLSConfig
from tsuzuki.worker import Worker


@dataclass
class Certificates:
    """Files of two authorities: of the server, and of its clients."""

    server: TlsFiles
    ca: Path
    client_cert: Path
    client_key: Path

    def of_client(self) -> TLSConfig:
        """What a client needs to trust the server and to be trusted."""
        return TLSConfig(
            server_root_ca_cert=self.ca.read_bytes(),
            client_cert=self.client_cert.read_bytes(),
            client_private_key=self.client_key.read_bytes(),
        )


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority, clients = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    clients.cert_pem.write_to_path(tmp_path / "clients.pem")
    own = authority.issue_cert("127.0.0.1", "localhost")
    own.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    own.private_key_pem.write_to_path(tmp_path / "server.key")
    client = clients.issue_cert("worker@example.org", common_name="worker")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    files = TlsFiles(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "clients.pem")
    return Certificates(files, tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key")


@dataclass
class Secured:
    """A server that wants both a key and a client certificate."""

    server: Server
    worker_key: str
    writer_key: str


@pytest_asyncio.fixture
async def secured(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Secured]:
    db = tmp_path / "runs.db"
    with AccessFile.of_database(db) as file:
        worker, writer = (
            file.create(role.value, namespaces=["default"], roles=[role], now_s=0, expires_s=None)
            for role in (Role.WORKER, Role.WRITE)
        )
    options = ServerOptions(db=db, port=0, tls=certificates.server, authentication="api key")
    async with in_process(options) as server:
        yield Secured(server, worker, writer)


async def test_our_worker_and_client_with_keys_and_certificates(secured: Secured, certificates: Certificates) -> None:
    tls, target = certificates.of_client(), secured.server.target
    async with (
        await Client.connect(target, tls=tls, api_key=secured.writer_key) as client,
        await Client.connect(target, tls=tls, api_key=secured.worker_key) as working,
        Worker(working, task_queue="q", workflows=[Doubling], activities=[double]),
    ):
        handle = await client.start_workflow(Doubling.run, 3, id="d", task_queue="q")
        await handle.signal(Doubling.begin, 1)
        assert await handle.result() == 8


async def test_the_official_worker_and_client_with_keys_and_certificates(
    secured: Secured, certificates: Certificates
) -> None:
    tls, target = certificates.of_client(), secured.server.target
    connect = temporalio.client.Client.connect
    client = await connect(target, tls=tls, api_key=secured.writer_key)
    working = await connect(target, tls=tls, api_key=secured.worker_key)
    async with temporalio.worker.Worker(
        working, task_queue="q", workflows=program.WORKFLOWS, activities=program.ACTIVITIES
    ):
        handle = await client.start_workflow(program.Counter.run, id="c", task_queue="q")
        assert await handle.execute_update(program.Counter.add_and_get, 3) == 3
        assert await handle.query(program.Counter.total_now) == 3
        await handle.signal(program.Counter.finish)
        assert await handle.result() == 3
        for number in range(30):  # more than one page, and a cache that forgets, read history with the worker's key
            await client.execute_workflow(program.Many.run, 3, id=f"many {number}", task_queue="q")


async def test_without_a_certificate_there_is_no_connection(secured: Secured, certificates: Certificates) -> None:
    tls = TLSConfig(server_root_ca_cert=certificates.ca.read_bytes())
    with pytest.raises(ServiceUnavailableError):
        await Client.connect(secured.server.target, tls=tls, api_key=secured.writer_key)


async def test_a_client_certificate_is_enough_where_there_are_no_keys(certificates: Certificates) -> None:
    options = ServerOptions(port=0, tls=certificates.server, authentication="client certificate")
    async with in_process(options) as server:
        tls = certificates.of_client()
        async with await Client.connect(server.target, tls=tls) as client:
            handle = await client.start_workflow(Doubling.run, 3, id="d", task_queue="q")
            assert (await handle.describe()).id == "d"


async def test_certificates_that_nobody_checks_are_no_authentication(certificates: Certificates) -> None:
    unchecked = TlsFiles(certificates.server.cert, certificates.server.key)
    for tls in (None, unchecked):
        with pytest.raises(TlsFileError, match="anyone would be let in"):
            await Server.start(ServerOptions(port=0, tls=tls, authentication="client certificate"))


@pytest.fixture
def secured_process(tmp_path: Path, certificates: Certificates) -> Iterator[tuple[str, str]]:
    """`tsuzuki server start` with TLS, its target and a key."""
    db = tmp_path / "runs.db"
    arguments = ["server", "api-key", "create", "--db", str(db), "--name", "cli", "--role", "write"]
    key = CliRunner().invoke(_app, arguments).output.strip()
    tls = ("--tls-cert", str(certificates.server.cert), "--tls-key", str(certificates.server.key))
    with in_subprocess(db, arguments=tls) as running:
        assert "callers         with a valid api key" in running.greeting
        yield running.target, key


def test_the_official_command_line_with_a_key(secured_process: tuple[str, str], certificates: Certificates) -> None:
    target, key = secured_process
    temporal = str(Path(sys.executable).with_name("temporal"))

    def run(*arguments: str, api_key: str = key) -> subprocess.CompletedProcess[str]:
        command = [temporal, *arguments, "--address", target, "--tls-ca-path", str(certificates.ca), "--output", "json"]
        if api_key:
            command += ["--api-key", api_key]
        else:
            command += ["--tls"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    started = run("workflow", "start", "--type", "T", "--task-queue", "q", "--workflow-id", "w")
    assert json.loads(started.stdout)["workflowId"] == "w"
    described = run("workflow", "describe", "--workflow-id", "w")
    assert json.loads(described.stdout)["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
    nobody = run("workflow", "describe", "--workflow-id", "w", api_key="")
    assert (nobody.returncode, "Request unauthorized" in nobody.stderr) == (1, True)
    elsewhere = run("workflow", "list", "--namespace", "other")
    assert (elsewhere.returncode, "Request unauthorized" in elsewhere.stderr) == (1, True)


def test_files_that_do_not_fit_are_refused(tmp_path: Path, certificates: Certificates) -> None:
    files = certificates.server
    for cert, key, said in [
        (tmp_path / "none.pem", files.key, "none.pem cannot be read"),
        (files.key, files.key, "holds no PEM block 'CERTIFICATE'"),
        (files.cert, files.cert, "holds no PEM block 'PRIVATE KEY'"),
        (files.cert, certificates.client_key, "are no certificate and its key"),
    ]:
        with pytest.raises(TlsFileError, match=said):
            TlsFiles(cert, key).credentials()
