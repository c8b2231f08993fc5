"""The search attribute by which runs are found that are paused, or have a paused activity: `TemporalPauseInfo`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import SearchAttributes

if TYPE_CHECKING:
    from .execution import Execution

PAUSE_INFO: Final = "TemporalPauseInfo"


def note_pauses(run: Execution) -> None:
    """Make the run's search attribute say what is paused in it now; without anything it has none.

    Words and order are the real server's, for people's saved list filters.
    """
    types = {each.asked.activity_type.name for each in run.activities.values() if each.pause is not None}
    words = [] if run.pause is None else [f"Workflow:{run.workflow_id}"]
    if run.pause is not None and run.pause.reason:
        words.append(f"Reason:{run.pause.reason}")
    words += [f"property:activityType={name}" for name in sorted(types)]
    changed = SearchAttributes()
    changed.CopyFrom(run.search_attributes)
    changed.indexed_fields.pop(PAUSE_INFO, None)
    if words:
        payload = changed.indexed_fields[PAUSE_INFO]
        payload.metadata["encoding"] = b"json/plain"
        payload.metadata["type"] = b"KeywordList"
        payload.data = json.dumps(words, separators=(",", ":")).encode()
    run.search_attributes = changed
    run.dirty = True
