"""Which rules are asked for: `--select` and `--ignore`, by code or the beginning of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ._finding import OWN_CODES, UNREADABLE
from ._rules import RULES

CODES: Final[tuple[str, ...]] = (*(rule.code for rule in RULES), *OWN_CODES)


class UnknownCodeError(ValueError):
    """No code begins like that."""


@dataclass(frozen=True)
class Selection:
    """The codes that are reported."""

    codes: frozenset[str] = frozenset(CODES)

    def __contains__(self, code: str) -> bool:
        return code in self.codes


def select(wanted: Iterable[str] = (), unwanted: Iterable[str] = ()) -> Selection:
    """Select rules.

    Args:
        wanted: Codes or beginnings of codes (`TSU0`); none means all.
        unwanted: Taken away from those.

    Returns:
        The selection. A file that cannot be read is always reported: nothing in it was checked.

    Raises:
        UnknownCodeError: No rule has such a code; the message names the nearest.
    """
    chosen = set(CODES) if not (listed := list(wanted)) else {code for it in listed for code in _matching(it)}
    left_out = {code for it in unwanted for code in _matching(it)}
    return Selection(frozenset((chosen - left_out) | {UNREADABLE}))


def _matching(beginning: str) -> list[str]:
    found = [code for code in CODES if code.startswith(beginning.upper())] if beginning else []
    if not found:
        near = difflib.get_close_matches(beginning.upper(), CODES, n=1)
        hint = f"; the nearest is {near[0]}" if near else ""
        raise UnknownCodeError(f"no rule has a code that begins with {beginning!r}{hint}")
    return found
