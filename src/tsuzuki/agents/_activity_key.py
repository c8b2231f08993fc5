"""The identity of an activity: the same for all its attempts, another one for every other activity.

What is done once for an activity, whatever its attempts, is stored under it.
"""

from __future__ import annotations

from tsuzuki.activity import Info


def key_of(info: Info) -> str:
    """Write an activity's identity as a string.

    An activity id alone does not tell the activities of a run apart: code may give one again once the activity that
    had it has closed. The time of its scheduling does. A local activity that is run anew with its workflow task has
    another time then, and keeps its id.
    """
    run = info.workflow_run_id or info.activity_run_id or ""
    parts = [info.namespace, info.workflow_id or "", run, info.activity_id]
    parts.append("local" if info.is_local else info.scheduled_time.isoformat())
    return "/".join(parts)
