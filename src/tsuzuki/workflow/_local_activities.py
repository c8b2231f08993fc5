"""Calling local activities from workflow code: activities that run inside the workflow task.

The functions are those for ordinary activities once more; see there. Options are all in `LocalActivityConfig`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, Final, TypeVar, Unpack, cast, overload

from ._activities import ActivityHandle, AsyncClass, call_arguments
from ._activity_options import with_defaults
from ._local_activity_config import LocalActivityConfig
from ._runtime import UNSET, current_runtime

Result = TypeVar("Result")
Param = TypeVar("Param")
Self = TypeVar("Self")

_OPTIONS: Final = frozenset(LocalActivityConfig.__annotations__)


@overload
def start_local_activity(
    activity: Callable[[], Awaitable[Result]], **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity(
    activity: Callable[[], Result], **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity(
    activity: Callable[[Param], Awaitable[Result]], arg: Param, **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity(
    activity: Callable[[Param], Result], arg: Param, **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity(
    activity: Callable[..., Awaitable[Result]], *, args: Sequence[Any], **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity(
    activity: Callable[..., Result], *, args: Sequence[Any], **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity(
    activity: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[Any] | None = None,
    **options: Unpack[LocalActivityConfig],
) -> ActivityHandle[Any]: ...
def start_local_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **options: Unpack[LocalActivityConfig],
) -> ActivityHandle[Any]:
    """Start a local activity and return a handle to wait for it, or to cancel it.

    The worker that runs the workflow runs it too, inside the workflow task, and records only how it ended. It is
    run again if the worker dies before that is on disk.

    Args:
        activity: A function marked with `@activity.defn` that this worker has, or its name.
        arg: Its argument, when it takes one.
        args: Its arguments, when it takes more; excludes `arg`.
        result_type: Type to decode the result as, when `activity` is a name.
        options: See `LocalActivityConfig`; `start_to_close_timeout` or `schedule_to_close_timeout` is required.

    Returns:
        A handle; awaiting it gives the result, or raises what the activity raised last, as an `ApplicationError`
        (not wrapped, as in the official SDK), or `ActivityError` when it timed out or was cancelled.

    Raises:
        TypeError: An option is unknown or of the wrong type, an argument cannot be encoded, or `activity`
            is not an activity.
        ValueError: A timeout is missing, zero or negative, or this worker has no such activity.

    Source: `RecordMarker`, `MarkerRecorded` with the name `core_local_activity`.
    """
    return current_runtime().start_local_activity(
        activity, call_arguments(arg, args), result_type, with_local_defaults(cast("dict[str, Any]", options))
    )


@overload
async def execute_local_activity(
    activity: Callable[[], Awaitable[Result]], **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity(activity: Callable[[], Result], **options: Unpack[LocalActivityConfig]) -> Result: ...
@overload
async def execute_local_activity(
    activity: Callable[[Param], Awaitable[Result]], arg: Param, **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity(
    activity: Callable[[Param], Result], arg: Param, **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity(
    activity: Callable[..., Awaitable[Result]], *, args: Sequence[Any], **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity(
    activity: Callable[..., Result], *, args: Sequence[Any], **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity(
    activity: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[Any] | None = None,
    **options: Unpack[LocalActivityConfig],
) -> Any: ...
async def execute_local_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **options: Unpack[LocalActivityConfig],
) -> Any:
    """Start a local activity and wait for its result; the arguments are those of `start_local_activity`.

    Raises:
        ApplicationError: What the last attempt raised.
        ActivityError: It timed out or was cancelled; the reason is in `cause`.
    """
    return await current_runtime().start_local_activity(
        activity, call_arguments(arg, args), result_type, with_local_defaults(cast("dict[str, Any]", options))
    )


@overload
def start_local_activity_method(
    activity: Callable[[Self], Awaitable[Result]], **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity_method(
    activity: Callable[[Self], Result], **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity_method(
    activity: Callable[[Self, Param], Awaitable[Result]], arg: Param, **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity_method(
    activity: Callable[[Self, Param], Result], arg: Param, **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity_method(
    activity: Callable[Concatenate[Self, ...], Awaitable[Result]],
    *,
    args: Sequence[Any],
    **options: Unpack[LocalActivityConfig],
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity_method(
    activity: Callable[Concatenate[Self, ...], Result],
    *,
    args: Sequence[Any],
    **options: Unpack[LocalActivityConfig],
) -> ActivityHandle[Result]: ...
def start_local_activity_method(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Any]:
    """`start_local_activity` for a method named through its class, such as `Searches.find`."""
    return current_runtime().start_local_activity(
        activity, call_arguments(arg, args), None, with_local_defaults(cast("dict[str, Any]", options))
    )


@overload
async def execute_local_activity_method(
    activity: Callable[[Self], Awaitable[Result]], **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity_method(
    activity: Callable[[Self], Result], **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity_method(
    activity: Callable[[Self, Param], Awaitable[Result]], arg: Param, **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity_method(
    activity: Callable[[Self, Param], Result], arg: Param, **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity_method(
    activity: Callable[Concatenate[Self, ...], Awaitable[Result]],
    *,
    args: Sequence[Any],
    **options: Unpack[LocalActivityConfig],
) -> Result: ...
@overload
async def execute_local_activity_method(
    activity: Callable[Concatenate[Self, ...], Result],
    *,
    args: Sequence[Any],
    **options: Unpack[LocalActivityConfig],
) -> Result: ...
async def execute_local_activity_method(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[LocalActivityConfig]
) -> Any:
    """`execute_local_activity` for a method named through its class, such as `Searches.find`."""
    return await current_runtime().start_local_activity(
        activity, call_arguments(arg, args), None, with_local_defaults(cast("dict[str, Any]", options))
    )


@overload
def start_local_activity_class(
    activity: type[AsyncClass[Result]], arg: Any = ..., **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Result]: ...
@overload
def start_local_activity_class(
    activity: type[Any], arg: Any = ..., *, args: Sequence[Any] = ..., **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Any]: ...
def start_local_activity_class(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[LocalActivityConfig]
) -> ActivityHandle[Any]:
    """`start_local_activity` for a class whose instances are called."""
    return current_runtime().start_local_activity(
        activity, call_arguments(arg, args), None, with_local_defaults(cast("dict[str, Any]", options))
    )


@overload
async def execute_local_activity_class(
    activity: type[AsyncClass[Result]], arg: Any = ..., **options: Unpack[LocalActivityConfig]
) -> Result: ...
@overload
async def execute_local_activity_class(
    activity: type[Any], arg: Any = ..., *, args: Sequence[Any] = ..., **options: Unpack[LocalActivityConfig]
) -> Any: ...
async def execute_local_activity_class(
    activity: Any, arg: Any = UNSET, *, args: Sequence[Any] = (), **options: Unpack[LocalActivityConfig]
) -> Any:
    """`execute_local_activity` for a class whose instances are called."""
    return await current_runtime().start_local_activity(
        activity, call_arguments(arg, args), None, with_local_defaults(cast("dict[str, Any]", options))
    )


def with_local_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """Fill the options of a call up from the `activity_options` around it, as far as they are of a local activity."""
    filled = with_defaults(options)
    if filled is options:
        return options
    return {name: value for name, value in filled.items() if name in _OPTIONS or name in options}
