"""The part of the client that makes and finds schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ..common import SearchAttributes, TypedSearchAttributes
from ._context import ClientContext
from ._schedule import Schedule, ScheduleBackfill
from ._schedule_handle import ScheduleHandle, ScheduleListDescription, create_schedule, list_schedules
from ._validation import check_name


class SchedulingClient:
    """See the module; `Client` is made of it."""

    _context: ClientContext

    async def create_schedule(
        self,
        id: str,
        schedule: Schedule,
        *,
        trigger_immediately: bool = False,
        backfill: Sequence[ScheduleBackfill] = (),
        memo: Mapping[str, Any] | None = None,
        search_attributes: TypedSearchAttributes | SearchAttributes | None = None,
    ) -> ScheduleHandle:
        """Make a schedule, which starts workflows at its times.

        Args:
            id: Its id, 1 to 1000 characters.
            schedule: What it starts when, and how.
            trigger_immediately: It acts once now.
            backfill: Times of the past to act on.
            memo: Values shown with the schedule.
            search_attributes: Of the schedule, not of its workflows.

        Raises:
            ScheduleAlreadyRunningError: There is one of this id.
            InvalidArgumentError: The message names what is wrong in it.

        Source: `CreateSchedule`.
        """
        return await create_schedule(
            self._context,
            id,
            schedule,
            trigger_immediately=trigger_immediately,
            backfill=backfill,
            memo=memo,
            search_attributes=search_attributes,
        )

    def get_schedule_handle(self, id: str) -> ScheduleHandle:
        """Make a handle for a schedule. No call is made."""
        check_name("the schedule id", id)
        return ScheduleHandle(self._context, id)

    async def list_schedules(
        self, query: str | None = None, *, page_size: int = 1000
    ) -> AsyncIterator[ScheduleListDescription]:
        """Iterate over the schedules, the newest first: `async for each in await client.list_schedules()`.

        Args:
            query: List filter over ScheduleId, TemporalSchedulePaused and search attributes of schedules.
            page_size: Most schedules of one call.

        Source: `ListSchedules`.
        """
        return list_schedules(self._context, query or "", page_size)
