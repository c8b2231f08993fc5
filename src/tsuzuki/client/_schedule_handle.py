"""Making schedules, looking at them and changing them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import urandom
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as _Overlap
from temporalio.api.schedule.v1 import ScheduleActionResult as _ActionResult
from temporalio.api.schedule.v1 import ScheduleListEntry, SchedulePatch
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListSchedulesRequest,
    PatchScheduleRequest,
    UpdateScheduleRequest,
)

from ..common import SearchAttributes, TypedSearchAttributes
from ..converter import decode_typed_search_attributes, encode_search_attributes
from ..service import StatusCode
from ._context import ClientContext
from ._errors import InvalidArgumentError, RPCError
from ._execution import WorkflowExecutionStatus, _time
from ._schedule import Schedule, ScheduleBackfill, ScheduleOverlapPolicy, ScheduleSpec, ScheduleState
from ._validation import check_name


class ScheduleNotFoundError(RPCError):
    """There is no schedule of this id."""


class ScheduleAlreadyRunningError(Exception):
    """A schedule of this id exists."""


@dataclass(frozen=True)
class ScheduleActionExecutionStartWorkflow:
    """A workflow that a schedule started."""

    workflow_id: str
    first_execution_run_id: str


@dataclass(frozen=True)
class ScheduleActionResult:
    """Something that a schedule did.

    Attributes:
        scheduled_at: The time it was due, as the specification names it.
        started_at: When it was done.
        action: What was started.
        status: How that stands.
    """

    scheduled_at: datetime
    started_at: datetime
    action: ScheduleActionExecutionStartWorkflow
    status: WorkflowExecutionStatus | None


@dataclass(frozen=True)
class ScheduleInfo:
    """What a schedule has done and will do."""

    num_actions: int
    num_actions_missed_catchup_window: int
    num_actions_skipped_overlap: int
    running_actions: Sequence[ScheduleActionExecutionStartWorkflow]
    recent_actions: Sequence[ScheduleActionResult]
    next_action_times: Sequence[datetime]
    created_at: datetime | None
    last_updated_at: datetime | None


class ScheduleDescription:
    """A schedule as the engine has it.

    Attributes:
        id: Its id.
        schedule: What it is; to be changed and given back in an update.
        info: What it has done and will do.
        typed_search_attributes: Its own, not those of its workflows.
        raw_description: The engine's answer.
    """

    def __init__(self, context: ClientContext, id: str, raw: DescribeScheduleResponse) -> None:
        self._context = context
        self.id = id
        self.schedule = Schedule._from_proto(context, raw.schedule)
        self.raw_description = raw
        self.typed_search_attributes: TypedSearchAttributes = decode_typed_search_attributes(
            raw.search_attributes.indexed_fields
        )
        info = raw.info
        self.info = ScheduleInfo(
            info.action_count,
            info.missed_catchup_window,
            info.overlap_skipped,
            [ScheduleActionExecutionStartWorkflow(each.workflow_id, each.run_id) for each in info.running_workflows],
            [_result(each) for each in info.recent_actions],
            [_moment(each) for each in info.future_action_times],
            _time(info, "create_time"),
            _time(info, "update_time"),
        )

    async def memo(self) -> dict[str, Any]:
        """Decode the schedule's memo."""
        fields = self.raw_description.memo.fields
        return {name: self._context.payloads.from_payload(value) for name, value in fields.items()}


@dataclass(frozen=True)
class ScheduleListDescription:
    """A schedule in a list.

    Attributes:
        id: Its id.
        workflow: The type of its workflows.
        spec: Its times, without exclusions.
        state: Its note and whether it is paused.
        recent_actions: The last five things it did.
        next_action_times: The next five times.
        typed_search_attributes: Its own.
    """

    id: str
    workflow: str
    spec: ScheduleSpec
    state: ScheduleState
    recent_actions: Sequence[ScheduleActionResult]
    next_action_times: Sequence[datetime]
    typed_search_attributes: TypedSearchAttributes


@dataclass(frozen=True)
class ScheduleUpdateInput:
    """What an update starts from."""

    description: ScheduleDescription


@dataclass(frozen=True)
class ScheduleUpdate:
    """What an update makes of it; `search_attributes` None leaves those as they are."""

    schedule: Schedule
    search_attributes: TypedSearchAttributes | None = None


