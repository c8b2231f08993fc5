"""What Python itself reports: its audit events cover files, sockets, processes, threads and sleep, from C too.

A hook cannot be removed again, so there is one for the process, and it does nothing but look at an empty set
while no workflow code runs.
"""

from __future__ import annotations

import sys
from threading import get_ident
from typing import Any, Final

from ._guard import check, guarded_threads
from ._guard_rules import call_of_event

_calls: Final[dict[str, str | None]] = {}
"""The call of each event that was ever seen; there are some hundred."""


def on_audit_event(
    event: str,
    args: tuple[Any, ...],
    guarded_threads: set[int] = guarded_threads,  # the fastest way to a name
) -> None:
    """Called by Python, in any thread, for whatever may be worth an audit."""
    if guarded_threads and get_ident() in guarded_threads:
        try:
            call = _calls[event]
        except KeyError:
            call = _calls[event] = call_of_event(event)
        if call is not None and not (event == "open" and _is_time_zone(args[0])):
            check(call)


def _is_time_zone(path: object) -> bool:
    """Tell whether a file is the description of a time zone, which C opens for `ZoneInfo(...)`."""
    zoneinfo = sys.modules.get("zoneinfo")
    return zoneinfo is not None and isinstance(path, str) and path.startswith(zoneinfo.TZPATH)


def install() -> None:
    """Hook in, for good."""
    sys.addaudithook(on_audit_event)
