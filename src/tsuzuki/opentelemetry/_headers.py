"""The context of a trace in a header, as the official SDKs write it: `_tracer-data`, a JSON object of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.api.common.v1 import Payload

from tsuzuki.converter import DataConverter, PayloadConverter

HEADER_KEY: Final = "_tracer-data"

default_text_map_propagator: Final[TextMapPropagator] = CompositePropagator(
    [TraceContextTextMapPropagator(), W3CBaggagePropagator()]
)
"""Trace context and baggage, as W3C has them."""


class TraceHeader:
    """Writes and reads the header.

    Args:
        key: Its name.
        propagator: What is in it.
        converter: Of the JSON object.
    """

    def __init__(
        self,
        key: str = HEADER_KEY,
        propagator: TextMapPropagator = default_text_map_propagator,
        converter: PayloadConverter = DataConverter.default.payload_converter,
    ) -> None:
        self._key = key
        self._propagator = propagator
        self._converter = converter

    def add(self, input: Any, context: Context | None = None) -> None:
        """Put a context (the default is the current one) beside the headers of a call, if there is anything in it."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context)
        if carrier:
            input.headers = {**input.headers, self._key: self._converter.to_payload(carrier)}

    def read(self, headers: Mapping[str, Payload]) -> Context | None:
        """Return the context that came in; None if none did."""
        if self._key not in headers:
            return None
        carrier = self._converter.from_payload(headers[self._key], dict)
        return self._propagator.extract(carrier, Context()) if carrier else None
