"""Starting workflows from a workflow: children, with a handle to wait for, to signal and to cancel.

`start_child_workflow` comes back once the child has been started, or refuses; the handle is then a task whose
result is the child's. `execute_child_workflow` does both. Options are keyword arguments, all in
`ChildWorkflowConfig`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, TypeVar, Unpack, cast, overload

from ._child_config import ChildWorkflowConfig
from ._runtime import UNSET, current_runtime
from ._signals import signal_arguments, signal_name

Result = TypeVar("Result")
Param = TypeVar("Param")
Self = TypeVar("Self")


class ChildWorkflowHandle(asyncio.Task[Result]):
    """A child workflow that was started; await it for its result.

    `cancel()` does what the call's `cancellation_type` says.
    """

    __slots__ = ()

    @property
    def id(self) -> str:
        """Its workflow id."""
        raise NotImplementedError

    @property
    def first_execution_run_id(self) -> str | None:
        """Its first run; the child may have gone on in others since."""
        raise NotImplementedError

    async def signal(self, signal: str | Callable[..., Any], arg: Any = UNSET, *, args: Sequence[Any] = ()) -> None:
        """Append a signal to the child's history; return once it is there.

        Args:
            signal: Name of the signal, or its handler in the child's class.
            arg: Its argument, when it takes one.
            args: Its arguments, when it takes more; excludes `arg`.

        Raises:
            ApplicationError: The child has closed.
            CancelledError: The wait was cancelled before the signal was sent.

        Source: `SignalExternalWorkflowExecution`, `ExternalWorkflowExecutionSignaled`.
        """
        name = signal_name(signal)
        await current_runtime().signal_workflow(self.id, None, name, signal_arguments(arg, args), child=True)


@overload
async def start_child_workflow(
    workflow: Callable[[], Awaitable[Result]], **options: Unpack[ChildWorkflowConfig]
) -> ChildWorkflowHandle[Result]: ...
@overload
async def start_child_workflow(
    workflow: Callable[[Any], Awaitable[Result]], **options: Unpack[ChildWorkflowConfig]
) -> ChildWorkflowHandle[Result]: ...
@overload
async def start_child_workflow(
    workflow: Callable[[Any, Param], Awaitable[Result]], arg: Param, **options: Unpack[ChildWorkflowConfig]
) -> ChildWorkflowHandle[Result]: ...
@overload
async def start_child_workflow(
    workflow: Callable[[Param], Awaitable[Result]], arg: Param, **options: Unpack[ChildWorkflowConfig]
) -> ChildWorkflowHandle[Result]: ...
@overload
async def start_child_workflow(
    workflow: Callable[Concatenate[Any, ...], Awaitable[Result]],
    *,
    args: Sequence[Any],
    **options: Unpack[ChildWorkflowConfig],
) -> ChildWorkflowHandle[Result]: ...
@overload
async def start_child_workflow(
    workflow: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[Any] | None = None,
    **options: Unpack[ChildWorkflowConfig],
) -> ChildWorkflowHandle[Any]: ...
async def start_child_workflow(
    workflow: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **options: Unpack[ChildWorkflowConfig],
) -> ChildWorkflowHandle[Any]:
    """Start a child workflow and return a handle to it once it has been started.

    Args:
        workflow: A workflow's `@workflow.run` method or function, or its name.
        arg: Its argument, when it takes one.
        args: Its arguments, when it takes more; excludes `arg`.
        result_type: Type to decode the result as, when `workflow` is a name.
        options: See `ChildWorkflowConfig`.

    Returns:
        A handle; awaiting it gives the result or raises `ChildWorkflowError`, whose `cause` is the reason.

    Raises:
        WorkflowAlreadyStartedError: The workflow id is taken.
        ChildWorkflowError: It was cancelled before it was started.
        TypeError: An option is unknown or of the wrong type, or `workflow` is not a workflow.
        ValueError: A timeout is zero or negative.

    Source: `StartChildWorkflowExecution`, `ChildWorkflowExecutionStarted`.
    """
    return await current_runtime().start_child_workflow(
        workflow, _arguments(arg, args), result_type, cast("dict[str, Any]", options)
    )


@overload
async def execute_child_workflow(
    workflow: Callable[[], Awaitable[Result]], **options: Unpack[ChildWorkflowConfig]
) -> Result: ...
@overload
async def execute_child_workflow(
    workflow: Callable[[Any], Awaitable[Result]], **options: Unpack[ChildWorkflowConfig]
) -> Result: ...
@overload
async def execute_child_workflow(
    workflow: Callable[[Any, Param], Awaitable[Result]], arg: Param, **options: Unpack[ChildWorkflowConfig]
) -> Result: ...
@overload
async def execute_child_workflow(
    workflow: Callable[[Param], Awaitable[Result]], arg: Param, **options: Unpack[ChildWorkflowConfig]
) -> Result: ...
@overload
async def execute_child_workflow(
    workflow: Callable[Concatenate[Any, ...], Awaitable[Result]],
    *,
    args: Sequence[Any],
    **options: Unpack[ChildWorkflowConfig],
) -> Result: ...
@overload
async def execute_child_workflow(
    workflow: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[Any] | None = None,
    **options: Unpack[ChildWorkflowConfig],
) -> Any: ...
async def execute_child_workflow(
    workflow: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **options: Unpack[ChildWorkflowConfig],
) -> Any:
    """Start a child workflow and wait for its result; the arguments are those of `start_child_workflow`.

    Raises:
        ChildWorkflowError: The child ended without a result; the reason is in `cause`.
        WorkflowAlreadyStartedError: The workflow id is taken.
    """
    handle = await current_runtime().start_child_workflow(
        workflow, _arguments(arg, args), result_type, cast("dict[str, Any]", options)
    )
    return await handle


def _arguments(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    if arg is UNSET:
        return args
    if args:
        raise TypeError("give a workflow either one argument or `args=[...]`, not both")
    return (arg,)
