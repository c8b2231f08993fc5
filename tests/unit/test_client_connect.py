"""Connecting: whose service is closed, and how long a server is waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from answering_service import AnsweringService, ManualTime
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from tsuzuki.client import Client, RPCError, ServiceUnavailableError, _connect
from tsuzuki.client._client import default_identity
from tsuzuki.service import ServiceError, StatusCode


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nothing listens on, and nothing else can take."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def test_without_waiting_a_missing_server_is_reported_at_once(closed_port: int) -> None:
    time = ManualTime()
    with pytest.raises(ServiceUnavailableError, match="Is a server listening there"):
        await Client.connect(f"127.0.0.1:{closed_port}", clock=time.clock, sleep=time.sleep)
    assert time.naps == []


async def test_waiting_probes_the_port_each_second_and_gives_up_at_the_deadline(closed_port: int) -> None:
    time = ManualTime()
    with pytest.raises(ServiceUnavailableError):
        await Client.connect(f"127.0.0.1:{closed_port}", wait=5, clock=time.clock, sleep=time.sleep)
    assert time.naps == [1.0] * 5


class NotYetServing:
    """Stands where the remote service stands: its port answers, and it does not speak yet."""

    @classmethod
    async def connect(cls, target: str, **options: object) -> None:
        raise ServiceError(StatusCode.UNAVAILABLE, f"{target} is initializing")


async def test_a_server_that_is_initializing_is_asked_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    time = ManualTime()
    monkeypatch.setattr(_connect, "RemoteWorkflowService", NotYetServing)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ServiceUnavailableError):
            await Client.connect(target, wait=200, clock=time.clock, sleep=time.sleep)
    assert time.naps == [*map(float, range(1, 16)), *[15.0] * 5]


class NamespaceComes:
    """A server that makes its namespace only after some time."""

    asked = 0

    @classmethod
    async def connect(cls, target: str, **options: object) -> NamespaceComes:
        return cls()

    async def describe_namespace(self, request: DescribeNamespaceRequest) -> None:
        NamespaceComes.asked += 1
        if NamespaceComes.asked <= 3:
            raise ServiceError(StatusCode.NOT_FOUND, f"Namespace {request.namespace} is not found.")

    async def close(self) -> None:
        """It has nothing."""


async def test_a_namespace_that_a_starting_server_has_yet_to_make_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = ManualTime()
    monkeypatch.setattr(_connect, "RemoteWorkflowService", NamespaceComes)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = f"127.0.0.1:{listening.getsockname()[1]}"
        async with await Client.connect(target, wait=60, clock=time.clock, sleep=time.sleep):
            assert time.naps == [1.0, 2.0, 3.0]
        time.naps.clear()
        NamespaceComes.asked = -100
        with pytest.raises(RPCError, match="not found"):  # misspelt: not for the whole minute
            await Client.connect(target, wait=60, clock=time.clock, sleep=time.sleep)
        assert time.naps == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_a_service_made_by_someone_else_is_not_closed() -> None:
    service = AnsweringService()
    async with Client(service.service) as client:
        assert client.service is service.service
        assert client.namespace == "default"
        assert client.identity == default_identity()
    assert service.requests == []


def test_the_default_identity_names_process_and_host() -> None:
    pid, _, host = default_identity().partition("@")
    assert pid.isdigit()
    assert host
