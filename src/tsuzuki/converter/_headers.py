"""Headers: payloads by name that interceptors send along, read by those at the other end."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.api.common.v1 import Header, Payload


def write_headers(headers: Mapping[str, Payload], header: Header) -> None:
    """Put headers into a message."""
    for name, payload in headers.items():
        header.fields[name].CopyFrom(payload)
