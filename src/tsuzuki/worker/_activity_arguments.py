"""The arguments of an activity, decoded by its type hints.

Arguments that do not fit fail the attempt, not the activity: as in the official worker it is tried again,
because another worker, or this one after a deployment, may take them.
"""

from __future__ import annotations

from typing import Any

from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki.activity import ActivityDefinition
from tsuzuki.common import RawValue
from tsuzuki.converter import PayloadConverter, PayloadDecodeError
from tsuzuki.exceptions import ApplicationError


def decode_arguments(
    converter: PayloadConverter, definition: ActivityDefinition, task: PollActivityTaskQueueResponse
) -> list[Any]:
    """Decode the arguments by the activity's type hints.

    Raises:
        ApplicationError: Their number or one of their types does not fit.
    """
    signature = definition.signature
    payloads = task.input.payloads
    if definition.name is None:
        return [[RawValue(payload) for payload in payloads]]
    given = len(payloads)
    if given < signature.required or (given > len(signature.parameters) and not signature.variadic):
        raise _bad_arguments(definition, None, given)
    try:
        return converter.from_payloads(payloads, signature.arg_types)
    except PayloadDecodeError as error:
        raise _bad_arguments(definition, error, given) from error


def _bad_arguments(definition: ActivityDefinition, cause: PayloadDecodeError | None, given: int) -> ApplicationError:
    """Describe arguments that do not fit; retried, because a mended worker may take them."""
    signature = definition.signature
    if cause is None:
        expected = str(signature.required)
        if signature.variadic:
            expected = f"at least {expected}"
        elif len(signature.parameters) != signature.required:
            expected = f"{expected} to {len(signature.parameters)}"
        return ApplicationError(
            f"activity {definition.label!r} takes {expected} argument(s) {signature}, but was scheduled with {given}",
            type="TypeError",
        )
    name = (
        signature.parameters[cause.position]
        if cause.position < len(signature.parameters)
        else f"number {cause.position + 1}"
    )
    return ApplicationError(
        f"argument {name!r} of activity {definition.label!r} does not fit: {cause}", type=type(cause).__name__
    )
