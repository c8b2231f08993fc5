"""What a run is related to: parents up to the root, children, the other runs of its id, what it was made from.

Children are read level by level, when somebody opens one, a page at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from temporalio.api.enums.v1 import ContinueAsNewInitiator
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse

from tsuzuki.core.fork import MEMO
from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from .._foreign_json import read_json
from ._moments import iso
from ._run import Run, describe, first_event, run_path
from ._run_list import css_status, equals, status_name
from ._tokens import read_token, token_text

CHILDREN_A_PAGE: Final = 50
ANCESTORS_MAX: Final = 20
RUNS_OF_AN_ID_MAX: Final = 50
_IDS: Final = ("workflow_id", "run_id")
_BEGAN_AS: Final = {
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW: "Continued from",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY: "Retry of",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE: "Cron, after",
}

Node = dict[str, Any]
"""A run in a tree or list, as the script draws it."""


async def relations(caller: Caller, run: Run) -> dict[str, Any]:
    """Everything but the children's children.

    Returns:
        `ancestors` from the root down, `self`, `children` (`nodes` and the token of the `next` page), `runs` of the
        same workflow id, newest first, and `origins`: what this run was made from, and what was made from it.
    """
    described = await describe(caller, run)
    info = described.workflow_execution_info
    known = Run(run.namespace, run.workflow_id, info.execution.run_id)
    started = (await first_event(caller, known)).workflow_execution_started_event_attributes
    origins = [*_made_from(known, started)]
    if described.workflow_extended_info.reset_run_id:
        origins.append(_origin("Reset to", known, run.workflow_id, described.workflow_extended_info.reset_run_id))
    return {
        "ancestors": await _ancestors(caller, known, info),
        "self": _node(known.namespace, info),
        "children": await children(caller, known, ""),
        "runs": await _runs_of_the_id(caller, known),
        "origins": origins,
    }


async def children(caller: Caller, run: Run, page: str) -> dict[str, Any]:
    """A page of a run's children, newest first, and the token of the next."""
    query = f"{equals('ParentWorkflowId', run.workflow_id)} AND {equals('ParentRunId', run.run_id)}"
    asked = ListWorkflowExecutionsRequest(namespace=run.namespace, query=query, page_size=CHILDREN_A_PAGE)
    asked.next_page_token = read_token(page)
    listed = await caller.ask(asked, ListWorkflowExecutionsResponse)
    return {
        "nodes": [_node(run.namespace, info) for info in listed.executions],
        "next": token_text(listed.next_page_token),
    }


async def _ancestors(caller: Caller, run: Run, info: WorkflowExecutionInfo) -> list[Node]:
    """From the root down; where one was deleted, those below it."""
    found: list[Node] = []
    while len(found) < ANCESTORS_MAX and info.parent_execution.workflow_id:
        parent = Run(run.namespace, info.parent_execution.workflow_id, info.parent_execution.run_id)
        try:
            info = (await describe(caller, parent)).workflow_execution_info
        except ServiceError as error:
            if error.status is not StatusCode.NOT_FOUND:
                raise
            break
        found.append(_node(run.namespace, info))
    return found[::-1]


async def _runs_of_the_id(caller: Caller, run: Run) -> list[Node]:
    query = equals("WorkflowId", run.workflow_id)
    asked = ListWorkflowExecutionsRequest(namespace=run.namespace, query=query, page_size=RUNS_OF_AN_ID_MAX)
    listed = (await caller.ask(asked, ListWorkflowExecutionsResponse)).executions
    newest_first = sorted(listed, key=lambda info: -info.start_time.ToNanoseconds())
    return [_node(run.namespace, info) for info in newest_first]


def _made_from(run: Run, started: WorkflowExecutionStartedEventAttributes) -> Iterator[Node]:
    source = _fork_source(started)
    if source is not None:
        yield _origin("Forked from", run, source["workflow_id"], source["run_id"], f", event {source['event_id']}")
    elif started.original_execution_run_id not in ("", run.run_id):
        yield _origin("Reset from", run, run.workflow_id, started.original_execution_run_id)
    if started.continued_execution_run_id:
        began_as = _BEGAN_AS.get(started.initiator, "Continued from")
        attempt = f", attempt {started.attempt}" if started.attempt > 1 else ""
        yield _origin(began_as, run, run.workflow_id, started.continued_execution_run_id, attempt)
        if started.first_execution_run_id not in ("", run.run_id, started.continued_execution_run_id):
            yield _origin("First run", run, run.workflow_id, started.first_execution_run_id)


def _fork_source(started: WorkflowExecutionStartedEventAttributes) -> dict[str, Any] | None:
    """What a fork's memo says of where it is from; None for a memo that somebody else made."""
    if MEMO not in started.memo.fields:
        return None
    try:
        source: dict[str, Any] = read_json(started.memo.fields[MEMO].data)
        fits = isinstance(source["event_id"], int) and all(isinstance(source[name], str) for name in _IDS)
    except (ValueError, TypeError, KeyError):
        return None
    return source if fits else None


def _origin(how: str, run: Run, workflow_id: str, run_id: str, at: str = "") -> Node:
    path = run_path(run.namespace, workflow_id, run_id)
    return {"how": how, "workflowId": workflow_id, "runId": run_id, "at": at, "path": path}


def _node(namespace: str, info: WorkflowExecutionInfo) -> Node:
    execution = info.execution
    return {
        "workflowId": execution.workflow_id,
        "runId": execution.run_id,
        "firstRunId": info.first_run_id,
        "type": info.type.name,
        "status": status_name(info.status),
        "css": css_status(info),
        "started": iso(info.start_time),
        "closed": iso(info.close_time) if info.HasField("close_time") else "",
        "path": run_path(namespace, execution.workflow_id, execution.run_id),
    }
