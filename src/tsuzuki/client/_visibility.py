"""Listing and counting runs, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest

from ..common import SearchAttributeValue
from ..converter import decode_search_attribute
from ._context import ClientContext
from ._errors import InvalidArgumentError, NamespaceNotFoundError
from ._execution import WorkflowExecution


@dataclass(frozen=True)
class WorkflowExecutionCountAggregationGroup:
    """The runs of one group.

    Attributes:
        count: How many.
        group_values: What they have in common, in the order of the query's GROUP BY.
    """

    count: int
    group_values: Sequence[SearchAttributeValue]


@dataclass(frozen=True)
class WorkflowExecutionCount:
    """How many runs match.

    Attributes:
        count: All of them.
        groups: Each group, when the query has a GROUP BY.
    """

    count: int
    groups: Sequence[WorkflowExecutionCountAggregationGroup]


async def list_executions(
    context: ClientContext, query: str | None, page_size: int, limit: int | None
) -> AsyncIterator[WorkflowExecution]:
    """Yield matching runs, fetching the next page when the last one is used up."""
    if page_size < 1 or (limit is not None and limit < 0):
        raise InvalidArgumentError(
            f"page_size is {page_size} and limit is {limit}; page_size must be 1 or more, limit 0 or more"
        )
    left = limit
    token = b""
    while left is None or left > 0:
        page = await context.calls.send(
            context.service.list_workflow_executions,
            ListWorkflowExecutionsRequest(
                namespace=context.namespace,
                page_size=page_size if left is None else min(page_size, left),
                next_page_token=token,
                query=query or "",
            ),
            not_found=NamespaceNotFoundError,
        )
        for info in page.executions if left is None else page.executions[:left]:
            yield WorkflowExecution(info, context)
        left = None if left is None else left - len(page.executions)
        token = page.next_page_token
        if not token:
            return


async def count_executions(context: ClientContext, query: str | None) -> WorkflowExecutionCount:
    """Count matching runs."""
    answer = await context.calls.send(
        context.service.count_workflow_executions,
        CountWorkflowExecutionsRequest(namespace=context.namespace, query=query or ""),
        not_found=NamespaceNotFoundError,
    )
    return WorkflowExecutionCount(
        answer.count,
        [
            WorkflowExecutionCountAggregationGroup(
                group.count, [decode_search_attribute(value) for value in group.group_values]
            )
            for group in answer.groups
        ],
    )
