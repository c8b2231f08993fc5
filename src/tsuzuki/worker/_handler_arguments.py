"""The arguments of a handler out of the payloads of a signal, query or update, and the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload

from tsuzuki.common import RawValue
from tsuzuki.converter import PayloadConverter
from tsuzuki.workflow import HandlerDefinition


def handler_arguments(
    handler: HandlerDefinition, name: str, payloads: Sequence[Payload], converter: PayloadConverter
) -> list[Any]:
    """Decode arguments by the type hints of the handler; the dynamic one gets the name, and them undecoded.

    More than it takes are dropped, so that a client of a later version can give more.

    Raises:
        PayloadDecodeError: An argument does not fit its parameter.
    """
    if handler.name is None:
        return [name, converter.from_payloads(payloads, [RawValue] * len(payloads))]
    if not handler.variadic and len(payloads) > len(handler.arg_types):
        payloads = payloads[: len(handler.arg_types)]
    return converter.from_payloads(payloads, handler.arg_types)


def intercepted_arguments(handler: HandlerDefinition, arguments: list[Any]) -> list[Any]:
    """Return the arguments as interceptors see them: the dynamic handler's without the name."""
    return arguments[1] if handler.name is None else arguments


def call_handler(handler: HandlerDefinition, workflow: Any, arguments: Sequence[Any]) -> Any:
    """Call a handler; what it returns may be awaitable."""
    return handler.fn(workflow, *arguments) if handler.bound else handler.fn(*arguments)
