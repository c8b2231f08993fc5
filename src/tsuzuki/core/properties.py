"""What a workflow changes about how it is shown: search attributes and memo. A value of null removes its key."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, cast

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Memo, Payload, SearchAttributes
from temporalio.api.enums.v1 import CommandType, EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from .apply import applies
from .commands import Plan, carries_out
from .limits import too_large
from .refusal import BadCommand, InvalidInput
from .search_attributes import check_search_attributes

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

UPSERTED: Final = EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
MODIFIED: Final = EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED


@applies(UPSERTED)
def apply_upserted(run: Execution, event: HistoryEvent) -> None:
    changed = SearchAttributes()
    changed.CopyFrom(run.search_attributes)
    news = event.upsert_workflow_search_attributes_event_attributes.search_attributes
    _merge(changed.indexed_fields, news.indexed_fields)
    run.search_attributes = changed


@applies(MODIFIED)
def apply_modified(run: Execution, event: HistoryEvent) -> None:
    changed = Memo()
    changed.CopyFrom(run.memo)
    _merge(changed.fields, event.workflow_properties_modified_event_attributes.upserted_memo.fields)
    run.memo = changed


def _merge(into: Any, news: Mapping[str, Payload]) -> None:
    fields = cast("MutableMapping[str, Payload]", into)
    for key, payload in news.items():
        if payload.metadata.get("encoding") == b"binary/null" or payload.data in (b"null", b"[]"):
            fields.pop(key, None)
        else:
            fields[key].CopyFrom(payload)


def _check_upsert(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked = command.upsert_workflow_search_attributes_command_attributes.search_attributes
    if not asked.indexed_fields:
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES,
            "UpsertWorkflowSearchAttributes without an attribute; name at least one.",
        )
    check_in_command(asked, run.namespace, moment)


def check_in_command(asked: SearchAttributes, namespace: str, moment: Moment) -> None:
    """Refuse search attributes that a command sets and cannot.

    Raises:
        BadCommand: It names the attribute.
    """
    if not asked.indexed_fields:
        return
    try:
        check_search_attributes(asked, moment.kinds_of(namespace), moment.limits)
    except InvalidInput as error:
        cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES
        raise BadCommand(cause, str(error)) from None


@carries_out(CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, _check_upsert)
def upsert_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    event = run.event(UPSERTED, moment.now_ns)
    attributes = event.upsert_workflow_search_attributes_event_attributes
    attributes.workflow_task_completed_event_id = completed_event_id
    asked = command.upsert_workflow_search_attributes_command_attributes
    attributes.search_attributes.CopyFrom(asked.search_attributes)
    fields = attributes.search_attributes.indexed_fields
    for key in asked.search_attributes.indexed_fields:  # what is removed is still of the type it was
        known = run.search_attributes.indexed_fields
        if "type" not in fields[key].metadata and key in known and "type" in known[key].metadata:
            fields[key].metadata["type"] = known[key].metadata["type"]
    run.record(event)


def _check_modify(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    bad = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES
    asked = command.modify_workflow_properties_command_attributes.upserted_memo
    if not asked.fields:
        raise BadCommand(bad, "ModifyWorkflowProperties without a memo field; name at least one.")
    size = run.memo.ByteSize() + asked.ByteSize()
    if size > moment.limits.memo_bytes_max:
        what = f"the memo of workflow '{run.workflow_id}'"
        raise BadCommand(bad, too_large(what, size, moment.limits.memo_bytes_max), ends_run=True)


@carries_out(CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, _check_modify)
def modify_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    event = run.event(MODIFIED, moment.now_ns)
    attributes = event.workflow_properties_modified_event_attributes
    attributes.workflow_task_completed_event_id = completed_event_id
    attributes.upserted_memo.CopyFrom(command.modify_workflow_properties_command_attributes.upserted_memo)
    run.record(event)
