"""The part of the client that finds runs: handles by their ids, lists, counts, and the attributes to find them by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from ..common import SearchAttributeKey
from ..workflow import name_and_result_type
from ._context import ClientContext
from ._execution import WorkflowExecution
from ._handle import WorkflowHandle
from ._interceptor import CountWorkflowsInput, ListWorkflowsInput
from ._search_attributes import add_search_attributes, registered_search_attributes
from ._validation import check_name
from ._visibility import WorkflowExecutionCount, count_executions, list_executions

ReturnType = TypeVar("ReturnType")


class FindingClient:
    """See the module; `Client` is made of it."""

    _context: ClientContext

    def get_workflow_handle(
        self,
        workflow_id: str,
        *,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
        result_type: Any = None,
    ) -> WorkflowHandle[Any, Any]:
        """Make a handle for a workflow by its id. No call is made; the workflow need not exist.

        Args:
            workflow_id: Which workflow.
            run_id: Which of its runs; the default is the one that is open, else the latest.
            first_execution_run_id: Cancel and terminate only find runs of the chain that began with it.
            result_type: Expected type of the result; the default is plain values.

        Raises:
            InvalidArgumentError: The id is empty, too long or contains NUL.
        """
        check_name("the workflow id", workflow_id)
        return WorkflowHandle(
            self._context,
            workflow_id,
            run_id=run_id,
            result_run_id=run_id,
            first_execution_run_id=first_execution_run_id,
            result_type=result_type,
        )

    def get_workflow_handle_for(
        self,
        workflow: Callable[..., Awaitable[ReturnType]] | type[Any],
        workflow_id: str,
        *,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
    ) -> WorkflowHandle[Any, ReturnType]:
        """Make a handle for a workflow whose result type its definition says.

        Args:
            workflow: The workflow class, its `@workflow.run` method, or a plain workflow function.
            workflow_id: Which workflow.
            run_id: See `get_workflow_handle`.
            first_execution_run_id: See `get_workflow_handle`.
        """
        _, hint = name_and_result_type(workflow)
        return self.get_workflow_handle(
            workflow_id, run_id=run_id, first_execution_run_id=first_execution_run_id, result_type=hint
        )

    def list_workflows(
        self, query: str | None = None, *, page_size: int = 1000, limit: int | None = None
    ) -> AsyncIterator[WorkflowExecution]:
        """Iterate over runs: open ones, the newest first, then closed ones, the last closed first.

        Args:
            query: List filter, such as `WorkflowType = 'Research' AND ExecutionStatus = 'Running'`; the
                default is all runs of the namespace.
            page_size: Most runs of one call.
            limit: Most runs in all.

        Raises:
            InvalidArgumentError: The query cannot be read, or a number is out of its bounds.

        Source: `ListWorkflowExecutions`.
        """
        context = self._context
        if context.outbound is None:
            return list_executions(context, query, page_size, limit)
        return context.outbound.list_workflows(ListWorkflowsInput(query, page_size, limit))

    async def count_workflows(self, query: str | None = None) -> WorkflowExecutionCount:
        """Count runs.

        Args:
            query: List filter, also with GROUP BY; the default is all runs of the namespace.

        Raises:
            InvalidArgumentError: The query cannot be read.

        Source: `CountWorkflowExecutions`.
        """
        context = self._context
        if context.outbound is None:
            return await count_executions(context, query)
        return await context.outbound.count_workflows(CountWorkflowsInput(query))

    async def add_search_attributes(self, *keys: SearchAttributeKey[Any]) -> None:
        """Register search attributes in the namespace, so that workflows may set them and be found by them.

        One that is registered already stays as it is, whatever its type.

        Args:
            keys: Their names and types.

        Raises:
            InvalidArgumentError: A name is reserved, or there are too many.

        Source: `AddSearchAttributes`, temporal.api.operatorservice.v1.
        """
        await add_search_attributes(self._context, keys)

    async def search_attributes(self) -> list[SearchAttributeKey[Any]]:
        """List the search attributes that the namespace has registered, in the order of their names.

        Source: `ListSearchAttributes`, temporal.api.operatorservice.v1.
        """
        return await registered_search_attributes(self._context)
