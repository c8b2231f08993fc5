"""The options of a child workflow: checked, and turned into a command."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio.api.command.v1 import Command, StartChildWorkflowExecutionCommandAttributes
from temporalio.api.enums.v1 import CommandType, WorkflowIdReusePolicy
from temporalio.api.enums.v1 import ParentClosePolicy as Policy

from tsuzuki.common import Priority, RetryPolicy, WorkflowIDReusePolicy
from tsuzuki.converter import PayloadConverter, encode_search_attributes
from tsuzuki.workflow import ChildWorkflowCancellationType, ChildWorkflowConfig, ParentClosePolicy

_Writer = Callable[[StartChildWorkflowExecutionCommandAttributes, Any, PayloadConverter], None]


def start_command(
    name: str, workflow_id: str, own_task_queue: str, options: Mapping[str, Any], converter: PayloadConverter
) -> Command:
    """Return a StartChildWorkflowExecution command, without namespace and arguments.

    Args:
        name: Workflow type of the child.
        workflow_id: Its id.
        own_task_queue: The parent's.
        options: As `ChildWorkflowConfig`.
        converter: For memo and summary.

    Raises:
        TypeError: An option is unknown or of the wrong type.
        ValueError: An option is out of its bounds.
    """
    command = Command(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
    attributes = command.start_child_workflow_execution_command_attributes
    attributes.workflow_id = workflow_id
    attributes.workflow_type.name = name
    attributes.task_queue.name = own_task_queue
    attributes.parent_close_policy = Policy.PARENT_CLOSE_POLICY_TERMINATE
    attributes.workflow_id_reuse_policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    attributes.header.SetInParent()
    attributes.priority.SetInParent()
    for option, value in options.items():
        expected, write = _OPTIONS.get(option) or _refuse(option)
        if value is None:
            continue
        if not isinstance(value, expected):
            raise TypeError(
                f"the option {option} of child workflow {name!r} is {value!r} ({type(value).__name__}); "
                f"it must be of type {expected.__name__}"
            )
        write(attributes, value, converter)
    attributes.inherit_build_id = attributes.task_queue.name == own_task_queue
    for option, field in _METADATA:
        if text := options.get(option):
            getattr(command.user_metadata, field).CopyFrom(converter.to_payload(text))
    return command


def _refuse(option: str) -> tuple[type, _Writer]:
    near = difflib.get_close_matches(option, ChildWorkflowConfig.__annotations__, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise TypeError(f"a child workflow has no option {option}{hint}")


def _nothing(attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter) -> None:
    pass


def _timeout(option: str) -> _Writer:
    def write(
        attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter
    ) -> None:
        if value <= timedelta(0):
            raise ValueError(f"the {option} of a child workflow is {value}; it must be more than zero")
        getattr(attributes, f"workflow_{option}").FromTimedelta(value)

    return write


def _plain(field: str) -> _Writer:
    def write(
        attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter
    ) -> None:
        setattr(attributes, field, value)

    return write


def _task_queue(
    attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter
) -> None:
    if value:
        attributes.task_queue.name = value


def _retry_policy(
    attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter
) -> None:
    value.apply_to_proto(attributes.retry_policy)


def _memo(attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter) -> None:
    for key, item in value.items():
        attributes.memo.fields[key].CopyFrom(converter.to_payload(item))


def _search_attributes(
    attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter
) -> None:
    encode_search_attributes(value, attributes.search_attributes)


def _priority(
    attributes: StartChildWorkflowExecutionCommandAttributes, value: Any, converter: PayloadConverter
) -> None:
    attributes.priority.CopyFrom(value.to_proto())


_METADATA: Final = (("static_summary", "summary"), ("static_details", "details"))
_OPTIONS: Final[Mapping[str, tuple[type, _Writer]]] = {
    "id": (str, _nothing),
    "task_queue": (str, _task_queue),
    "cancellation_type": (ChildWorkflowCancellationType, _nothing),
    "parent_close_policy": (ParentClosePolicy, _plain("parent_close_policy")),
    "execution_timeout": (timedelta, _timeout("execution_timeout")),
    "run_timeout": (timedelta, _timeout("run_timeout")),
    "task_timeout": (timedelta, _timeout("task_timeout")),
    "id_reuse_policy": (WorkflowIDReusePolicy, _plain("workflow_id_reuse_policy")),
    "retry_policy": (RetryPolicy, _retry_policy),
    "cron_schedule": (str, _plain("cron_schedule")),
    "memo": (Mapping, _memo),
    "search_attributes": (object, _search_attributes),
    "static_summary": (str, _nothing),
    "static_details": (str, _nothing),
    "priority": (Priority, _priority),
}
