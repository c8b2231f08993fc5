"""The RPCs that make, show, change and delete namespaces."""

from __future__ import annotations

from typing import Final

from temporalio.api.enums.v1 import ArchivalState, NamespaceState, ReplicationState
from temporalio.api.errordetails.v1 import NamespaceAlreadyExistsFailure
from temporalio.api.namespace.v1 import NamespaceConfig, NamespaceInfo
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest, DeleteNamespaceResponse
from temporalio.api.replication.v1 import NamespaceReplicationConfig
from temporalio.api.workflowservice.v1 import (
    DeprecateNamespaceRequest,
    DeprecateNamespaceResponse,
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    ListNamespacesRequest,
    ListNamespacesResponse,
    RegisterNamespaceRequest,
    RegisterNamespaceResponse,
    UpdateNamespaceRequest,
    UpdateNamespaceResponse,
)

from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.times import SECOND, duration_ns, set_duration
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import NamespaceRow

from ._engine import Engine
from ._namespaces import DELETED, DEPRECATED, REGISTERED
from ._refusals import refusals_as_errors

RETENTION_NS_MIN: Final = 3600 * SECOND
RETENTION_NS_MAX: Final = 200 * 366 * 24 * 3600 * SECOND
CLUSTER: Final = "active"
"""What the one cluster of this server is called, as on Temporal's development server."""
_NAMESPACES_MAX: Final = 10_000
_PAGE_DEFAULT: Final = 100
_PAGE_MAX: Final = 1000
_INFO_BYTES_MAX: Final = 64 * 1024


class NamespaceRpcs:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ---- made and changed --------------------------------------------------------------------------

    async def register(self, request: RegisterNamespaceRequest) -> RegisterNamespaceResponse:
        engine = self._engine
        engine.check_writable()
        name = request.namespace
        with refusals_as_errors():
            check_id("the namespace", name, engine.limits)
            retention_ns = duration_ns(request.workflow_execution_retention_period)
            _check_retention(retention_ns)
            data = _data(dict(request.data), request.description, request.owner_email)
            if request.is_global_namespace:
                raise InvalidInput("global namespaces need several clusters; this server is one. Leave the flag out.")
        await engine.sweeper.gone(name)
        engine.check_writable()
        if engine.namespaces.get(name) is not None:
            raise ServiceError(
                StatusCode.ALREADY_EXISTS, f"namespace '{name}' is there already.", NamespaceAlreadyExistsFailure()
            )
        if len(engine.namespaces) >= _NAMESPACES_MAX:
            raise ServiceError(
                StatusCode.RESOURCE_EXHAUSTED, f"there are {_NAMESPACES_MAX:,} namespaces, which is the limit."
            )
        engine.namespaces.put(
            NamespaceRow(
                name, engine.new_id(), REGISTERED, retention_ns, request.description, request.owner_email, data
            )
        )
        engine.sweeper.look()
        await engine.durable()
        return RegisterNamespaceResponse()

    async def update(self, request: UpdateNamespaceRequest) -> UpdateNamespaceResponse:
        engine = self._engine
        engine.check_writable()
        row = engine.namespaces.find(request.namespace)
        info = request.update_info
        with refusals_as_errors():
            if request.promote_namespace or len(request.replication_config.clusters) > 1:
                raise InvalidInput("global namespaces need several clusters; this server is one.")
            if request.delete_bad_binary:
                raise InvalidInput("bad binaries are not kept by this server.")
            if request.HasField("config"):
                row = row._replace(retention_ns=_new_retention_ns(row, request.config))
            if info.state:
                row = row._replace(state=_new_state(row, info.state))
            data = dict(NamespaceInfo.FromString(row.data).data) | dict(info.data)
            words = info.description or row.description, info.owner_email or row.owner_email
            row = row._replace(description=words[0], owner_email=words[1], data=_data(data, *words))
        engine.namespaces.put(row)
        engine.sweeper.look()
        await engine.durable()
        response = UpdateNamespaceResponse()
        _fill(response, row)
        return response

    async def deprecate(self, request: DeprecateNamespaceRequest) -> DeprecateNamespaceResponse:
        engine = self._engine
        engine.check_writable()
        engine.namespaces.put(engine.namespaces.find(request.namespace)._replace(state=DEPRECATED))
        await engine.durable()
        return DeprecateNamespaceResponse()

    async def delete(self, request: DeleteNamespaceRequest) -> DeleteNamespaceResponse:
        """It is gone for its users when this answers; its runs go after that, in steps, and nobody is told of them."""
        engine = self._engine
        engine.check_writable()
        with refusals_as_errors():
            if request.namespace and request.namespace_id:
                raise InvalidInput("the request has a name and an id of the namespace; give one of them.")
        namespaces = engine.namespaces
        row = namespaces.find_id(request.namespace_id) if request.namespace_id else namespaces.find(request.namespace)
        row = row._replace(state=DELETED)
        namespaces.put(row)
        engine.matching.end_polls(row.name)
        await engine.durable()
        engine.sweeper.look()
        return DeleteNamespaceResponse(deleted_namespace=_shown_name(row))

    # ---- shown -------------------------------------------------------------------------------------

    async def describe(self, request: DescribeNamespaceRequest) -> DescribeNamespaceResponse:
        engine = self._engine
        engine.check_open()
        with refusals_as_errors():
            if request.namespace and request.id:
                raise InvalidInput("the request has a name and an id of the namespace; give one of them.")
        row = engine.namespaces.find_id(request.id) if request.id else engine.namespaces.find(request.namespace)
        await engine.durable_if_writable()
        response = DescribeNamespaceResponse()
        _fill(response, row)
        self._fill_limits(response.namespace_info)
        return response

    async def list_namespaces(self, request: ListNamespacesRequest) -> ListNamespacesResponse:
        engine = self._engine
        engine.check_open()
        await engine.durable_if_writable()
        after = request.next_page_token.decode("utf-8", "replace")
        deleted_too = request.namespace_filter.include_deleted
        rows = [row for row in engine.namespaces if row.name > after and (deleted_too or row.state != DELETED)]
        size = min(request.page_size, _PAGE_MAX) if request.page_size > 0 else _PAGE_DEFAULT
        response = ListNamespacesResponse()
        for row in rows[:size]:
            shown = response.namespaces.add()
            _fill(shown, row)
            self._fill_limits(shown.namespace_info)
        if len(rows) > size:
            response.next_page_token = rows[size - 1].name.encode()
        return response

    def _fill_limits(self, info: NamespaceInfo) -> None:
        limits = self._engine.limits_of(info.name)
        info.limits.blob_size_limit_error = limits.payload_bytes_max
        info.limits.memo_size_limit_error = limits.memo_bytes_max


