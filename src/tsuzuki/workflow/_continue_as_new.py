"""Continue-as-new: the run ends, and the next one of its chain starts with an empty history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn

from temporalio.api.common.v1 import Payload

from tsuzuki.common import RetryPolicy, SearchAttributes, TypedSearchAttributes

from ._definition import name_and_result_type
from ._runtime import UNSET, current_runtime


class ContinueAsNewError(BaseException):
    """Leaves the workflow to end its run; let it pass.

    Not an `Exception`, so that code that handles failures does not swallow it.

    Attributes:
        workflow: Workflow type of the next run; None for this one's.
        args: Its arguments.
        options: Other options, by name.
        headers: What interceptors send along, if anything.
    """

    def __init__(
        self,
        workflow: str | None,
        args: Sequence[Any],
        options: Mapping[str, Any],
        headers: Mapping[str, Payload] | None = None,
    ) -> None:
        super().__init__("Continue as new")
        self.workflow: Final = workflow
        self.arguments: Final = args
        self.options: Final = options
        self.headers: Final = headers


def continue_as_new(
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    workflow: str | Callable[..., Any] | None = None,
    task_queue: str | None = None,
    run_timeout: timedelta | None = None,
    task_timeout: timedelta | None = None,
    backoff_start_interval: timedelta | None = None,
    retry_policy: RetryPolicy | None = None,
    memo: Mapping[str, Any] | None = None,
    search_attributes: SearchAttributes | TypedSearchAttributes | None = None,
) -> NoReturn:
    """End this run and start the next one of the chain, with the same workflow id and an empty history.

    What is left out stays as it is in this run; arguments are never carried over. Signals that this run has
    not seen yet make it run once more before it ends, so none is lost.

    Args:
        arg: Argument of the next run, when the workflow takes one.
        args: Its arguments, when it takes more; excludes `arg`.
        workflow: Another workflow to go on with.
        task_queue: Another task queue.
        run_timeout: Bound of the next run.
        task_timeout: Bound of its workflow tasks.
        backoff_start_interval: Delay of its first workflow task.
        retry_policy: Its retry policy.
        memo: Its memo, all of it.
        search_attributes: Its search attributes, all of them.

    Raises:
        ContinueAsNewError: Always; let it pass.

    Source: `ContinueAsNewWorkflowExecution`, `WorkflowExecutionContinuedAsNew`.
    """
    if arg is not UNSET:
        if args:
            raise TypeError("give a workflow either one argument or `args=[...]`, not both")
        args = (arg,)
    given = {
        "task_queue": task_queue,
        "run_timeout": run_timeout,
        "task_timeout": task_timeout,
        "backoff_start_interval": backoff_start_interval,
        "retry_policy": retry_policy,
        "memo": memo,
        "search_attributes": search_attributes,
    }
    current_runtime().continue_as_new(
        ContinueAsNewError(
            None if workflow is None else name_and_result_type(workflow)[0],
            args,
            {name: value for name, value in given.items() if value is not None},
        )
    )
