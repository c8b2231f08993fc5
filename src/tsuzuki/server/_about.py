"""What the server says of itself; it announces what the service behind it offers, and nothing else."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message
from temporalio.api.namespace.v1 import NamespaceInfo
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceResponse,
    GetClusterInfoRequest,
    GetClusterInfoResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    ListNamespacesResponse,
    UpdateNamespaceResponse,
)

from tsuzuki import __version__

SERVER_VERSION: Final = f"tsuzuki-{__version__}"


class About:
    """The RPCs that need no engine."""

    def __init__(self, service: object, *, cluster_id: str, persistence: str) -> None:
        self._service = service
        self._cluster_id = cluster_id
        self._persistence = persistence

    def _offers(self, method: str) -> bool:
        return hasattr(self._service, method)

    async def get_system_info(self, request: GetSystemInfoRequest) -> GetSystemInfoResponse:
        return GetSystemInfoResponse(
            server_version=SERVER_VERSION,
            capabilities=GetSystemInfoResponse.Capabilities(
                signal_and_query_header=True,
                internal_error_differentiation=True,
                activity_failure_include_heartbeat=True,
                supports_schedules=self._offers("create_schedule"),
                encoded_failure_attributes=True,
                upsert_memo=True,
                eager_workflow_start=True,
                sdk_metadata=True,
            ),
        )

    async def get_cluster_info(self, request: GetClusterInfoRequest) -> GetClusterInfoResponse:
        response = GetClusterInfoResponse(
            server_version=SERVER_VERSION,
            cluster_id=self._cluster_id,
            cluster_name="active",
            history_shard_count=1,
            persistence_store=self._persistence,
            visibility_store=self._persistence,
        )
        response.version_info.current.version = __version__
        return response

    def complete(self, response: Message) -> None:
        """Say what the namespaces in an answer can do."""
        if isinstance(response, (DescribeNamespaceResponse, UpdateNamespaceResponse)):
            self._complete_namespace(response.namespace_info)
        elif isinstance(response, ListNamespacesResponse):
            for namespace in response.namespaces:
                self._complete_namespace(namespace.namespace_info)

    def _complete_namespace(self, info: NamespaceInfo) -> None:
        capabilities = info.capabilities
        capabilities.eager_workflow_start = True
        capabilities.sync_update = self._offers("update_workflow_execution")
        capabilities.async_update = self._offers("poll_workflow_execution_update")
        capabilities.worker_heartbeats = self._offers("record_worker_heartbeat")
        capabilities.worker_poll_complete_on_shutdown = self._offers("shutdown_worker")
        capabilities.workflow_pause = self._offers("pause_workflow_execution")
        info.supports_schedules = self._offers("create_schedule")
