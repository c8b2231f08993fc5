"""Signals as a channel to receive from, in place of a handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, overload

from ._runtime import UNSET, current_runtime

Value = TypeVar("Value")


class SignalChannel(Generic[Value]):
    """The signals of one name, in the order in which they came; each is received once.

    Made by `signal_channel`.
    """

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Value] = asyncio.Queue()

    async def receive(self) -> Value:
        """Wait for the next signal and return its argument: None when it has none, a tuple when it has several."""
        return await self._waiting.get()

    def receive_nowait(self, default: Any = UNSET) -> Value:
        """Return the argument of the next signal if it is there.

        Args:
            default: What to return when there is none; without it that is an error.

        Raises:
            asyncio.QueueEmpty: None is there, and no default.
        """
        if default is not UNSET and self._waiting.empty():
            return default  # type: ignore[no-any-return]
        return self._waiting.get_nowait()

    def __len__(self) -> int:
        """Number of signals that wait to be received."""
        return self._waiting.qsize()

    def __bool__(self) -> bool:
        return True

    async def __aiter__(self) -> AsyncIterator[Value]:
        """Receive one after another, without end."""
        while True:
            yield await self.receive()

    def put(self, *args: Any) -> None:
        """Take a signal in; called by the run."""
        value: Any = args if len(args) > 1 else args[0] if args else None
        self._waiting.put_nowait(value)


@overload
def signal_channel(name: str) -> SignalChannel[Any]: ...
@overload
def signal_channel(name: str, arg_type: type[Value]) -> SignalChannel[Value]: ...
def signal_channel(name: str, arg_type: Any = Any) -> SignalChannel[Any]:
    """Return the channel of the signals of a name; the same one at each call in a run.

    Signals that came before are in it. It takes the place of the name's handler, if there is one.

    Args:
        name: Name of the signals.
        arg_type: Type to decode their argument as.

    Source: `WorkflowExecutionSignaled`.
    """
    return current_runtime().signal_channel(name, arg_type)
