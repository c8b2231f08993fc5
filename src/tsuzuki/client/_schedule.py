"""What a schedule is: its times, what it starts, its policies and state; in the shapes of the `temporalio` package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

import temporalio.api.schedule.v1 as api
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as _Overlap
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo

from ..common import Priority, RetryPolicy, SearchAttributes, TypedSearchAttributes
from ..workflow import name_and_result_type
from ._context import ClientContext
from ._errors import InvalidArgumentError
from ._execution import _time
from ._start import start_request
from ._validation import UNSET, arguments


class ScheduleOverlapPolicy(IntEnum):
    """What happens to a start while a workflow of the schedule runs."""

    SKIP = 1
    BUFFER_ONE = 2
    BUFFER_ALL = 3
    CANCEL_OTHER = 4
    TERMINATE_OTHER = 5
    ALLOW_ALL = 6


@dataclass(frozen=True)
class ScheduleRange:
    """Numbers from `start` to `end` (the default: only `start`) by `step` (the default: 1)."""

    start: int
    end: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        if self.end < self.start:
            object.__setattr__(self, "end", self.start)
        if self.step == 0:
            object.__setattr__(self, "step", 1)


@dataclass
class ScheduleCalendarSpec:
    """Times whose every field is in one of its ranges; `year` empty is any year, Sunday is 0."""

    second: Sequence[ScheduleRange] = (ScheduleRange(0),)
    minute: Sequence[ScheduleRange] = (ScheduleRange(0),)
    hour: Sequence[ScheduleRange] = (ScheduleRange(0),)
    day_of_month: Sequence[ScheduleRange] = (ScheduleRange(1, 31),)
    month: Sequence[ScheduleRange] = (ScheduleRange(1, 12),)
    year: Sequence[ScheduleRange] = ()
    day_of_week: Sequence[ScheduleRange] = (ScheduleRange(0, 6),)
    comment: str | None = None

    def _to_proto(self) -> api.StructuredCalendarSpec:
        proto = api.StructuredCalendarSpec(comment=self.comment or "")
        for name in _FIELDS:
            for each in getattr(self, name):
                getattr(proto, name).add(start=each.start, end=each.end, step=each.step)
        return proto

    @classmethod
    def _from_proto(cls, proto: api.StructuredCalendarSpec) -> ScheduleCalendarSpec:
        ranges = {
            name: tuple(ScheduleRange(each.start, each.end, each.step) for each in getattr(proto, name))
            for name in _FIELDS
        }
        return cls(**ranges, comment=proto.comment or None)


_FIELDS: Final = ("second", "minute", "hour", "day_of_month", "month", "year", "day_of_week")


@dataclass
class ScheduleIntervalSpec:
    """Every so often, counted from 1970; `offset` shifts that. Whole seconds."""

    every: timedelta
    offset: timedelta | None = None


@dataclass
class ScheduleSpec:
    """The times of a schedule: those of all its calendars, intervals and cron strings together.

    Attributes:
        calendars: By the fields of a date.
        intervals: Every so often.
        cron_expressions: `0 12 * * MON-FRI`; an engine gives them back as calendars.
        skip: Calendars whose times are left out.
        start_at: Times before it are left out.
        end_at: Times after it are left out.
        jitter: Each time is delayed by up to this long, never past the next one.
        time_zone_name: In which the fields of dates are read; the default is UTC.
    """

    calendars: Sequence[ScheduleCalendarSpec] = field(default_factory=list)
    intervals: Sequence[ScheduleIntervalSpec] = field(default_factory=list)
    cron_expressions: Sequence[str] = field(default_factory=list)
    skip: Sequence[ScheduleCalendarSpec] = field(default_factory=list)
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter: timedelta | None = None
    time_zone_name: str | None = None

    def _to_proto(self) -> api.ScheduleSpec:
        proto = api.ScheduleSpec(
            structured_calendar=[each._to_proto() for each in self.calendars],
            cron_string=self.cron_expressions,
            exclude_structured_calendar=[each._to_proto() for each in self.skip],
            timezone_name=self.time_zone_name or "",
        )
        for interval in self.intervals:
            added = proto.interval.add()
            added.interval.FromTimedelta(interval.every)
            if interval.offset is not None:
                added.phase.FromTimedelta(interval.offset)
        for target, at in ((proto.start_time, self.start_at), (proto.end_time, self.end_at)):
            if at is not None:
                target.FromDatetime(_in_utc(at))
        if self.jitter is not None:
            proto.jitter.FromTimedelta(self.jitter)
        return proto

    @classmethod
    def _from_proto(cls, proto: api.ScheduleSpec) -> ScheduleSpec:
        return cls(
            calendars=[ScheduleCalendarSpec._from_proto(each) for each in proto.structured_calendar],
            intervals=[
                ScheduleIntervalSpec(
                    each.interval.ToTimedelta(), each.phase.ToTimedelta() if each.HasField("phase") else None
                )
                for each in proto.interval
            ],
            cron_expressions=list(proto.cron_string),
            skip=[ScheduleCalendarSpec._from_proto(each) for each in proto.exclude_structured_calendar],
            start_at=_time(proto, "start_time"),
            end_at=_time(proto, "end_time"),
            jitter=proto.jitter.ToTimedelta() if proto.HasField("jitter") else None,
            time_zone_name=proto.timezone_name or None,
        )


@dataclass
class SchedulePolicy:
    """How a schedule behaves.

    Attributes:
        overlap: What happens to a start while a workflow of the schedule runs.
        catchup_window: How late a start may be, after a crash say; later ones are missed. At least 10 s.
        pause_on_failure: A workflow that fails or times out pauses the schedule.
    """

    overlap: ScheduleOverlapPolicy = ScheduleOverlapPolicy.SKIP
    catchup_window: timedelta = timedelta(days=365)
    pause_on_failure: bool = False


@dataclass
class ScheduleState:
    """What changes while a schedule lives.

    Attributes:
        note: For people; a pause sets it.
        paused: It starts nothing, but what people ask for.
        limited_actions: `remaining_actions` counts.
        remaining_actions: How many more workflows it starts.
    """

    note: str | None = None
    paused: bool = False
    limited_actions: bool = False
    remaining_actions: int = 0


class ScheduleActionStartWorkflow:
    """Start a workflow; the time is added to its id.

    Args:
        workflow: The workflow class, its `@workflow.run` method, or its name.
        arg: Its argument; `args` for several.
        id: Beginning of the workflow ids, which go on with the time: `report-2026-01-01T00:00:00Z`.
        task_queue: Where a worker polls for it.
        execution_timeout: See `StartWorkflowOptions`, as the rest.
    """

    def __init__(
        self,
        workflow: str | Callable[..., Any] | type,
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        id: str,
        task_queue: str,
        execution_timeout: timedelta | None = None,
        run_timeout: timedelta | None = None,
        task_timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
        memo: Mapping[str, Any] | None = None,
        typed_search_attributes: TypedSearchAttributes | SearchAttributes | None = None,
        static_summary: str | None = None,
        static_details: str | None = None,
        priority: Priority | None = None,
    ) -> None:
        self.workflow = workflow if isinstance(workflow, str) else name_and_result_type(workflow)[0]
        self.args = arguments(arg, args)
        self.id = id
        self.task_queue = task_queue
        self._options: dict[str, Any] = {
            "execution_timeout": execution_timeout,
            "run_timeout": run_timeout,
            "task_timeout": task_timeout,
            "retry_policy": retry_policy,
            "memo": memo,
            "search_attributes": typed_search_attributes,
            "static_summary": static_summary,
            "static_details": static_details,
            "priority": priority,
        }
        self._raw: NewWorkflowExecutionInfo | None = None
        """As it was received; kept, so that an update changes nothing of it but what was set anew."""
        self._received_args: list[Any] = []

    def set_options(self, **options: Any) -> None:
        """Set options anew; what is not named stays, also of an action that was received.

        Args:
            options: Of `StartWorkflowOptions`, those that a schedule has: the timeouts, `retry_policy`, `memo`,
                `search_attributes`, `static_summary`, `static_details`, `priority`.

        Raises:
            TypeError: There is no such option.
        """
        unknown = ", ".join(options.keys() - self._options.keys())
        if unknown:
            raise TypeError(f"a schedule has no option {unknown}; it has {', '.join(self._options)}")
        self._options.update(options)

    def _write(self, context: ClientContext, proto: NewWorkflowExecutionInfo) -> None:
        given = {name: value for name, value in self._options.items() if value is not None}
        args = self.args if self._raw is None else ()
        request = start_request(context, self.workflow, args, {"id": self.id, "task_queue": self.task_queue, **given})
        if self._raw is not None:
            proto.CopyFrom(self._raw)
            proto.workflow_id, proto.task_queue.name, proto.workflow_type.name = self.id, self.task_queue, self.workflow
            if list(self.args) != self._received_args:
                proto.input.CopyFrom(context.payloads.to_payloads_wrapper(self.args))
            for name in {_FIELDS_OF_OPTIONS.get(option, option) for option in given}:
                if name not in _IN_PARTS:
                    proto.ClearField(name)  # type: ignore[arg-type]
                getattr(proto, name).MergeFrom(getattr(request, name))
            return
        for descriptor, value in request.ListFields():
            if descriptor.name in _SHARED and descriptor.message_type is None:
                setattr(proto, descriptor.name, value)
            elif descriptor.name in _SHARED:
                getattr(proto, descriptor.name).CopyFrom(value)

    @classmethod
    def _from_proto(cls, context: ClientContext, proto: NewWorkflowExecutionInfo) -> ScheduleActionStartWorkflow:
        action = cls(proto.workflow_type.name, id=proto.workflow_id, task_queue=proto.task_queue.name)
        action.args = context.payloads.from_payloads_wrapper(proto.input)
        action._received_args = list(action.args)
        action._raw = NewWorkflowExecutionInfo()
        action._raw.CopyFrom(proto)
        return action


_FIELDS_OF_OPTIONS: Final = {
    "execution_timeout": "workflow_execution_timeout",
    "run_timeout": "workflow_run_timeout",
    "task_timeout": "workflow_task_timeout",
    "static_summary": "user_metadata",
    "static_details": "user_metadata",
}
_IN_PARTS: Final = frozenset({"user_metadata", "priority"})
"""Fields of which a part may be given: the rest of it stays."""
_SHARED: Final = frozenset(
    field.name for field in NewWorkflowExecutionInfo.DESCRIPTOR.fields if field.name != "workflow_id_reuse_policy"
)


@dataclass
class Schedule:
    """What is started when, and how.

    Attributes:
        action: What is started.
        spec: When.
        policy: How.
        state: What changes while it lives.
    """

    action: ScheduleActionStartWorkflow
    spec: ScheduleSpec
    policy: SchedulePolicy = field(default_factory=SchedulePolicy)
    state: ScheduleState = field(default_factory=ScheduleState)

    def _to_proto(self, context: ClientContext) -> api.Schedule:
        if self.state.remaining_actions and not self.state.limited_actions:
            raise InvalidArgumentError("remaining_actions counts only with limited_actions=True; set both, or neither.")
        proto = api.Schedule(spec=self.spec._to_proto())
        self.action._write(context, proto.action.start_workflow)
        proto.policies.overlap_policy = _Overlap.ValueType(self.policy.overlap)
        proto.policies.catchup_window.FromTimedelta(self.policy.catchup_window)
        proto.policies.pause_on_failure = self.policy.pause_on_failure
        proto.state.notes = self.state.note or ""
        proto.state.paused = self.state.paused
        proto.state.limited_actions = self.state.limited_actions
        proto.state.remaining_actions = self.state.remaining_actions
        return proto

    @classmethod
    def _from_proto(cls, context: ClientContext, proto: api.Schedule) -> Schedule:
        policies, state = proto.policies, proto.state
        return cls(
            ScheduleActionStartWorkflow._from_proto(context, proto.action.start_workflow),
            ScheduleSpec._from_proto(proto.spec),
            SchedulePolicy(
                ScheduleOverlapPolicy(policies.overlap_policy or 1),
                policies.catchup_window.ToTimedelta(),
                policies.pause_on_failure,
            ),
            ScheduleState(state.notes or None, state.paused, state.limited_actions, state.remaining_actions),
        )


@dataclass
class ScheduleBackfill:
    """Times of the past to act on, both bounds included; `overlap` instead of the schedule's own policy."""

    start_at: datetime
    end_at: datetime
    overlap: ScheduleOverlapPolicy | None = None

    def _to_proto(self) -> api.BackfillRequest:
        proto = api.BackfillRequest(overlap_policy=_Overlap.ValueType(self.overlap or 0))
        proto.start_time.FromDatetime(_in_utc(self.start_at))
        proto.end_time.FromDatetime(_in_utc(self.end_at))
        return proto


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise InvalidArgumentError(f"{at} has no time zone; add tzinfo=UTC")
    return at.astimezone(UTC)
