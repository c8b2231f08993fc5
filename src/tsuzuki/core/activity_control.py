"""What people may do to a pending activity from outside: pause it, let it go on, begin it anew, change its options.

Nothing of this is in history; it is kept beside it, with the attempts. A running attempt is not interrupted: it is
told with the answer to its next heartbeat. Invariants: while an activity is paused no attempt of it starts and no
timeout ends it; what is paused goes on at once, not at the end of its back-off.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from temporalio.api.activity.v1 import ActivityOptions

from . import retry
from .activity import Activity, ActivityState, Mark, Pause, due, forget_marks, go_on, watch_deadline
from .activity_options import take
from .pause_info import note_pauses
from .refusal import NotFound

if TYPE_CHECKING:
    from .execution import Execution

_SPREAD: Final = 1 << 32


def choose(run: Execution, by: str, wanted: object) -> Sequence[Activity]:
    """The pending activities that a request is about, in the order of their schedule.

    Args:
        run: An open run.
        by: The member of the request's `activity` that is set: `id`, `type`, or one that means all of them.
        wanted: Its value.

    Raises:
        NotFound: No pending activity is meant.
    """
    if by == "id":
        scheduled_event_id = run.activity_ids.get(str(wanted))
        chosen = [] if scheduled_event_id is None else [run.activities[scheduled_event_id]]
    else:
        pending = run.activities.values()
        chosen = [each for each in pending if by != "type" or each.asked.activity_type.name == wanted]
    if not chosen:
        what = f"with {by} '{wanted}'" if by in ("id", "type") else "at all"
        raise NotFound(
            f"workflow '{run.workflow_id}' (run {run.run_id}) has no pending activity {what}: it completed, or never "
            "existed."
        )
    return chosen


def pause(run: Execution, chosen: Sequence[Activity], identity: str, reason: str, now_ns: int) -> None:
    """Let no attempt start. Nothing happens to those that are paused already."""
    running = [each for each in chosen if each.pause is None]
    for activity in running:
        activity.pause = Pause(now_ns, identity, reason)
        _touch(run, activity)
        watch_deadline(run, activity)
    if running:
        note_pauses(run)  # once: it goes through all that are pending


def unpause(
    run: Execution,
    chosen: Sequence[Activity],
    now_ns: int,
    *,
    reset_attempts: bool,
    reset_heartbeat: bool,
    jitter_ns: int,
) -> None:
    """Let paused activities go on, at some time within the jitter. Nothing happens to those that are not paused."""
    paused = [each for each in chosen if each.pause is not None]
    for activity in paused:
        activity.pause = None
        _go_on(run, activity, now_ns, reset_attempts, reset_heartbeat, jitter_ns)
    if paused:
        note_pauses(run)


def _go_on(
    run: Execution, activity: Activity, now_ns: int, reset_attempts: bool, reset_heartbeat: bool, jitter_ns: int
) -> None:
    _touch(run, activity)
    if reset_attempts:
        _count_anew(run, activity)
    if reset_heartbeat:
        activity.heartbeat_details = None
        activity.heartbeat_ns = None
    if activity.state == ActivityState.SCHEDULED:
        _schedule_again(run, activity, _within(run, activity, now_ns, jitter_ns), now_ns)
    else:
        go_on(run, activity, now_ns)


def reset(
    run: Execution,
    chosen: Sequence[Activity],
    now_ns: int,
    *,
    reset_heartbeat: bool,
    keep_paused: bool,
    restore_options: bool,
    jitter_ns: int,
) -> None:
    """Begin activities anew with attempt 1, at some time within the jitter; where one runs, after it.

    An attempt above 1 that runs is given up: what it reports does not count any more.
    """
    end_pauses = not keep_paused and any(each.pause is not None for each in chosen)
    for activity in chosen:
        if end_pauses:
            activity.pause = None
        _begin_anew(run, activity, now_ns, reset_heartbeat, restore_options, jitter_ns)
    if end_pauses:
        note_pauses(run)


def _begin_anew(
    run: Execution, activity: Activity, now_ns: int, reset_heartbeat: bool, restore_options: bool, jitter_ns: int
) -> None:
    _touch(run, activity)
    if restore_options:
        take(activity, None)
    _count_anew(run, activity)
    if reset_heartbeat:
        activity.marks |= Mark.FORGET_HEARTBEAT
    if activity.state == ActivityState.STARTED:
        activity.marks |= Mark.RESET
        go_on(run, activity, now_ns)
    elif activity.pause is None:
        _schedule_again(run, activity, _within(run, activity, now_ns, jitter_ns), now_ns)


def change_options(run: Execution, activity: Activity, options: ActivityOptions | None, now_ns: int) -> None:
    """Put options in force, for the attempt that runs or waits too; None: those that the workflow gave."""
    take(activity, options)
    _touch(run, activity)
    if activity.state == ActivityState.STARTED:
        due(run, activity.scheduled_event_id, now_ns)
        return
    starts_ns = activity.attempt_scheduled_ns
    if activity.attempt > 1 and activity.last_ended_ns is not None:
        starts_ns = activity.last_ended_ns + retry.backoff_ns(activity.retry_policy, activity.attempt - 1)
    _schedule_again(run, activity, starts_ns, now_ns)


def _touch(run: Execution, activity: Activity) -> None:
    activity.marks |= Mark.OPERATED
    run.touched_activities.add(activity.scheduled_event_id)
    run.dirty = True


def _count_anew(run: Execution, activity: Activity) -> None:
    if activity.state == ActivityState.STARTED and activity.attempt > 1:
        run.cancelled_activities.append((activity.scheduled_event_id, activity.attempt))
    activity.attempt = 1


def _schedule_again(run: Execution, activity: Activity, starts_ns: int, now_ns: int) -> None:
    """Let the attempt that waits start at another time; it knows nothing of the failure before it."""
    activity.attempt_scheduled_ns = starts_ns
    activity.last_failure = None
    forget_marks(activity)
    if activity.pause is None:
        due(run, activity.scheduled_event_id, now_ns)


def _within(run: Execution, activity: Activity, now_ns: int, jitter_ns: int) -> int:
    """A time within the jitter: chance enough, and the same for the same input."""
    if jitter_ns <= 0:
        return now_ns
    share = zlib.crc32(f"{run.run_id}:{activity.scheduled_event_id}:{now_ns}".encode())
    return now_ns + jitter_ns * share // _SPREAD
