"""Calling activities from workflow code.

The six functions are one: `start_` returns a handle, `execute_` waits for it; the `_method` and `_class`
forms exist because type checkers cannot tell `self` from a parameter. Options are keyword arguments, all in
`ActivityConfig`. Everything is checked by the run at the call, so that the error names the user's line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, Protocol, TypeVar, Unpack, cast, overload

from ._activity_config import ActivityConfig
from ._activity_options import with_defaults
from ._runtime import UNSET, current_runtime

Result = TypeVar("Result")
ResultCo = TypeVar("ResultCo", covariant=True)
Param = TypeVar("Param")
ParamContra = TypeVar("ParamContra", contravariant=True)
Self = TypeVar("Self")


class ActivityHandle(asyncio.Future[Result]):
    """An activity that was started; await it for its result.

    `cancel()` does what the call's `cancellation_type` says.
    """

    __slots__ = ()


class AsyncClass(Protocol[ResultCo]):
    """A class of activities: its instances are called, and give something to await."""

    def __call__(self) -> Awaitable[ResultCo]: ...


class _SyncClass(Protocol[ResultCo]):
    def __call__(self) -> ResultCo: ...


@overload
def start_activity(
    activity: Callable[[], Awaitable[Result]], **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity(activity: Callable[[], Result], **options: Unpack[ActivityConfig]) -> ActivityHandle[Result]: ...
@overload
def start_activity(
    activity: Callable[[Param], Awaitable[Result]], arg: Param, **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity(
    activity: Callable[[Param], Result], arg: Param, **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity(
    activity: Callable[..., Awaitable[Result]], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity(
    activity: Callable[..., Result], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity(
    activity: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[Any] | None = None,
    **options: Unpack[ActivityConfig],
) -> ActivityHandle[Any]: ...
def start_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **options: Unpack[ActivityConfig],
) -> ActivityHandle[Any]:
    """Start an activity and return a handle to wait for it, or to cancel it.

    Args:
        activity: A function marked with `@activity.defn`, or the name of an activity.
        arg: Its argument, when it takes one.
        args: Its arguments, when it takes more; excludes `arg`.
        result_type: Type to decode the result as, when `activity` is a name.
        options: See `ActivityConfig`; `start_to_close_timeout` or `schedule_to_close_timeout` is required.

    Returns:
        A handle; awaiting it gives the result or raises `ActivityError`, whose `cause` is the reason.

    Raises:
        TypeError: An option is unknown or of the wrong type, an argument cannot be encoded, or `activity`
            is not an activity.
        ValueError: A timeout is missing, zero or negative.

    Source: `ScheduleActivityTask`, `ActivityTaskScheduled`.
    """
    return current_runtime().start_activity(
        activity, call_arguments(arg, args), result_type, with_defaults(cast("dict[str, Any]", options))
    )


@overload
async def execute_activity(activity: Callable[[], Awaitable[Result]], **options: Unpack[ActivityConfig]) -> Result: ...
@overload
async def execute_activity(activity: Callable[[], Result], **options: Unpack[ActivityConfig]) -> Result: ...
@overload
async def execute_activity(
    activity: Callable[[Param], Awaitable[Result]], arg: Param, **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity(
    activity: Callable[[Param], Result], arg: Param, **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity(
    activity: Callable[..., Awaitable[Result]], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity(
    activity: Callable[..., Result], *, args: Sequence[Any], **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity(
    activity: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[Any] | None = None,
    **options: Unpack[ActivityConfig],
) -> Any: ...
async def execute_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **options: Unpack[ActivityConfig],
) -> Any:
    """Start an activity and wait for its result; the arguments are those of `start_activity`.

    Raises:
        ActivityError: The activity ended without a result; the reason is in `cause`.
    """
    return await current_runtime().start_activity(
        activity, call_arguments(arg, args), result_type, with_defaults(cast("dict[str, Any]", options))
    )


@overload
def start_activity_method(
    activity: Callable[[Self], Awaitable[Result]], **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity_method(
    activity: Callable[[Self], Result], **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity_method(
    activity: Callable[[Self, Param], Awaitable[Result]], arg: Param, **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity_method(
    activity: Callable[[Self, Param], Result], arg: Param, **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity_method(
    activity: Callable[Concatenate[Self, ...], Awaitable[Result]],
    *,
    args: Sequence[Any],
    **options: Unpack[ActivityConfig],
) -> ActivityHandle[Result]: ...
@overload
def start_activity_method(
    activity: Callable[Concatenate[Self, ...], Result],
    *,
    args: Sequence[Any],
    **options: Unpack[ActivityConfig],
) -> ActivityHandle[Result]: ...
def start_activity_method(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[ActivityConfig]
) -> ActivityHandle[Any]:
    """`start_activity` for a method named through its class, such as `Searches.find`."""
    return current_runtime().start_activity(
        activity, call_arguments(arg, args), None, with_defaults(cast("dict[str, Any]", options))
    )


@overload
async def execute_activity_method(
    activity: Callable[[Self], Awaitable[Result]], **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity_method(activity: Callable[[Self], Result], **options: Unpack[ActivityConfig]) -> Result: ...
@overload
async def execute_activity_method(
    activity: Callable[[Self, Param], Awaitable[Result]], arg: Param, **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity_method(
    activity: Callable[[Self, Param], Result], arg: Param, **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity_method(
    activity: Callable[Concatenate[Self, ...], Awaitable[Result]],
    *,
    args: Sequence[Any],
    **options: Unpack[ActivityConfig],
) -> Result: ...
@overload
async def execute_activity_method(
    activity: Callable[Concatenate[Self, ...], Result],
    *,
    args: Sequence[Any],
    **options: Unpack[ActivityConfig],
) -> Result: ...
async def execute_activity_method(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[ActivityConfig]
) -> Any:
    """`execute_activity` for a method named through its class, such as `Searches.find`."""
    return await current_runtime().start_activity(
        activity, call_arguments(arg, args), None, with_defaults(cast("dict[str, Any]", options))
    )


@overload
def start_activity_class(
    activity: type[AsyncClass[Result]], arg: Any = ..., **options: Unpack[ActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_activity_class(
    activity: type[Any], arg: Any = ..., *, args: Sequence[Any] = ..., **options: Unpack[ActivityConfig]
) -> ActivityHandle[Any]: ...
def start_activity_class(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[ActivityConfig]
) -> ActivityHandle[Any]:
    """`start_activity` for a class whose instances are called."""
    return current_runtime().start_activity(
        activity, call_arguments(arg, args), None, with_defaults(cast("dict[str, Any]", options))
    )


@overload
async def execute_activity_class(
    activity: type[AsyncClass[Result]], arg: Any = ..., **options: Unpack[ActivityConfig]
) -> Result: ...
@overload
async def execute_activity_class(
    activity: type[Any], arg: Any = ..., *, args: Sequence[Any] = ..., **options: Unpack[ActivityConfig]
) -> Any: ...
async def execute_activity_class(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[ActivityConfig]
) -> Any:
    """`execute_activity` for a class whose instances are called."""
    return await current_runtime().start_activity(
        activity, call_arguments(arg, args), None, with_defaults(cast("dict[str, Any]", options))
    )


def call_arguments(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments of an activity call, given as one or as several."""
    if arg is UNSET:
        return args
    if args:
        raise TypeError("give an activity either one argument or `args=[...]`, not both")
    return (arg,)
