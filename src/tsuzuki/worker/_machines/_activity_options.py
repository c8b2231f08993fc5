"""The options of an activity call: checked, and turned into a command once for each distinct set.

A workflow calls the same activity with the same options again and again; checking them and building the
message costs several times what copying the finished message does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType

from tsuzuki.common import Priority, RetryPolicy
from tsuzuki.workflow import ActivityCancellationType

from ._option_types import check_option

_TEMPLATES_MAX: Final = 4096
_templates: dict[tuple[Any, ...], Command] = {}

_TIMEOUTS: Final = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)
# Whatever is not part of the template: it differs from call to call, or is not sent.
_BESIDES: Final = frozenset(("activity_id", "summary", "cancellation_type"))
_TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(_TIMEOUTS, timedelta),
    "task_queue": str,
    "activity_id": str,
    "summary": str,
    "retry_policy": RetryPolicy,
    "cancellation_type": ActivityCancellationType,
    "priority": Priority,
}


def schedule_template(name: str, task_queue: str, options: Mapping[str, Any]) -> Command:
    """Return a ScheduleActivityTask command without id, summary and arguments: to be copied, never to be changed.

    Args:
        name: Activity type.
        task_queue: The workflow's own.
        options: As `ActivityConfig`.

    Raises:
        TypeError: An option is unknown or of the wrong type.
        ValueError: An option is out of its bounds, or no timeout bounds the activity.
    """
    try:
        return _templates[(name, task_queue, *options.items())]  # none that needs a closer look: the same call again
    except (KeyError, TypeError):
        pass
    key = (name, task_queue, *[_key_part(item) for item in options.items() if item[0] not in _BESIDES])
    template = _templates.get(key)
    if template is None:
        if len(_templates) >= _TEMPLATES_MAX:  # options made up at run time
            _templates.clear()
        template = _templates[key] = _build(name, task_queue, options)
    for option in _BESIDES & options.keys():
        check_option("an activity", _TYPES, option, options[option])
    return template


def _key_part(item: tuple[str, Any]) -> tuple[Any, ...]:
    name, value = item
    if type(value) is RetryPolicy:  # mutable, so not hashable
        return (
            name,
            value.initial_interval,
            value.backoff_coefficient,
            value.maximum_interval,
            value.maximum_attempts,
            tuple(value.non_retryable_error_types or ()),
        )
    try:
        hash(value)
    except TypeError:
        _check_types({name: value})
        raise
    return item


def _build(name: str, own_task_queue: str, options: Mapping[str, Any]) -> Command:
    _check_types(options)
    given = {option: value for option, value in options.items() if value is not None}
    for timeout in _TIMEOUTS:
        if timeout in given and given[timeout] <= timedelta(0):
            raise ValueError(f"activity {name}: {timeout} is {given[timeout]}; it must be more than zero")
    if "start_to_close_timeout" not in given and "schedule_to_close_timeout" not in given:
        raise ValueError(
            f"activity {name} has no bound: give start_to_close_timeout (one attempt) or "
            "schedule_to_close_timeout (all attempts)"
        )
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = command.schedule_activity_task_command_attributes
    attributes.activity_type.name = name
    attributes.task_queue.name = given.get("task_queue") or own_task_queue
    attributes.use_workflow_build_id = attributes.task_queue.name == own_task_queue
    attributes.header.SetInParent()
    for timeout in _TIMEOUTS:
        if timeout in given:
            getattr(attributes, timeout).FromTimedelta(given[timeout])
    if "retry_policy" in given:
        given["retry_policy"].apply_to_proto(attributes.retry_policy)
    attributes.priority.CopyFrom(given.get("priority", Priority.default).to_proto())
    return command


def _check_types(options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        check_option("an activity", _TYPES, option, value)
