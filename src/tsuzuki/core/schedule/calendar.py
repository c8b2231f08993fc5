"""Calendars of a schedule: their text, their canonical form, and the times that they name.

The grammar is that of Temporal's schedules: a field is a list of `*`, numbers, names, ranges and steps. Cron strings
have five fields, six with a year, or seven with seconds too; `@hourly` and the like; a comment behind `#`.

Invariant: a time that a change of clocks leaves out is left out; one that it repeats comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from temporalio.api.schedule.v1 import CalendarSpec, Range, StructuredCalendarSpec

from ..cron import DESCRIPTORS
from ..refusal import InvalidInput

YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2100


class Field(NamedTuple):
    """One field of a calendar."""

    name: str
    label: str
    """As messages say it."""
    least: int
    most: int
    default: str
    """The text of a field that is left out."""


FIELDS: Final[tuple[Field, ...]] = (
    Field("second", "Second", 0, 59, "0"),
    Field("minute", "Minute", 0, 59, "0"),
    Field("hour", "Hour", 0, 23, "0"),
    Field("day_of_month", "DayOfMonth", 1, 31, "*"),
    Field("month", "Month", 1, 12, "*"),
    Field("year", "Year", YEAR_MIN, YEAR_MAX, "*"),
    Field("day_of_week", "DayOfWeek", 0, 6, "*"),
)
_BY_NAME: Final[Mapping[str, Field]] = {field.name: field for field in FIELDS}
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_CRON_FIELDS: Final[Mapping[int, tuple[str, ...]]] = {
    5: ("minute", "hour", "day_of_month", "month", "day_of_week"),
    6: ("minute", "hour", "day_of_month", "month", "day_of_week", "year"),
    7: ("second", "minute", "hour", "day_of_month", "month", "day_of_week", "year"),
}


def invalid(why: str) -> InvalidInput:
    return InvalidInput(f"Invalid schedule spec: {why}")


def from_text(calendar: CalendarSpec) -> StructuredCalendarSpec:
    """The canonical form of a calendar whose fields are texts.

    Raises:
        InvalidInput: It names the field.
    """
    structured = StructuredCalendarSpec(comment=calendar.comment)
    for field in FIELDS:
        text = getattr(calendar, field.name) or field.default
        if field.name == "year" and text == "*":
            continue
        getattr(structured, field.name).extend(_ranges(text, field))
    return structured


def from_cron(text: str) -> StructuredCalendarSpec:
    """The calendar of a cron string without its time zone.

    Raises:
        InvalidInput: It names what is wrong.
    """
    fields_text, _, comment = text.partition("#")
    expression = fields_text.strip()
    if expression.startswith("@"):
        if expression not in DESCRIPTORS:
            raise invalid(f"CronString {expression!r} is not one of {', '.join(DESCRIPTORS)}, @every <duration>")
        expression = DESCRIPTORS[expression]
    parts = expression.split()
    names = _CRON_FIELDS.get(len(parts))
    if names is None:
        raise invalid(f"CronString does not have 5-7 fields: {text!r} has {len(parts)}")
    calendar = CalendarSpec(comment=comment.strip())
    for name, part in zip(names, parts, strict=True):
        setattr(calendar, name, part)
    return from_text(calendar)


def _ranges(text: str, field: Field) -> list[Range]:
    found = [_range(part.strip(), field) for part in text.split(",")]
    if field.name != "day_of_week":
        return found
    first: list[Range] = []  # Sunday is 7 as well, and becomes 0
    kept: list[Range] = []
    for each in found:
        if each.end < 7:
            kept.append(each)
            continue
        if (7 - each.start) % each.step == 0 and not first:
            first.append(Range(start=0, end=0, step=1))
        if each.start < 7:
            kept.append(Range(start=each.start, end=6, step=each.step))
    return [*first, *kept]


def _range(text: str, field: Field) -> Range:
    span, slash, step_text = text.partition("/")
    step = 1
    if slash:
        if not step_text.isascii() or not step_text.isdigit() or not 0 < int(step_text[:9]) <= field.most:
            raise invalid(f"{field.label} has invalid Step: {text!r}")
        step = int(step_text)
    if span == "*":
        return Range(start=field.least, end=field.most, step=step)
    low, dash, high = span.partition("-")
    start = _number(low, field)
    end = _number(high, field) if dash else field.most if slash else start
    if end < start:
        raise invalid(f"{field.label} End is before Start: {text!r}")
    return Range(start=start, end=end, step=step)


def _number(text: str, field: Field) -> int:
    words: Sequence[str] = ()
    if field.name == "month":
        words = _MONTHS
    elif field.name == "day_of_week":
        words = _DAYS
    lowered = text.lower()
    if len(lowered) >= 3:
        for at, word in enumerate(words):
            if word.startswith(lowered):
                return at + field.least
    if text.isascii() and text.isdigit() and len(text) < 10:
        number = int(text)
        most = 7 if field.name == "day_of_week" else field.most
        if field.least <= number <= most:
            return number
    raise invalid(f"{field.label} is not in range [{field.least}-{field.most}]: {text!r}")


def canonical(calendar: StructuredCalendarSpec) -> StructuredCalendarSpec:
    """The same calendar with steps of at least 1, and ends. A field without a range names nothing, but any year.

    Raises:
        InvalidInput: It names the field.
    """
    result = StructuredCalendarSpec(comment=calendar.comment)
    for field in FIELDS:
        given = getattr(calendar, field.name)
        target = getattr(result, field.name)
        bounds = f"[{field.least}-{field.most}]"
        for each in given:
            if not field.least <= each.start <= field.most:
                raise invalid(f"invalid calendar spec: {field.label} Start is not in range {bounds}")
            end = each.end or each.start
            if not each.start <= end <= field.most:
                raise invalid(f"invalid calendar spec: {field.label} End is before Start or not in range {bounds}")
            if each.step < 0:
                raise invalid(f"invalid calendar spec: {field.label} has invalid Step")
            target.add(start=each.start, end=end, step=each.step or 1)
    return result


@dataclass(frozen=True, slots=True)
class Calendar:
    """A canonical calendar in a time zone."""

    zone: tzinfo
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    weekdays: frozenset[int]

    def fits(self, second: int) -> bool:
        """Whether a time (Unix seconds) is one of the calendar's."""
        local = datetime.fromtimestamp(second, self.zone)
        return self._day_fits(local) and (
            local.hour in self.hours and local.minute in self.minutes and local.second in self.seconds
        )

    def _day_fits(self, day: datetime) -> bool:
        return (
            (not self.years or day.year in self.years)
            and day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )

    def next_after(self, second: int) -> int | None:
        """The first time after one; Unix seconds. None: there is none until 2100."""
        if not (self.seconds and self.minutes and self.hours and self.days and self.months and self.weekdays):
            return None
        at = second + 1
        while True:
            offset = self._offset(at)
            wall = self._next_wall(datetime.fromtimestamp(at + offset, UTC).replace(tzinfo=None))
            if wall is None:
                return None
            exact = int(wall.replace(tzinfo=UTC).timestamp()) - offset
            if self._offset(exact) == offset:
                return exact
            at = self._change(at, exact)  # the clocks change before it; nothing until then fits

    def _next_wall(self, wall: datetime) -> datetime | None:
        """The first time on the wall clock from one on, whether or not it exists."""
        while wall.year <= YEAR_MAX:
            if self.years and wall.year not in self.years:
                wall = datetime(wall.year + 1, 1, 1)
            elif wall.month not in self.months:
                wall = (wall.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
            elif not self._day_fits(wall):
                wall = wall.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif wall.hour not in self.hours:
                wall = wall.replace(minute=0, second=0) + timedelta(hours=1)
            elif wall.minute not in self.minutes:
                wall = wall.replace(second=0) + timedelta(minutes=1)
            elif wall.second not in self.seconds:
                wall += timedelta(seconds=1)
            else:
                return wall
        return None

    def _offset(self, second: int) -> int:
        offset = datetime.fromtimestamp(second, self.zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def _change(self, low: int, high: int) -> int:
        """A second between two with different offsets at which the offset is another one than just before."""
        before = self._offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle) == before:
                low = middle
            else:
                high = middle
        return high


def compiled(calendar: StructuredCalendarSpec, zone: tzinfo) -> Calendar:
    sets = {}
    for field in FIELDS:
        values: set[int] = set()
        for each in getattr(calendar, field.name):
            values.update(range(each.start, each.end + 1, each.step))
        sets[field.name] = frozenset(values)
    return Calendar(
        zone,
        sets["second"],
        sets["minute"],
        sets["hour"],
        sets["day_of_month"],
        sets["month"],
        sets["year"],
        sets["day_of_week"],
    )
