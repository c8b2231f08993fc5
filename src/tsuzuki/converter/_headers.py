"""Headers: payloads by name that interceptors send along, read by those at the other end.

A protobuf map has another order in each process, so what is read is in the order of its names: workflow code that goes
through its headers does on every replay what it did the first time.
"""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.api.common.v1 import Header, Payload


def write_headers(headers: Mapping[str, Payload], header: Header) -> None:
    """Put headers into a message."""
    for name, payload in headers.items():
        header.fields[name].CopyFrom(payload)


def read_headers(header: Header) -> dict[str, Payload]:
    """Headers out of a message, in the order of their names."""
    return dict(sorted(header.fields.items()))
