"""The command that continues a run as new, with what was asked for and what stays as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType

from tsuzuki.converter import PayloadEncodeError, encode_search_attributes, write_headers
from tsuzuki.workflow import ContinueAsNewError

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

_DURATIONS = {
    "run_timeout": "workflow_run_timeout",
    "task_timeout": "workflow_task_timeout",
    "backoff_start_interval": "backoff_start_interval",
}


def continue_command(run: WorkflowRun, asked: ContinueAsNewError) -> Command:
    """Return a ContinueAsNewWorkflowExecution command.

    Raises:
        PayloadEncodeError: An argument cannot be encoded.
        ValueError: An option is out of its bounds.
    """
    options = asked.options
    command = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    attributes = command.continue_as_new_workflow_execution_command_attributes
    attributes.workflow_type.name = asked.workflow or run.workflow_type
    attributes.task_queue.name = options.get("task_queue") or run.task_queue
    attributes.inherit_build_id = attributes.task_queue.name == run.task_queue
    attributes.header.SetInParent()
    if asked.headers:
        write_headers(asked.headers, attributes.header)
    if asked.arguments:
        try:
            attributes.input.payloads.extend(run.payload_converter.to_payloads(asked.arguments))
        except PayloadEncodeError as error:
            raise PayloadEncodeError(
                f"{run.source}: argument number {error.position + 1} to continue as new with: {error}",
                position=error.position,
                value_type=error.value_type,
                path=error.path,
            ) from error
    for option, field in _DURATIONS.items():
        if option in options:
            if options[option] < timedelta(0):
                raise ValueError(f"continue_as_new: {option} is {options[option]}; it must not be negative")
            getattr(attributes, field).FromTimedelta(options[option])
    if "retry_policy" in options:
        options["retry_policy"].apply_to_proto(attributes.retry_policy)
    elif run.facts.started.HasField("retry_policy"):
        attributes.retry_policy.CopyFrom(run.facts.started.retry_policy)
    if "memo" in options:
        for key, value in options["memo"].items():
            attributes.memo.fields[key].CopyFrom(run.payload_converter.to_payload(value))
    else:
        for key, payload in run.facts.info.raw_memo.items():
            attributes.memo.fields[key].CopyFrom(payload)
    if "search_attributes" in options:
        encode_search_attributes(options["search_attributes"], attributes.search_attributes)
    else:
        for key, payload in run.facts.search_attributes.items():
            attributes.search_attributes.indexed_fields[key].CopyFrom(payload)
    return command
