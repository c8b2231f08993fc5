"""TSU001: the clock of the machine."""

from __future__ import annotations

from typing import Final

from ._forbidden import calls, each
from ._rule import Rule

_CALLS: Final = {
    "time.time": "workflow.time()",
    "time.time_ns": "workflow.time_ns()",
    **each("time", "monotonic perf_counter process_time thread_time clock_gettime", "workflow.time()"),
    **each(
        "time", "monotonic_ns perf_counter_ns process_time_ns thread_time_ns clock_gettime_ns", "workflow.time_ns()"
    ),
    **each("time", "localtime gmtime ctime asctime strftime", "workflow.now(), and its methods"),
    **each("datetime.datetime", "now utcnow today", "workflow.now()"),
    "os.times": "workflow.time()",
    "datetime.date.today": "workflow.now().date()",
}

RULE: Final = Rule(
    code="TSU001",
    name="clock",
    why=(
        "The machine's clock has moved on when the code runs again over its history, so what is decided by it "
        "comes out differently. `workflow.now()` is the recorded time of the step that is being taken."
    ),
    bad="deadline = time.time() + 60",
    good="deadline = workflow.time() + 60",
    check=calls(
        _CALLS,
        "reads the machine's clock, which tells another time on replay",
        fine_with=dict.fromkeys(("time.localtime", "time.gmtime", "time.ctime", "time.asctime"), 1)
        | {"time.strftime": 2},
    ),
    calls=_CALLS,
)