class ScheduleHandle:
    """One schedule, by its id. Made by `Client.create_schedule` and `Client.get_schedule_handle`."""

    def __init__(self, context: ClientContext, id: str) -> None:
        self._context = context
        self.id = id

    def __repr__(self) -> str:
        return f"ScheduleHandle({self.id!r})"

    async def describe(self) -> ScheduleDescription:
        """Say what it is and what it has done.

        Raises:
            ScheduleNotFoundError: There is none of this id.

        Source: `DescribeSchedule`.
        """
        context = self._context
        answer = await context.calls.send(
            context.service.describe_schedule,
            DescribeScheduleRequest(namespace=context.namespace, schedule_id=self.id),
            not_found=ScheduleNotFoundError,
        )
        return ScheduleDescription(context, self.id, answer)

    async def update(
        self,
        updater: Callable[[ScheduleUpdateInput], ScheduleUpdate | Awaitable[ScheduleUpdate | None] | None],
    ) -> None:
        """Change it, unless somebody else does meanwhile.

        Args:
            updater: Given what there is, gives what there should be; None for no change.

        Raises:
            ScheduleNotFoundError: There is none of this id.
            RPCError: FAILED_PRECONDITION: it was changed meanwhile; try again.

        Source: `UpdateSchedule`.
        """
        context = self._context
        description = await self.describe()
        update = updater(ScheduleUpdateInput(description))
        if inspect.isawaitable(update):
            update = await update
        if update is None:
            return
        request = UpdateScheduleRequest(
            namespace=context.namespace,
            schedule_id=self.id,
            schedule=update.schedule._to_proto(context),
            conflict_token=description.raw_description.conflict_token,
            identity=context.identity,
            request_id=urandom(16).hex(),
        )
        if update.search_attributes is not None:
            request.search_attributes.SetInParent()
            encode_search_attributes(update.search_attributes, request.search_attributes)
        await context.calls.send_once(context.service.update_schedule, request, not_found=ScheduleNotFoundError)

    async def pause(self, *, note: str | None = None) -> None:
        """Start nothing until `unpause`, but what people ask for."""
        await self._patch(SchedulePatch(pause=note or "Paused via Python SDK"))

    async def unpause(self, *, note: str | None = None) -> None:
        """Go on; what was due meanwhile is left out."""
        await self._patch(SchedulePatch(unpause=note or "Unpaused via Python SDK"))

    async def trigger(self, *, overlap: ScheduleOverlapPolicy | None = None) -> None:
        """Act now.

        Args:
            overlap: Instead of the schedule's own policy.
        """
        patch = SchedulePatch()
        patch.trigger_immediately.overlap_policy = _Overlap.ValueType(overlap or 0)
        await self._patch(patch)

    async def backfill(self, *backfill: ScheduleBackfill) -> None:
        """Act on times of the past."""
        if not backfill:
            raise InvalidArgumentError("backfill needs at least one ScheduleBackfill")
        await self._patch(SchedulePatch(backfill_request=[each._to_proto() for each in backfill]))

    async def _patch(self, patch: SchedulePatch) -> None:
        context = self._context
        request = PatchScheduleRequest(
            namespace=context.namespace,
            schedule_id=self.id,
            patch=patch,
            identity=context.identity,
            request_id=urandom(16).hex(),
        )
        await context.calls.send_once(context.service.patch_schedule, request, not_found=ScheduleNotFoundError)

    async def delete(self) -> None:
        """Take it away; its workflows go on.

        Source: `DeleteSchedule`.
        """
        context = self._context
        request = DeleteScheduleRequest(namespace=context.namespace, schedule_id=self.id, identity=context.identity)
        await context.calls.send_once(context.service.delete_schedule, request, not_found=ScheduleNotFoundError)


async def create_schedule(
    context: ClientContext,
    id: str,
    schedule: Schedule,
    *,
    trigger_immediately: bool,
    backfill: Sequence[ScheduleBackfill],
    memo: Mapping[str, Any] | None,
    search_attributes: TypedSearchAttributes | SearchAttributes | None,
) -> ScheduleHandle:
    """See `Client.create_schedule`."""
    check_name("the schedule id", id)
    request = CreateScheduleRequest(
        namespace=context.namespace,
        schedule_id=id,
        schedule=schedule._to_proto(context),
        identity=context.identity,
        request_id=urandom(16).hex(),
    )
    if trigger_immediately:
        request.initial_patch.trigger_immediately.overlap_policy = _Overlap.ValueType(schedule.policy.overlap)
    if backfill:
        request.initial_patch.backfill_request.extend(each._to_proto() for each in backfill)
    for name, value in (memo or {}).items():
        request.memo.fields[name].CopyFrom(context.payloads.to_payload(value))
    if search_attributes is not None:
        encode_search_attributes(search_attributes, request.search_attributes)
    try:
        await context.calls.send(context.service.create_schedule, request)
    except RPCError as error:
        if error.status is StatusCode.ALREADY_EXISTS:
            raise ScheduleAlreadyRunningError(str(error)) from error
        raise
    return ScheduleHandle(context, id)


async def list_schedules(context: ClientContext, query: str, page_size: int) -> AsyncIterator[ScheduleListDescription]:
    """See `Client.list_schedules`."""
    token = b""
    while True:
        request = ListSchedulesRequest(
            namespace=context.namespace, maximum_page_size=page_size, next_page_token=token, query=query
        )
        page = await context.calls.send(context.service.list_schedules, request)
        for entry in page.schedules:
            yield _listed(entry)
        token = page.next_page_token
        if not token:
            return


def _listed(entry: ScheduleListEntry) -> ScheduleListDescription:
    info = entry.info
    return ScheduleListDescription(
        entry.schedule_id,
        info.workflow_type.name,
        ScheduleSpec._from_proto(info.spec),
        ScheduleState(info.notes or None, info.paused),
        [_result(each) for each in info.recent_actions],
        [_moment(each) for each in info.future_action_times],
        decode_typed_search_attributes(entry.search_attributes.indexed_fields),
    )


def _result(raw: _ActionResult) -> ScheduleActionResult:
    status = raw.start_workflow_status
    return ScheduleActionResult(
        _moment(raw.schedule_time),
        _moment(raw.actual_time),
        ScheduleActionExecutionStartWorkflow(raw.start_workflow_result.workflow_id, raw.start_workflow_result.run_id),
        WorkflowExecutionStatus(status) if status else None,
    )


def _moment(raw: Timestamp) -> datetime:
    return raw.ToDatetime(tzinfo=UTC)
