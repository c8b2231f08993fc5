"""The RPCs that look at many runs: list, count, and their older forms.

Each waits for what was acknowledged before it, so it sees that (invariant 11). A page token holds the place of the last
run shown, so runs that start meanwhile shift nothing; one that closes meanwhile may be shown again, never missed.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeVar

from temporalio.api.common.v1 import Memo, Payload, SearchAttributes
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.filter.v1 import StartTimeFilter
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    CountWorkflowExecutionsResponse,
    ListArchivedWorkflowExecutionsRequest,
    ListClosedWorkflowExecutionsRequest,
    ListClosedWorkflowExecutionsResponse,
    ListOpenWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
    ScanWorkflowExecutionsRequest,
    ScanWorkflowExecutionsResponse,
)

from tsuzuki.core.execution import RUNNING
from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.search_attributes import Kinds
from tsuzuki.core.times import set_duration, set_time, time_ns
from tsuzuki.store import (
    AllOf,
    Attribute,
    Between,
    Column,
    Compare,
    Condition,
    Position,
    StoredRun,
)

from ._engine import Engine
from ._history_pages import PAGE_BYTES_MAX
from ._lists_aside import ListsAside
from ._refusals import refusals_as_errors
from .list_filter import read_filter

Response = TypeVar(
    "Response",
    ListWorkflowExecutionsResponse,
    ScanWorkflowExecutionsResponse,
    ListOpenWorkflowExecutionsResponse,
    ListClosedWorkflowExecutionsResponse,
)

_PAGE: Final = struct.Struct(">qqq")
"""A page token: a `Position`."""
_PAGE_RUNS_DEFAULT: Final = 1000
_PAGE_RUNS_MAX: Final = 1000
_STATUS_NAMES: Final[dict[int, str]] = {
    number: "".join(word.capitalize() for word in name.removeprefix("WORKFLOW_EXECUTION_STATUS_").split("_"))
    for name, number in WorkflowExecutionStatus.items()
}


class _Attributes:
    """Those of one namespace, as a filter asks for them."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self._register = engine.search_attributes
        self._namespace = namespace

    @property
    def kinds(self) -> Kinds:
        return self._register.kinds(self._namespace)

    def attribute(self, name: str) -> Attribute:
        return self._register.attribute(self._namespace, name)


def condition_of(engine: Engine, namespace: str, query: str) -> Condition:
    """Which runs a filter finds.

    Raises:
        InvalidInput: It cannot be read.
    """
    return read_filter(query, _Attributes(engine, namespace)).condition


