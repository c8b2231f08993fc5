"""A schedule's specification: made canonical, and asked for its next time.

Times are whole seconds, as on Temporal's server. Jitter delays each by an amount that only the schedule and the time
decide, so that it is the same after a restart, and never past the next time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from temporalio.api.schedule.v1 import IntervalSpec, ScheduleSpec

from ..cron import duration_of
from ..times import SECOND, duration_ns, set_duration, time_ns
from .calendar import Calendar, canonical, compiled, from_cron, from_text, invalid

_EVERY: Final = "@every"
_PASSES_MAX: Final = 100_000
"""Excluded times that are passed over in search of one that is not."""
SECONDS_MAX: Final = 253_402_214_400
"""The last day of the year 9999 begins. Nothing is scheduled before 1970 or after that."""
_PARTS_MAX: Final = 1000
"""Calendars, intervals and exclusions of one schedule."""


class Times(NamedTuple):
    """One action of a schedule."""

    nominal_ns: int
    """As the specification names it."""
    actual_ns: int
    """When it is due: with jitter."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A specification that can be asked.

    Attributes:
        canonical: Without texts: cron strings and calendars are structured calendars, intervals.
    """

    canonical: ScheduleSpec
    _calendars: tuple[Calendar, ...]
    _excluded: tuple[Calendar, ...]
    _intervals: tuple[tuple[int, int], ...]

    def next_after(self, after_ns: int, seed: str) -> Times | None:
        """The first action whose nominal time is after a time; None if there is none (any more).

        Args:
            after_ns: Unix nanoseconds.
            seed: What makes the jitter of one schedule differ from another's.
        """
        spec = self.canonical
        second = after_ns // SECOND
        if spec.HasField("start_time"):
            second = max(second, (time_ns(spec.start_time) - SECOND) // SECOND)
        end_ns = time_ns(spec.end_time) if spec.HasField("end_time") else None
        second = min(max(second, -1), SECONDS_MAX)
        for _ in range(_PASSES_MAX):
            found = self._raw_next(second)
            if found is None or found > SECONDS_MAX or (end_ns is not None and found * SECOND > end_ns):
                return None
            if not any(calendar.fits(found) for calendar in self._excluded):
                return Times(found * SECOND, self._with_jitter(found, seed))
            second = found
        return None

    def between(self, after_ns: int, until_ns: int, seed: str) -> Iterator[Times]:
        """The actions after a time that are due until another one."""
        times = self.next_after(after_ns, seed)
        while times is not None and times.actual_ns <= until_ns:
            yield times
            times = self.next_after(times.nominal_ns, seed)

    def _raw_next(self, second: int) -> int | None:
        found = [calendar.next_after(second) for calendar in self._calendars]
        found += [((second - phase) // every + 1) * every + phase for every, phase in self._intervals]
        return min((each for each in found if each is not None), default=None)

    def _with_jitter(self, nominal: int, seed: str) -> int:
        most_ns = duration_ns(self.canonical.jitter)
        if most_ns <= 0:
            return nominal * SECOND
        following = self._raw_next(nominal)
        if following is not None:
            most_ns = min(most_ns, (following - nominal) * SECOND)
        share = zlib.crc32(f"{nominal} {seed}".encode())
        return nominal * SECOND + (most_ns * share >> 32)


def compile_spec(given: ScheduleSpec) -> Spec:
    """Read a specification.

    Raises:
        InvalidInput: It names what is wrong.
    """
    parts = len(given.cron_string) + len(given.calendar) + len(given.structured_calendar) + len(given.interval)
    if parts + len(given.exclude_calendar) + len(given.exclude_structured_calendar) > _PARTS_MAX:
        raise invalid(f"more than {_PARTS_MAX} calendars, intervals and exclusions")
    spec = ScheduleSpec()
    spec.CopyFrom(given)
    del spec.cron_string[:], spec.calendar[:], spec.structured_calendar[:], spec.interval[:]
    del spec.exclude_calendar[:], spec.exclude_structured_calendar[:]
    spec.structured_calendar.extend(canonical(calendar) for calendar in given.structured_calendar)
    spec.structured_calendar.extend(from_text(calendar) for calendar in given.calendar)
    spec.interval.extend(_checked(interval) for interval in given.interval)
    _take_zone(spec, [_add_cron(spec, text) for text in given.cron_string])
    spec.exclude_structured_calendar.extend(canonical(calendar) for calendar in given.exclude_structured_calendar)
    spec.exclude_structured_calendar.extend(from_text(calendar) for calendar in given.exclude_calendar)
    zone = _zone(spec)
    return Spec(
        spec,
        tuple(compiled(calendar, zone) for calendar in spec.structured_calendar),
        tuple(compiled(calendar, zone) for calendar in spec.exclude_structured_calendar),
        tuple(
            (duration_ns(interval.interval) // SECOND, duration_ns(interval.phase) // SECOND)
            for interval in spec.interval
        ),
    )


def _add_cron(spec: ScheduleSpec, text: str) -> str:
    """Give the name of the text's time zone, or nothing. An interval has none, whatever stands before it."""
    rest, zone = text.strip(), ""
    for prefix in ("CRON_TZ=", "TZ="):
        if rest.startswith(prefix):
            zone, _, rest = rest.removeprefix(prefix).partition(" ")
            rest = rest.strip()
    if rest.startswith(_EVERY):
        spec.interval.append(_checked(_every(text, rest.partition("#")[0].removeprefix(_EVERY).strip())))
        return ""
    spec.structured_calendar.append(from_cron(rest))
    return zone


def _take_zone(spec: ScheduleSpec, zones: list[str]) -> None:
    """A schedule has one time zone; cron strings may name it, all of them or none."""
    if not any(zones):
        return
    if len(set(zones)) > 1:
        raise invalid(f"the CronStrings name different time zones, or some none: {zones}; give each the same")
    if spec.timezone_name not in ("", zones[0]) or spec.timezone_data:
        raise invalid(
            f"the CronStrings have another time zone, {zones[0]!r}, than the schedule: {spec.timezone_name!r}"
        )
    spec.timezone_name = zones[0]


def _every(text: str, body: str) -> IntervalSpec:
    interval = IntervalSpec()
    every, slash, phase = body.partition("/")
    for target, part in [(interval.interval, every)] + [(interval.phase, phase)] * bool(slash):
        found = duration_of(part.strip())
        if found is None:
            raise invalid(f"CronString {text!r}: {part!r} is not a duration such as 90s, 1h30m or 1.5h")
        set_duration(target, found)
    return interval


def _checked(given: IntervalSpec) -> IntervalSpec:
    every, phase = duration_ns(given.interval), duration_ns(given.phase)
    if every < SECOND:
        raise invalid("interval is too small; expected 1 s or more")
    if phase < 0:
        raise invalid("phase is negative; expected 0 or more")
    if phase >= every:
        raise invalid("phase cannot be greater than Interval")
    return given


def _zone(spec: ScheduleSpec) -> tzinfo:
    if spec.timezone_data:
        raise invalid("timezone_data is not offered; give the name of a time zone, such as Asia/Tokyo")
    if spec.timezone_name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(spec.timezone_name)
    except (ValueError, OSError, LookupError):
        raise invalid(f"unknown time zone {spec.timezone_name}") from None
