"""Two runs side by side, from the first event in which they differ.

What belongs to the one run alone (ids, times, who did it) is no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from .._answers import Caller
from ._event_rows import row
from ._history_pages import history_page
from ._run import Run
from ._tokens import token_text

EVENTS_MAX: Final = 20_000
BEFORE: Final = 4
SHOWN_MAX: Final = 300
_TYPE, _CATEGORY, _NAME, _TEXT = 2, 3, 4, 7


@dataclass(frozen=True)
class Line:
    """One event of each run; None where a run has ended."""

    left: list[Any] | None
    right: list[Any] | None
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """What two histories have in common and where they part.

    Attributes:
        same: Events in which they do not differ, from the first on.
        lines: From a little before the first difference; without one, nothing.
        left_over: Lines that are not shown.
    """

    same: int
    lines: Sequence[Line]
    left_over: int

    @property
    def differs(self) -> bool:
        return bool(self.lines)


async def compare(caller: Caller, left: Run, right: Run) -> Comparison:
    """Read both and compare them."""
    return compare_rows(await _rows(caller, left), await _rows(caller, right))


def compare_rows(left: Sequence[list[Any]], right: Sequence[list[Any]]) -> Comparison:
    """Compare two lists of rows."""
    lines = [Line(a, b, _essence(a) != _essence(b)) for a, b in zip_longest(left, right)]
    first = next((number for number, line in enumerate(lines) if line.differs), None)
    if first is None:
        return Comparison(len(lines), (), 0)
    shown = lines[max(first - BEFORE, 0) :]
    return Comparison(first, shown[:SHOWN_MAX], max(len(shown) - SHOWN_MAX, 0))


def _essence(row: list[Any] | None) -> tuple[Any, ...] | None:
    if row is None:
        return None
    name = "" if row[_CATEGORY] == "timer" else row[_NAME]
    return row[_TYPE], name, row[_TEXT]


async def _rows(caller: Caller, run: Run) -> list[list[Any]]:
    rows: list[list[Any]] = []
    token = ""
    while len(rows) < EVENTS_MAX:
        page = await history_page(caller, run, token)
        rows += map(row, page.history.events)
        token = token_text(page.next_page_token)
        if not token or not page.history.events:
            break
    return rows
