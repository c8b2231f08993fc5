"""Cron schedules: their grammar, and the times that they name.

The grammar is that of Temporal's server: five fields (minute, hour, day of month, month, day of week), each a
list of `*`, `?`, numbers, names, ranges and steps; `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`,
`@yearly`, `@annually`; `@every 1h30m`; a time zone in front, `CRON_TZ=Asia/Tokyo`; UTC without one.

Owns: parsing, and the next time after a given one. Pure but for the time zone database, which Python reads.
Invariant: a time that a change of clocks leaves out is left out; one that it repeats comes twice.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from .refusal import InvalidInput
from .times import SECOND

YEARS_MAX: Final = 5
"""A schedule without a time in so many years has none."""

_MONTHS: Final = {
    name: at
    for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_WEEKDAYS: Final = {name: at for at, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: Final[tuple[tuple[str, int, int, Mapping[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _WEEKDAYS),
)
DESCRIPTORS: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # the micro sign
    "\u03bcs": 1_000,  # the letter mu
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)


class CronSchedule(Protocol):
    """The times that a schedule names."""

    def next_after(self, after_ns: int, not_before_ns: int) -> int | None:
        """The first time after `after_ns` that is not before `not_before_ns`; Unix nanoseconds. None: no more."""
        ...


@functools.lru_cache(256)
def parse(schedule: str) -> CronSchedule:
    """Read a schedule.

    Raises:
        InvalidInput: It names the part that is wrong and what was expected.
    """
    zone: tzinfo = UTC
    rest = schedule
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        first, _, rest = schedule.partition(" ")
        zone, rest = _zone(schedule, first.partition("=")[2]), rest.strip()
    if rest.startswith(_EVERY):
        return _Every(max(_duration_ns(schedule, rest.removeprefix(_EVERY)) // SECOND, 1) * SECOND)
    if rest.startswith("@"):
        if rest not in DESCRIPTORS:
            raise _invalid(schedule, f"{rest!r} is not one of {', '.join(DESCRIPTORS)}, @every <duration>")
        rest = DESCRIPTORS[rest]
    fields = rest.split()
    if len(fields) != len(_FIELDS):
        raise _invalid(
            schedule, f"it has {len(fields)} fields; expected minute, hour, day of month, month, day of week"
        )
    found = [_field(schedule, text, *kind) for text, kind in zip(fields, _FIELDS, strict=True)]
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = found
    return _Calendar(zone, minutes, hours, days, months, weekdays, any_day or any_weekday)


def check(schedule: str, now_ns: int) -> None:
    """Refuse a schedule that cannot be read, or that never comes.

    Raises:
        InvalidInput: It says why.
    """
    if schedule and parse(schedule).next_after(now_ns, now_ns) is None:
        raise _invalid(schedule, f"it names no time in the next {YEARS_MAX} years")


def backoff_ns(schedule: str, scheduled_ns: int, now_ns: int) -> int | None:
    """How long the next run waits, in whole seconds (rounded up, as on Temporal's server).

    Args:
        schedule: An empty one has no next run.
        scheduled_ns: When the last run was due; of the first run, when it was started.
        now_ns: When the last run ended. Times until then are passed over.
    """
    if not schedule:
        return None
    next_ns = parse(schedule).next_after(scheduled_ns, now_ns)
    return None if next_ns is None else -((now_ns - next_ns) // SECOND) * SECOND


# ---- the two kinds -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Every:
    interval_ns: int

    def next_after(self, after_ns: int, not_before_ns: int) -> int | None:
        first_ns = after_ns - after_ns % SECOND + self.interval_ns
        missed = max(0, -((first_ns - not_before_ns) // self.interval_ns))
        return first_ns + missed * self.interval_ns


@dataclass(frozen=True, slots=True)
class _Calendar:
    zone: tzinfo
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool
    """Day of month and day of week must both fit; else (both are given) either."""

    def next_after(self, after_ns: int, not_before_ns: int) -> int | None:
        second = max(after_ns, not_before_ns - 1) // SECOND + 1
        now = datetime.fromtimestamp(second, UTC)
        if now.second:
            now += timedelta(seconds=60 - now.second)
        year_max = now.year + YEARS_MAX
        while True:
            local = now.astimezone(self.zone)
            if local.year > year_max:
                return None
            if local.month not in self.months:
                now = self._midnight(local.replace(day=1) + timedelta(days=32), day=1)
            elif not self._day_fits(local):
                now = self._midnight(local + timedelta(days=1), day=None)
            elif local.hour not in self.hours:
                now += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                now += timedelta(minutes=1)
            else:
                return int(now.timestamp()) * SECOND

    def _day_fits(self, local: datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.both_days else (day or weekday)

    def _midnight(self, local: datetime, day: int | None) -> datetime:
        start = local.replace(day=day or local.day, hour=0, minute=0, second=0, fold=0)
        return start.astimezone(UTC)


# ---- reading -----------------------------------------------------------------------------------------


def _invalid(schedule: str, why: str) -> InvalidInput:
    return InvalidInput(f"invalid CronSchedule {schedule!r}: {why}.")


def _zone(schedule: str, name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise _invalid(
            schedule, f"time zone {name!r} is not known here (the system's time zones, or the package tzdata)"
        ) from None


def duration_of(text: str) -> int | None:
    """The nanoseconds that a text such as `1h30m` says; None if it says none."""
    body = text[1:] if text[:1] in ("+", "-") else text
    parts = list(_PART.finditer(body))
    if body != "0" and (not parts or "".join(part.group() for part in parts) != body):
        return None
    total = sum(int(float(part.group(1)) * _UNITS_NS[part.group(2)]) for part in parts)
    return -total if text.startswith("-") else total


def _duration_ns(schedule: str, text: str) -> int:
    found = duration_of(text)
    if found is None:
        raise _invalid(schedule, f"{text!r} is not a duration such as 90s, 1h30m or 1.5h")
    return found


def _field(
    schedule: str, text: str, name: str, least: int, most: int, names: Mapping[str, int]
) -> tuple[frozenset[int], bool]:
    """The values of one field, and whether it says "any"."""
    values: set[int] = set()
    any_value = False
    for part in filter(None, text.split(",")):
        where = f"{part!r} in the field {name}"
        span, *steps = part.split("/")
        low, *highs = span.split("-")
        if len(steps) > 1 or len(highs) > 1:
            raise _invalid(schedule, f"{where} has too many parts; expected a number, a range or a step")
        star = low in ("*", "?")
        start = least if star else _number(schedule, low, where, names)
        end = most if star or steps else start  # "5/10" goes on to the end
        if highs and not star:
            end = _number(schedule, highs[0], where, names)
        step = _number(schedule, steps[0], where, {}) if steps else 1
        if not least <= start <= end <= most:
            raise _invalid(schedule, f"{where} is out of bounds; expected {least} to {most}, the lower one first")
        if step == 0:
            raise _invalid(schedule, f"{where} has a step of 0; expected 1 or more")
        any_value = any_value or (star and step == 1)
        values.update(range(start, end + 1, step))
    return frozenset(values), any_value


def _number(schedule: str, text: str, where: str, names: Mapping[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not re.fullmatch(r"\+?[0-9]{1,9}", text):
        raise _invalid(schedule, f"{where} is no number" + (f" or one of {', '.join(names)}" if names else ""))
    return int(text)
