"""What workflow code must not call, why, and what to call instead: the guard's tables.

Data only; how a call is noticed is `_guard_patches` and `_guard_audit`, who made it is `_guard_frames`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """Why a call is refused, and a sentence that says what to do instead."""

    why: str
    replacement: str


_VALUE: Final = "gives another value on replay"
_WORLD: Final = "reaches outside the workflow, and would again on every replay"
_WAIT: Final = "holds up the worker while no durable time passes"
_BESIDE: Final = "runs beside the workflow's event loop, in no order that a replay could repeat"

_IN_ACTIVITY: Final = "or do it in an activity"
_CLOCK: Final = Rule(_VALUE, f"Use workflow.time() instead; {_IN_ACTIVITY}")
_CLOCK_NS: Final = Rule(_VALUE, f"Use workflow.time_ns() instead; {_IN_ACTIVITY}")
_CALENDAR: Final = Rule(_VALUE, f"Use workflow.now() instead; {_IN_ACTIVITY}")
_CHANCE: Final = Rule(_VALUE, f"Use workflow.random() instead; {_IN_ACTIVITY}")
_SECRET: Final = Rule(_VALUE, "Make secrets in an activity: what a workflow draws can be told from its run id")
_UUID: Final = Rule(_VALUE, f"Use workflow.uuid4() instead; {_IN_ACTIVITY}")
_MACHINE: Final = Rule(_VALUE, f"Pass it to the workflow as an argument; {_IN_ACTIVITY}")
_ACTIVITY: Final = Rule(_WORLD, "Do it in an activity, with workflow.execute_activity(...)")
_SLEEP: Final = Rule(_WAIT, "Use `await workflow.sleep(...)` or `await asyncio.sleep(...)` instead")
_INPUT: Final = Rule(_WAIT, "Use a signal or an update to hear from people")
_THREAD: Final = Rule(_BESIDE, f"Use asyncio.create_task(...) instead; {_IN_ACTIVITY}")

RULES: Final[Mapping[str, Rule]] = {
    "time.time": _CLOCK,
    "time.time_ns": _CLOCK_NS,
    "time.monotonic": _CLOCK,
    "time.monotonic_ns": _CLOCK_NS,
    "time.perf_counter": _CLOCK,
    "time.perf_counter_ns": _CLOCK_NS,
    "time.process_time": _CLOCK,
    "time.process_time_ns": _CLOCK_NS,
    "time.thread_time": _CLOCK,
    "time.thread_time_ns": _CLOCK_NS,
    "time.clock_gettime": _CLOCK,
    "time.clock_gettime_ns": _CLOCK_NS,
    "time.localtime": _CALENDAR,
    "time.gmtime": _CALENDAR,
    "time.ctime": _CALENDAR,
    "time.asctime": _CALENDAR,
    "time.strftime": _CALENDAR,
    "time.sleep": _SLEEP,
    "datetime.now": _CALENDAR,
    "datetime.utcnow": _CALENDAR,
    "datetime.today": _CALENDAR,
    "date.today": Rule(_VALUE, f"Use workflow.now().date() instead; {_IN_ACTIVITY}"),
    "random": _CHANCE,
    "random.Random": Rule(
        _VALUE, "Use workflow.random() instead; or give the generator a seed, such as workflow.random_seed()"
    ),
    "random.SystemRandom": _CHANCE,
    "secrets": _SECRET,
    "uuid": _UUID,
    "os.urandom": _CHANCE,
    "os.getrandom": _CHANCE,
    "os.environ": _MACHINE,
    "os.getenv": _MACHINE,
    "os.getenvb": _MACHINE,
    "os.getcwd": _MACHINE,
    "os.getcwdb": _MACHINE,
    "os.getpid": _MACHINE,
    "os.getppid": _MACHINE,
    "os.getlogin": _MACHINE,
    "os.cpu_count": _MACHINE,
    "os.process_cpu_count": _MACHINE,
    "os.getloadavg": _MACHINE,
    "os.times": _CLOCK,
    "os.uname": _MACHINE,
    "pathlib.Path.cwd": _MACHINE,
    "pathlib.Path.home": _MACHINE,
    "platform": _MACHINE,
    "getpass": _MACHINE,
    "input": _INPUT,
    "threading": _THREAD,
    "_thread": _THREAD,
    "concurrent.futures": _THREAD,
    **dict.fromkeys(
        ("asyncio", "ftplib", "glob", "http", "imaplib", "os", "pathlib", "poplib", "shutil", "smtplib", "socket"),
        _ACTIVITY,
    ),
    **dict.fromkeys(("sqlite3", "ssl", "subprocess", "tempfile", "urllib", "xmlrpc", ""), _ACTIVITY),
}
"""By name, and failing that by module; what is not here at all reaches outside."""

NOT_CALLED: Final = frozenset({"os.environ"})
"""Looked at rather than called: written without parentheses."""

SHADOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "process_time_ns",
        "thread_time",
        "thread_time_ns",
        "clock_gettime",
        "clock_gettime_ns",
        "localtime",
        "gmtime",
        "ctime",
        "asctime",
        "strftime",
        "sleep",
    ),
    "os": (
        "urandom",
        "getrandom",
        "getcwd",
        "getcwdb",
        "getpid",
        "getppid",
        "getlogin",
        "cpu_count",
        "process_cpu_count",
        "getloadavg",
        "times",
        "uname",
        "stat",
        "lstat",
        "statvfs",
        "access",
        "readlink",
        "read",
        "write",
        "pipe",
        "fstat",
        "umask",
        "waitpid",
        "sched_getaffinity",
    ),
}
"""Functions written in C for which Python tells its audit hooks nothing. Those of `random` are found by looking."""

NOW_UNLESS_GIVEN: Final[Mapping[str, int]] = {
    "time.localtime": 1,
    "time.gmtime": 1,
    "time.ctime": 1,
    "time.asctime": 1,
    "time.strftime": 2,
}
"""These read the clock only when called with fewer arguments."""

AUDITED: Final[Mapping[str, str]] = {
    "open": "open",
    "builtins.input": "input",
    "_thread.start_new_thread": "_thread.start_new_thread",
    "_thread.start_joinable_thread": "_thread.start_new_thread",
    "subprocess.Popen": "subprocess.Popen",
    "socket.__new__": "socket.socket",
    "sqlite3.connect": "sqlite3.connect",
    "mmap.__new__": "mmap.mmap",
    "signal.pthread_kill": "signal.pthread_kill",
    "webbrowser.open": "webbrowser.open",
    "pty.spawn": "pty.spawn",
    "urllib.Request": "urllib.request.urlopen",
}
"""Audit events of calls that are refused, and the name of the call."""

AUDITED_FAMILIES: Final = (
    "os.",
    "socket.",
    "shutil.",
    "tempfile.",
    "glob.",
    "pathlib.",
    "http.client.",
    "ftplib.",
    "smtplib.",
    "imaplib.",
    "poplib.",
    "fcntl.",
    "winreg.",
    "_winapi.",
    "msvcrt.",
)
"""Audit events that are all refused; the call is named as the event is."""


def rule_for(*names: str) -> Rule:
    """Return the rule of the first of some names that has one, by itself or by its module."""
    for name in names:
        while name:
            rule = RULES.get(name)
            if rule is not None:
                return rule
            name = name.rpartition(".")[0]
    return RULES[""]


def call_of_event(event: str) -> str | None:
    """Return the call that an audit event stands for; None when it is harmless."""
    return AUDITED.get(event) or (event if event.startswith(AUDITED_FAMILIES) else None)
