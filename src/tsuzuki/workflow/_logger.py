"""The workflow's logger: it says each thing once, not again on every replay."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from ._runtime import find_runtime


class LoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """Logs with the run's identity; silent while history is replayed.

    Attributes:
        workflow_info_on_message: Append the run's identity to the message; on by default.
        workflow_info_on_extra: Put it on the record as `tsuzuki_workflow`; on by default.
        log_during_replay: Log on replay too; off by default.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger, {})
        self.workflow_info_on_message = True
        self.workflow_info_on_extra = True
        self.log_during_replay = False

    def isEnabledFor(self, level: int) -> bool:
        """Tell whether a record of this level would be logged now."""
        if not super().isEnabledFor(level):
            return False
        runtime = None if self.log_during_replay else find_runtime()
        return runtime is None or not runtime.replaying

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run's identity, inside workflow code."""
        runtime = find_runtime()
        if runtime is not None:
            details = runtime.logger_details
            if self.workflow_info_on_message:
                msg = f"{msg} ({dict(details)})"
            if self.workflow_info_on_extra:
                kwargs["extra"] = {**(kwargs.get("extra") or {}), "tsuzuki_workflow": details}
        return msg, kwargs


logger = LoggerAdapter(logging.getLogger("tsuzuki.workflow"))
