"""The workflow's logger: it says each thing once, not again on every replay."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from ._runtime import find_runtime
from ._updates import CURRENT_UPDATE


class LoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """Logs with the run's identity, in a handler of an update with that of the update; silent on replay.

    Attributes:
        workflow_info_on_message: Append the identity to the message; on by default.
        workflow_info_on_extra: Put it on the record as `temporal_workflow`; on by default.
        full_workflow_info_on_extra: Put the whole `Info` on the record as `workflow_info`; off by default.
        log_during_replay: Log on replay too; off by default.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger, {})
        self.workflow_info_on_message = True
        self.workflow_info_on_extra = True
        self.full_workflow_info_on_extra = False
        self.log_during_replay = False

    def isEnabledFor(self, level: int) -> bool:
        """Tell whether a record of this level would be logged now."""
        if not super().isEnabledFor(level):
            return False
        runtime = None if self.log_during_replay else find_runtime()
        return runtime is None or not runtime.replaying

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log, and keep the line in the log of the run (`Worker(run_log_level=...)`), shown by `logging` or not."""
        runtime = find_runtime()
        if runtime is not None and (self.log_during_replay or not runtime.replaying):
            runtime.log(level, self.logger.name, msg, args, kwargs)
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # this frame is not the caller's
        super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run's identity, inside workflow code; what the caller passed as `extra` is kept."""
        runtime = find_runtime()
        if runtime is None:
            return msg, kwargs
        details = dict(runtime.logger_details)
        update = CURRENT_UPDATE.get()
        if update is not None:
            details.update(update_id=update.id, update_name=update.name)
        extra: dict[str, Any] = {}
        if self.workflow_info_on_message:
            msg = f"{msg} ({details})"
        if self.workflow_info_on_extra:
            extra["temporal_workflow"] = details
        if self.full_workflow_info_on_extra:
            extra["workflow_info"] = runtime.info
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return msg, kwargs

    @property
    def base_logger(self) -> logging.Logger:
        """The plain logger beneath, for adding handlers."""
        return self.logger


logger = LoggerAdapter(logging.getLogger("tsuzuki.workflow"))
"""Logger for workflow code: silent on replay, with the run's ids in every record."""
