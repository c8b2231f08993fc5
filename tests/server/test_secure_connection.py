"""Connecting to a server that wants TLS, a client's certificate, a key or headers: what it sees, what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import trustme
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoResponse,
)

from tsuzuki.client import Client, ServiceUnavailableError
from tsuzuki.service import TLSConfig

HOST = "127.0.0.1"
ANSWERS: dict[str, Any] = {
    "GetSystemInfo": GetSystemInfoResponse(),
    "DescribeNamespace": DescribeNamespaceResponse(),
}


class Answering(grpc.GenericRpcHandler):
    """Answers the first calls of a client and keeps their headers."""

    def __init__(self) -> None:
        self.headers: dict[str, dict[str, str]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        name = handler_call_details.method.rpartition("/")[2]
        self.headers[name] = {key: str(value) for key, value in handler_call_details.invocation_metadata}

        async def answer(request: bytes, context: Any) -> bytes:
            return bytes(ANSWERS[name].SerializeToString())

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials | None) -> AsyncIterator[tuple[str, Answering]]:
    """A server with these credentials; its target and what it saw."""
    answering = Answering()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((answering,))
    if credentials is None:
        port = server.add_insecure_port(f"{HOST}:0")
    else:
        port = server.add_secure_port(f"{HOST}:0", credentials)
    await server.start()
    try:
        yield f"{HOST}:{port}", answering
    finally:
        await server.stop(0)


def credentials_of(authority: trustme.CA, *names: str, client_authority: trustme.CA | None = None) -> Any:
    certificate = authority.issue_cert(*names)
    return grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())],
        root_certificates=client_authority.cert_pem.bytes() if client_authority else None,
        require_client_auth=client_authority is not None,
    )


async def test_tls_by_an_authority_of_ones_own() -> None:
    authority = trustme.CA()
    async with serving(credentials_of(authority, HOST)) as (target, answering):
        tls = TLSConfig(server_root_ca_cert=authority.cert_pem.bytes())
        async with await Client.connect(target, tls=tls):
            assert "GetSystemInfo" in answering.headers


@pytest.mark.parametrize("tls", [True, TLSConfig(server_root_ca_cert=trustme.CA().cert_pem.bytes())])
async def test_a_certificate_of_an_unknown_authority_is_refused(tls: bool | TLSConfig) -> None:
    async with serving(credentials_of(trustme.CA(), HOST)) as (target, answering):
        with pytest.raises(ServiceUnavailableError, match=r"cannot connect to .* certificate is not accepted"):
            await Client.connect(target, tls=tls)
        assert answering.headers == {}
        with pytest.raises(ServiceUnavailableError, match=r"Does it want TLS: tls=True \(--tls\)\?"):
            await Client.connect(target)


async def test_a_certificate_of_another_name_needs_the_name() -> None:
    authority = trustme.CA()
    async with serving(credentials_of(authority, "temporal.example")) as (target, answering):
        root = authority.cert_pem.bytes()
        with pytest.raises(ServiceUnavailableError, match=r"NotValidForName.*domain="):
            await Client.connect(target, tls=TLSConfig(server_root_ca_cert=root))
        assert answering.headers == {}
        async with await Client.connect(target, tls=TLSConfig(server_root_ca_cert=root, domain="temporal.example")):
            assert "GetSystemInfo" in answering.headers


async def test_a_server_that_wants_a_certificate_of_the_client() -> None:
    authority, clients = trustme.CA(), trustme.CA()
    async with serving(credentials_of(authority, HOST, client_authority=clients)) as (target, answering):
        root = authority.cert_pem.bytes()
        with pytest.raises(ServiceUnavailableError):
            await Client.connect(target, tls=TLSConfig(server_root_ca_cert=root))
        assert answering.headers == {}
        own = clients.issue_cert("worker@example.org")
        tls = TLSConfig(
            server_root_ca_cert=root,
            client_cert=own.cert_chain_pems[0].bytes(),
            client_private_key=own.private_key_pem.bytes(),
        )
        async with await Client.connect(target, tls=tls):
            assert "GetSystemInfo" in answering.headers


async def test_the_key_and_the_headers_are_with_every_call() -> None:
    authority = trustme.CA()
    async with serving(credentials_of(authority, HOST)) as (target, answering):
        async with await Client.connect(
            target,
            namespace="tenant",
            tls=TLSConfig(server_root_ca_cert=authority.cert_pem.bytes()),
            api_key="secret",
            rpc_metadata={"x-region": "north"},
        ) as client:
            await client.service.describe_namespace(DescribeNamespaceRequest(namespace="tenant"))
        for call in ("GetSystemInfo", "DescribeNamespace"):
            seen = answering.headers[call]
            assert seen["authorization"] == "Bearer secret"
            assert (seen["x-region"], seen["temporal-namespace"]) == ("north", "tenant")


async def test_a_key_for_a_server_without_tls_names_the_way_to_go_without() -> None:
    async with serving(None) as (target, answering):
        with pytest.raises(ServiceUnavailableError, match=r"answers without TLS, .* tls=False \(--no-tls\)"):
            await Client.connect(target, api_key="secret")
        assert answering.headers == {}
        async with await Client.connect(target, api_key="secret", tls=False):
            assert answering.headers["GetSystemInfo"]["authorization"] == "Bearer secret"


async def test_without_tls_nothing_is_encrypted_and_no_key_is_sent() -> None:
    async with serving(None) as (target, answering), await Client.connect(target):
        assert "authorization" not in answering.headers["GetSystemInfo"]