class Listing:
    def __init__(self, engine: Engine, aside: ListsAside) -> None:
        self._engine = engine
        self._aside = aside

    async def list_runs(self, request: ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse:
        return await self._by_filter(request, ListWorkflowExecutionsResponse())

    async def scan(self, request: ScanWorkflowExecutionsRequest) -> ScanWorkflowExecutionsResponse:
        return await self._by_filter(request, ScanWorkflowExecutionsResponse())

    async def _by_filter(self, request: Any, response: Response) -> Response:
        await self._look(request.namespace)
        with refusals_as_errors():
            condition = condition_of(self._engine, request.namespace, request.query)
        return await self._page(request.namespace, condition, request.page_size, request.next_page_token, response)

    async def list_open(self, request: ListOpenWorkflowExecutionsRequest) -> ListOpenWorkflowExecutionsResponse:
        await self._look(request.namespace)
        with refusals_as_errors():
            conditions = [Compare(Column("status"), "=", RUNNING), *_old_filters(request, "started_ns")]
        return await self._old_page(request, conditions, ListOpenWorkflowExecutionsResponse())

    async def list_closed(self, request: ListClosedWorkflowExecutionsRequest) -> ListClosedWorkflowExecutionsResponse:
        await self._look(request.namespace)
        with refusals_as_errors():
            conditions = [Compare(Column("status"), "!=", RUNNING), *_old_filters(request, "closed_ns")]
            if request.HasField("status_filter"):
                status = request.status_filter.status
                if status in (0, RUNNING):
                    raise InvalidInput("StatusFilter must be specified and must be not Running.")
                conditions[0] = Compare(Column("status"), "=", status)
        return await self._old_page(request, conditions, ListClosedWorkflowExecutionsResponse())

    async def _old_page(self, request: Any, conditions: Sequence[Condition], response: Response) -> Response:
        size, token = request.maximum_page_size, request.next_page_token
        return await self._page(request.namespace, AllOf(tuple(conditions)), size, token, response)

    async def list_archived(self, request: ListArchivedWorkflowExecutionsRequest) -> NoReturn:
        await self._look(request.namespace)
        with refusals_as_errors():
            raise InvalidInput("Cluster is not configured for visibility archival: this server keeps no archive.")

    async def count(self, request: CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse:
        await self._look(request.namespace)
        namespace = request.namespace
        with refusals_as_errors():
            asked = read_filter(request.query, _Attributes(self._engine, namespace))
        if not asked.by_status:
            count = await self._aside.ask(lambda lists: lists.count_runs(namespace, asked.condition))
            return CountWorkflowExecutionsResponse(count=count)
        groups = await self._aside.ask(lambda lists: lists.count_runs_by_status(namespace, asked.condition))
        response = CountWorkflowExecutionsResponse(count=sum(count for _, count in groups))
        for status, count in groups:
            name = json.dumps(_STATUS_NAMES[status]).encode()
            value = Payload(metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=name)
            response.groups.add(count=count, group_values=[value])
        return response

    async def _look(self, namespace: str) -> None:
        self._engine.check_open()
        self._engine.check_namespace(namespace)
        await self._engine.durable_if_writable()

    async def _page(
        self, namespace: str, condition: Condition, asked: int, token: bytes, response: Response
    ) -> Response:
        size = min(asked, _PAGE_RUNS_MAX) if asked > 0 else _PAGE_RUNS_DEFAULT
        with refusals_as_errors():
            before = _parse_page(token)
        runs = await self._aside.ask(lambda lists: lists.list_runs(namespace, condition, before, size + 1))
        shown: list[StoredRun] = []
        bytes_left = PAGE_BYTES_MAX  # memos may be large, and clients take 4 MiB
        for run in runs[:size]:
            bytes_left -= len(run.update.memo) + len(run.update.search_attributes)
            if shown and bytes_left < 0:
                break
            shown.append(run)
        response.executions.extend(map(self._info, shown))
        if len(runs) > len(shown):
            response.next_page_token = _PAGE.pack(*_position(shown[-1]))
        return response

    def _info(self, stored: StoredRun) -> WorkflowExecutionInfo:
        new, update = stored
        info = WorkflowExecutionInfo(
            status=update.status,  # type: ignore[arg-type]
            task_queue=new.task_queue,
            first_run_id=new.first_run_id,
            memo=Memo.FromString(update.memo),
            search_attributes=self._engine.search_attributes.typed(
                new.namespace, SearchAttributes.FromString(update.search_attributes)
            ),
        )
        info.execution.workflow_id = new.workflow_id
        info.execution.run_id = new.run_id
        info.type.name = new.workflow_type
        info.root_execution.workflow_id = new.root_workflow_id or new.workflow_id
        info.root_execution.run_id = new.root_run_id or new.run_id
        set_time(info.start_time, new.started_ns)
        set_time(info.execution_time, update.execution_ns)
        info.history_length = update.next_event_id - 1
        info.history_size_bytes = update.history_bytes
        if update.closed_ns is not None:
            set_time(info.close_time, update.closed_ns)
            set_duration(info.execution_duration, update.closed_ns - update.execution_ns)
        if new.parent_workflow_id:
            info.parent_execution.workflow_id = new.parent_workflow_id
            info.parent_execution.run_id = new.parent_run_id
        return info


def _old_filters(request: Any, time_column: str) -> list[Condition]:
    """The filters of the requests that know no query. A time range is of the start; of closed runs, of their end."""
    conditions: list[Condition] = []
    which = request.WhichOneof("filters")
    if which == "execution_filter":
        conditions.append(Compare(Column("workflow_id"), "=", request.execution_filter.workflow_id))
        if request.execution_filter.run_id:
            conditions.append(Compare(Column("run_id"), "=", request.execution_filter.run_id))
    elif which == "type_filter":
        conditions.append(Compare(Column("workflow_type"), "=", request.type_filter.name))
    if request.HasField("start_time_filter"):
        conditions.append(_time_range(request.start_time_filter, time_column))
    return conditions


def _time_range(asked: StartTimeFilter, column: str) -> Condition:
    earliest_ns = time_ns(asked.earliest_time)
    latest_ns = time_ns(asked.latest_time) if asked.HasField("latest_time") else _LATEST
    if earliest_ns > latest_ns:
        raise InvalidInput("EarliestTime in StartTimeFilter should not be larger than LatestTime.")
    return Between(Column(column), _within(earliest_ns), _within(latest_ns))


def _within(ns: int) -> int:
    """As near as a store can hold it."""
    return max(-_LATEST, min(_LATEST, ns))


_LATEST: Final = (1 << 63) - 1


def _position(run: StoredRun) -> Position:
    closed_ns = run.update.closed_ns
    return Position(_LATEST if closed_ns is None else closed_ns, run.new.started_ns, run.new.run_key)


def _parse_page(token: bytes) -> Position | None:
    if not token:
        return None
    try:
        return Position._make(_PAGE.unpack(token))
    except struct.error:
        raise InvalidInput("next_page_token is none of this engine's; pass the token as it was received.") from None
