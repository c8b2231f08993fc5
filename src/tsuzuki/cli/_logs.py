"""What a process logs, and how: lines for people, or JSON for machines. JSON is made by `structlog`, an extra."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Final

from ._endings import FAILED, refuse


class LogFormat(StrEnum):
    """How log lines look."""

    PLAIN = "plain"
    """Time, level, logger, message."""
    CONSOLE = "console"
    """Coloured on a terminal, with key-value pairs; by structlog."""
    JSON = "json"
    """One JSON object a line; by structlog."""


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RunLogLevel(StrEnum):
    """The least that is kept in the logs of runs."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    NONE = "none"

    @property
    def number(self) -> int | None:
        """As `Worker` takes it."""
        return None if self is RunLogLevel.NONE else logging.getLevelNamesMapping()[self.value.upper()]


def log_to_stderr(format: LogFormat, level: LogLevel) -> None:
    """Have everything that this process logs written to standard error.

    Lines of structlog's own loggers and of the standard library's look the same; what `extra` says (which workflow,
    which activity, which attempt) becomes fields.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_FORMATTERS[format]())
    logging.basicConfig(handlers=[handler], level=level.value.upper(), force=True)


def _plain() -> logging.Formatter:
    return logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


def _structured(*, json: bool) -> logging.Formatter:
    try:
        import structlog
    except ModuleNotFoundError:
        refuse("this log format needs structlog: pip install 'tsuzuki[logs]'", FAILED)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _lift_facts,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )


def _lift_facts(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make fields of what the loggers of activities and workflows say of themselves in one."""
    for where in ("temporal_activity", "temporal_workflow"):
        facts = event.pop(where, None) or {}
        event["event"] = str(event["event"]).removesuffix(f" ({facts})")
        for name, value in facts.items():
            event.setdefault(name, value)
    return event


_FORMATTERS: Final[Mapping[LogFormat, Callable[[], logging.Formatter]]] = {
    LogFormat.PLAIN: _plain,
    LogFormat.CONSOLE: lambda: _structured(json=False),
    LogFormat.JSON: lambda: _structured(json=True),
}
