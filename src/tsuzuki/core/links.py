"""Links: what a caller says an event comes from. They are kept with the event, and nothing follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from temporalio.api.common.v1 import Link
from temporalio.api.history.v1 import HistoryEvent

from .refusal import InvalidInput

LINKS_MAX: Final = 10
LINK_BYTES_MAX: Final = 4000

_NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "workflow_event": ("namespace", "workflow_id", "run_id"),
    "batch_job": ("job_id",),
    "activity": (),
    "nexus_operation": (),
}
"""By the kind of a link what it must name."""


def check_links(links: Sequence[Link]) -> None:
    """Refuse links that are too many, too large, of a kind that events do not carry, or that name nothing.

    Raises:
        InvalidInput: It says which and what was expected.
    """
    if len(links) > LINKS_MAX:
        raise InvalidInput(f"cannot attach more than {LINKS_MAX} links per request, got {len(links)}")
    for link in links:
        if link.ByteSize() > LINK_BYTES_MAX:
            raise InvalidInput(f"link exceeds allowed size of {LINK_BYTES_MAX}, got {link.ByteSize()}")
        kind = link.WhichOneof("variant") or ""
        if kind not in _NEEDED:
            raise InvalidInput(f"unsupported link variant; expected one of {', '.join(_NEEDED)}")
        for name in _NEEDED[kind]:
            if not getattr(getattr(link, kind), name):
                raise InvalidInput(f"a link of kind {kind} must not have an empty {name}")
        event = link.workflow_event
        if event.event_ref.event_id and not event.event_ref.event_type:
            raise InvalidInput("a link names the event id but not its event_type; give both, or the type alone")


def attach(event: HistoryEvent, links: Sequence[Link]) -> None:
    """Keep links with an event that is about to be recorded."""
    if links:
        event.links.extend(links)
