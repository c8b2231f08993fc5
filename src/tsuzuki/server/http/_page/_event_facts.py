"""What people look for in an event that they open: what went in, what came out, what went wrong, whose key it was.

Exactly as it was: it is written here and not in the browser, which would read 49.0 as 49 and round large numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from ._preview import failure_text, whole

_LOOKED_AT: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("Input", ("input",)),
    ("Input", ("accepted_request", "input", "args")),
    ("Result", ("result",)),
    ("Result", ("outcome", "success")),
    ("Details", ("details",)),
    ("Error", ("failure",)),
    ("Error", ("outcome", "failure")),
)
"""Title, and where it stands in the attributes of an event."""


def facts(event: HistoryEvent) -> list[dict[str, Any]]:
    """Each with `title`, `text`, and `bad` for what went wrong."""
    attributes = getattr(event, str(event.WhichOneof("attributes")))
    found = [
        {"title": title, "text": _text(value), "bad": isinstance(value, Failure)}
        for title, path in _LOOKED_AT
        for value in _at(attributes, path)
    ]
    if event.HasField("principal"):
        found.append({"title": "Asked by", "text": f"{event.principal.type} {event.principal.name}", "bad": False})
    return found


def _at(message: Any, path: Sequence[str]) -> Iterator[Payloads | Failure]:
    """What stands there, if it does."""
    for name in path:
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None or not field.has_presence or not message.HasField(name):  # markers have details by name
            return
        message = getattr(message, name)
    if isinstance(message, Payloads | Failure):
        yield message


def _text(value: Payloads | Failure) -> str:
    return failure_text(value) if isinstance(value, Failure) else whole(value.payloads)
