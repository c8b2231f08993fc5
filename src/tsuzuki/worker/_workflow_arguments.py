"""The arguments of a workflow out of the payloads that it was started with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload

from tsuzuki.common import RawValue
from tsuzuki.converter import PayloadConverter, PayloadDecodeError
from tsuzuki.workflow import WorkflowDefinition


def decode_arguments(
    definition: WorkflowDefinition, payloads: Sequence[Payload], converter: PayloadConverter
) -> list[Any]:
    """Decode the arguments by the type hints of the workflow's parameters.

    Raises:
        PayloadDecodeError: An argument does not fit its parameter; the message names it.
        TypeError: Too few, or too many.
    """
    if definition.name is None:
        return [converter.from_payloads(payloads, [RawValue] * len(payloads))]
    signature = definition.signature
    if not payloads and not signature.required:
        return []
    if len(payloads) < signature.required:
        missing = ", ".join(signature.parameters[len(payloads) : signature.required])
        raise TypeError(
            f"workflow {definition.label!r} was started with {len(payloads)} argument(s); missing: {missing}"
        )
    if len(payloads) > len(signature.parameters) and not signature.variadic:
        raise TypeError(
            f"workflow {definition.label!r} was started with {len(payloads)} argument(s), but takes "
            f"{len(signature.parameters)}: ({', '.join(signature.parameters)})"
        )
    try:
        return converter.from_payloads(payloads, signature.arg_types)
    except PayloadDecodeError as error:
        position = error.position
        parameters = signature.parameters
        name = repr(parameters[position]) if position < len(parameters) else f"number {position + 1}"
        raise PayloadDecodeError(
            f"argument {name} of workflow {definition.label!r}: {error}",
            position=position,
            type_hint=error.type_hint,
            encoding=error.encoding,
        ) from error
