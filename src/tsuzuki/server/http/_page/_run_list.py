"""The list of runs: what is asked for, and one page of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    CountWorkflowExecutionsResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
)

from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from ._tokens import read_token, token_text

PAGE_RUNS: Final = 50
STATUSES: Final[Mapping[str, str]] = {
    "Running": "running",
    "Paused": "paused",
    "Completed": "completed",
    "Failed": "failed",
    "TimedOut": "timed-out",
    "Canceled": "canceled",
    "Terminated": "terminated",
    "ContinuedAsNew": "continued",
}
"""As the query language names them, and as the page's colours are named."""
_NAMES: Final[Mapping[int, str]] = {
    number: "".join(word.capitalize() for word in name.removeprefix("WORKFLOW_EXECUTION_STATUS_").split("_"))
    for name, number in WorkflowExecutionStatus.items()
}


def status_name(status: int) -> str:
    """`TimedOut` for its number."""
    return _NAMES.get(status, str(status))


@dataclass(frozen=True)
class Filters:
    """What the form above the list says; every field may be empty."""

    status: str = ""
    type: str = ""
    id: str = ""
    since: str = ""
    query: str = ""

    @classmethod
    def read(cls, request: Request) -> Filters:
        """From the query string."""
        return cls(**{name: request.query_params.get(name, "").strip() for name in cls.__dataclass_fields__})

    def clause(self, *, status: str | None = None) -> str:
        """In the query language; with another status if one is given."""
        chosen = self.status if status is None else status
        conditions = [
            equals("ExecutionStatus", chosen) if chosen else "",
            equals("WorkflowType", self.type) if self.type else "",
            equals("WorkflowId", self.id) if self.id else "",
            f"StartTime >= {_quoted(_iso(self.since))}" if self.since else "",
            (f"({self.query})" if self.query and any((chosen, self.type, self.id, self.since)) else self.query),
        ]
        return " AND ".join(condition for condition in conditions if condition)

    def link(self, **changes: str) -> str:
        """A query string with some of it changed."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__} | changes
        return urlencode({name: value for name, value in fields.items() if value})

    @property
    def any(self) -> bool:
        return any(getattr(self, name) for name in self.__dataclass_fields__)


def equals(attribute: str, value: str) -> str:
    """A condition of the query language."""
    return f"{attribute} = {_quoted(value)}"


def _quoted(text: str) -> str:
    quote = '"' if "'" in text else "'"
    return quote + text + quote


def _iso(local: str) -> str:
    """A `datetime-local` value is without seconds and zone."""
    return f"{local}:00Z" if len(local) == len("2026-01-01T00:00") else local


async def run_list(caller: Caller, namespace: str, request: Request) -> dict[str, Any]:
    """What the template shows; a query that is not understood is shown with the reason, and an empty list."""
    filters, token = Filters.read(request), request.query_params.get("page", "")
    shown: dict[str, Any] = {
        "filters": filters,
        "statuses": STATUSES,
        "page": token,
        "runs": [],
        "next": "",
        "counts": {},
    }
    try:
        listed = await caller.ask(
            ListWorkflowExecutionsRequest(
                namespace=namespace, page_size=PAGE_RUNS, query=filters.clause(), next_page_token=read_token(token)
            ),
            ListWorkflowExecutionsResponse,
        )
        shown["runs"] = list(listed.executions)
        shown["next"] = token_text(listed.next_page_token)
        shown["counts"] = await _counts(caller, namespace, filters)
    except ServiceError as error:
        if error.status is not StatusCode.INVALID_ARGUMENT:
            raise
        shown["refusal"] = error.message
    return shown


async def _counts(caller: Caller, namespace: str, filters: Filters) -> dict[str, int]:
    """How many runs there are of each status, and in all, under the other filters."""
    query = f"{filters.clause(status='')} GROUP BY ExecutionStatus".strip()
    asked = CountWorkflowExecutionsRequest(namespace=namespace, query=query)
    counted = await caller.ask(asked, CountWorkflowExecutionsResponse)
    return {"": counted.count} | {json.loads(group.group_values[0].data): group.count for group in counted.groups}


def css_status(info: WorkflowExecutionInfo) -> str:
    """The name of its colour."""
    return STATUSES.get(status_name(info.status), "other")
