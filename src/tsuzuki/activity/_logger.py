"""A logger that says which attempt a line comes from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from ._context import current_context


class LoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """Adds facts about the running attempt to log records; outside an activity it adds nothing.

    Attributes:
        activity_info_on_message: Append the facts to the message.
        activity_info_on_extra: Put them on the record as `temporal_activity`.
        full_activity_info_on_extra: Put the whole `Info` on the record as `activity_info`.
    """

    def __init__(self, logger: logging.Logger, extra: Mapping[str, Any] | None) -> None:
        super().__init__(logger, extra or {})
        self.activity_info_on_message = True
        self.activity_info_on_extra = True
        self.full_activity_info_on_extra = False

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log, and keep the line in the log of the run (`Worker(run_log_level=...)`), shown by `logging` or not."""
        context = current_context.get()
        if context is not None:
            context.log(level, self.logger.name, msg, args, kwargs)
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # this frame is not the caller's
        super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the facts that are switched on; what the caller passed as `extra` is kept."""
        context = current_context.get()
        if context is None:
            return msg, kwargs
        info = context.info
        extra = dict(kwargs.get("extra") or {})
        if self.activity_info_on_message:
            msg = f"{msg} ({dict(info.logger_details())})"
        if self.activity_info_on_extra:
            extra["temporal_activity"] = info.logger_details()
        if self.full_activity_info_on_extra:
            extra["activity_info"] = info
        kwargs["extra"] = extra
        return msg, kwargs

    @property
    def base_logger(self) -> logging.Logger:
        """The plain logger beneath, for adding handlers."""
        return self.logger


logger: Final = LoggerAdapter(logging.getLogger("tsuzuki.activity"), None)
"""Logger for activity code."""
