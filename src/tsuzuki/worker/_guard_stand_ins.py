"""What is called instead of the machine's clock and chance in a `workflow.unsafe.workflow_clock` block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from typing import Any, Final

from tsuzuki import workflow


def _now(tz: tzinfo | None = None) -> datetime:
    now = workflow.now()
    return now.replace(tzinfo=None) if tz is None else now.astimezone(tz)


def _today() -> date:
    return workflow.now().date()


_STAND_INS: Final[Mapping[str, Callable[..., Any]]] = {
    **dict.fromkeys(("time.time", "time.monotonic", "time.perf_counter"), workflow.time),
    **dict.fromkeys(("time.time_ns", "time.monotonic_ns", "time.perf_counter_ns"), workflow.time_ns),
    "datetime.now": _now,
    "datetime.utcnow": _now,
    "datetime.today": _now,
    "date.today": _today,
    "os.urandom": lambda size: workflow.random().randbytes(size),
}


def stand_in_for(call: str) -> Callable[..., Any] | None:
    """Return what is to be called; None when there is nothing of the kind."""
    module, _, name = call.partition(".")
    if module == "random" and name.islower() and name != "seed":
        drawn: Callable[..., Any] | None = getattr(workflow.random(), name, None)
        return drawn
    return _STAND_INS.get(call)
