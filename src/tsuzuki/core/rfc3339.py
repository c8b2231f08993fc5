"""Times as text, as Temporal's protocol writes them: `2026-01-01T00:00:00.5+09:00`. To the nanosecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from .times import SECOND

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,100}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_NS_MAX: Final = (1 << 63) - 1


def parse_time(text: str) -> int | None:
    """Unix nanoseconds, cut to 64 bits (the years 1677 to 2262); None if it is no time."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    *whole, fraction, sign, hours, minutes = found.groups()
    offset = timedelta()
    if sign is not None:
        if int(hours) > 23 or int(minutes) > 59:
            return None
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    try:
        year, month, day, hour, minute, second = map(int, whole)
        zone = UTC if not offset else timezone(offset)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    ns = (since.days * 86_400 + since.seconds) * SECOND + int(((fraction or "") + "0" * 9)[:9])
    return max(-_NS_MAX, min(_NS_MAX, ns))
