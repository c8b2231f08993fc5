"""The options of a pending activity after somebody has changed them: what is in force, what may be asked, how it is
merged.

Until then those of its scheduled event are in force, and history goes on showing those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes
from temporalio.api.workflowservice.v1 import UpdateActivityOptionsRequest

from . import retry
from .limits import Limits, check_id
from .priority import check_priority, is_given
from .refusal import InvalidInput
from .times import duration_ns, in_words, set_duration

if TYPE_CHECKING:
    from .activity import Activity

_TIMEOUTS: Final = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)
_WHOLE: Final = frozenset({*_TIMEOUTS, "priority"})
"""What a mask may name by itself, and may unset."""
_POLICY: Final = "retry_policy"
_MEMBERS: Final[Mapping[str, tuple[str, str]]] = {
    path: (message, member)
    for message, members in {
        "task_queue": ("name",),
        _POLICY: ("initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts"),
        "priority": ("priority_key", "fairness_key", "fairness_weight"),
    }.items()
    for member in members
    for path in (f"{message}.{member}",)
}
_NAMED: Final = frozenset({*_WHOLE, _POLICY, *_MEMBERS})
_PATHS_MAX: Final = 1000
"""In a mask; there are far fewer options."""


def in_force(activity: Activity) -> ActivityOptions:
    """What counts for the attempts of this activity."""
    return as_scheduled(activity.asked) if activity.options is None else activity.options


def as_scheduled(asked: ActivityTaskScheduledEventAttributes) -> ActivityOptions:
    options = ActivityOptions()
    options.task_queue.name = asked.task_queue.name
    options.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
    for name in _TIMEOUTS:
        getattr(options, name).CopyFrom(getattr(asked, name))
    options.retry_policy.CopyFrom(asked.retry_policy)
    if is_given(asked.priority):
        options.priority.CopyFrom(asked.priority)
    return options


def check(request: UpdateActivityOptionsRequest) -> None:
    """Refuse a request that says nothing, two things at once, or more than there is to say.

    Raises:
        InvalidInput: It names the field that is missing or too many.
    """
    paths = request.update_mask.paths
    if request.restore_original:
        if paths:
            raise InvalidInput(
                "UpdateMask and RestoreOriginal are both given; restore the original options, or change some."
            )
    elif not request.HasField("activity_options"):
        raise InvalidInput("ActivityOptions are not provided; give the new values of what UpdateMask names.")
    elif not paths:
        raise InvalidInput("UpdateMask is not provided; name the options to change, as in start_to_close_timeout.")
    elif len(paths) > _PATHS_MAX:
        raise InvalidInput(f"UpdateMask has {len(paths):,} paths, the limit is {_PATHS_MAX}.")


def named(request: UpdateActivityOptionsRequest) -> Sequence[str]:
    """The options that the mask names, each once. Paths that name no option of an activity change nothing, as on the
    real server; of many activities each would go through all of them, so this is found once for a request.
    """
    return [path for path in dict.fromkeys(map(_in_snake_case, request.update_mask.paths)) if path in _NAMED]


def merged(activity: Activity, given: ActivityOptions, paths: Sequence[str], limits: Limits) -> ActivityOptions:
    """The options of an activity once those that are `named` are as given.

    Raises:
        InvalidInput: The result would be no options that an activity may have; it names the option.
    """
    options = ActivityOptions()
    options.CopyFrom(in_force(activity))
    for path in paths:
        if path in _WHOLE:
            _put(given, options, path)
        elif path == _POLICY:
            _needs(given, path)
            _put(given, options, path)
        else:
            message, member = _MEMBERS[path]
            _needs(given, message)
            _put(getattr(given, message), getattr(options, message), member)
    _check_merged(activity, options, limits)
    return options


def _needs(given: ActivityOptions, name: str) -> None:
    if not given.HasField(name):  # type: ignore[arg-type]
        title = "".join(word.capitalize() for word in name.split("_"))
        raise InvalidInput(f"{title} is not provided, but UpdateMask names it or a part of it; give its new value.")


def _put(given: Message, options: Message, name: str) -> None:
    """Make one field as it is given, also if it is given as unset."""
    field = options.DESCRIPTOR.fields_by_name[name]
    options.ClearField(name)
    if field.message_type is None:
        setattr(options, name, getattr(given, name))
    elif given.HasField(name):
        getattr(options, name).CopyFrom(getattr(given, name))


def _in_snake_case(path: str) -> str:
    """Masks come as field names or as their JSON names."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda found: "_" + found[0], path).lower()


def _check_merged(activity: Activity, options: ActivityOptions, limits: Limits) -> None:
    what = f"activity '{activity.asked.activity_type.name}' (id '{activity.asked.activity_id}')"
    check_id("the task queue", options.task_queue.name, limits)
    timeouts = {name: duration_ns(getattr(options, name)) for name in _TIMEOUTS}
    for name, value in timeouts.items():
        if value < 0:
            raise InvalidInput(f"{what}: {name} would be {in_words(value)}; expected 0 or more.")
    if not timeouts["start_to_close_timeout"] and not timeouts["schedule_to_close_timeout"]:
        raise InvalidInput(
            f"{what} would have neither start_to_close_timeout nor schedule_to_close_timeout; set at least one, so "
            "that a lost attempt is noticed."
        )
    for name, value in zip(_TIMEOUTS, bounded(*(timeouts[name] for name in _TIMEOUTS)), strict=True):
        set_duration(getattr(options, name), value)
    policy = RetryPolicy()
    retry.normalize(options.retry_policy, policy)
    options.retry_policy.CopyFrom(policy)
    check_priority(options.priority)
    if not is_given(options.priority):
        options.ClearField("priority")


def bounded(whole_ns: int, wait_ns: int, attempt_ns: int, heartbeat_ns: int) -> tuple[int, int, int, int]:
    """Each timeout bounded by those around it, in the order of `_TIMEOUTS`; 0 is none."""
    if whole_ns:
        wait_ns = min(wait_ns or whole_ns, whole_ns)
        attempt_ns = min(attempt_ns or whole_ns, whole_ns)
    return whole_ns, wait_ns, attempt_ns, min(heartbeat_ns, attempt_ns)


def take(activity: Activity, options: ActivityOptions | None) -> None:
    """Put options in force; None: those of the scheduled event."""
    activity.options = options
    force = in_force(activity)
    activity.task_queue = force.task_queue.name
    activity.start_to_close_ns = duration_ns(force.start_to_close_timeout)
    activity.schedule_to_start_ns = duration_ns(force.schedule_to_start_timeout)
    activity.heartbeat_timeout_ns = duration_ns(force.heartbeat_timeout)
    whole_ns = duration_ns(force.schedule_to_close_timeout)
    activity.expiration_ns = activity.first_scheduled_ns + whole_ns if whole_ns else None