def _fill(response: DescribeNamespaceResponse | UpdateNamespaceResponse, row: NamespaceRow) -> None:
    info = response.namespace_info
    info.MergeFromString(row.data)
    info.name = _shown_name(row)
    info.id = row.namespace_id
    info.state = NamespaceState.ValueType(row.state)
    info.description = row.description
    info.owner_email = row.owner_email
    config = response.config
    set_duration(config.workflow_execution_retention_ttl, row.retention_ns)
    config.bad_binaries.SetInParent()
    config.history_archival_state = ArchivalState.ARCHIVAL_STATE_DISABLED
    config.visibility_archival_state = ArchivalState.ARCHIVAL_STATE_DISABLED
    _fill_replication(response.replication_config)


def _fill_replication(config: NamespaceReplicationConfig) -> None:
    config.active_cluster_name = CLUSTER
    config.clusters.add().cluster_name = CLUSTER
    config.state = ReplicationState.REPLICATION_STATE_NORMAL


def _shown_name(row: NamespaceRow) -> str:
    return f"{row.name}-deleted-{row.namespace_id[:5]}" if row.state == DELETED else row.name


def _data(data: dict[str, str], description: str, owner_email: str) -> bytes:
    info = NamespaceInfo(data=data)
    size = info.ByteSize() + len(description) + len(owner_email)
    if size > _INFO_BYTES_MAX:
        raise InvalidInput(
            f"the description, owner and data of a namespace have {size:,} bytes, the limit is {_INFO_BYTES_MAX:,}."
        )
    return info.SerializeToString(deterministic=True)


def _check_retention(retention_ns: int) -> None:
    if not RETENTION_NS_MIN <= retention_ns <= RETENTION_NS_MAX:
        raise InvalidInput(
            f"the retention of a namespace is {retention_ns / SECOND:g} s; it must be at least one hour and at most "
            "200 years. After it closed runs are deleted."
        )


def _new_retention_ns(row: NamespaceRow, config: NamespaceConfig) -> int:
    asked_ns = duration_ns(config.workflow_execution_retention_ttl)
    if asked_ns or row.retention_ns:  # a namespace that keeps its runs for ever may go on doing so
        _check_retention(asked_ns)
    return asked_ns


def _new_state(row: NamespaceRow, state: NamespaceState.ValueType) -> int:
    if state == DELETED:
        raise InvalidInput("a namespace is deleted with DeleteNamespace of the operator service.")
    if state not in (row.state, DEPRECATED):
        name = NamespaceState.Name(state)
        raise InvalidInput(f"namespace '{row.name}' cannot become {name}: what is deprecated stays so.")
    return state
