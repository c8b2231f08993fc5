"""What the events say that SDKs write for themselves: local activities, versions of code, side effects.

A marker that does not look as expected is shown as any other event is: it may be somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from temporalio.api.history.v1 import MarkerRecordedEventAttributes as Marker
from temporalio.api.history.v1 import UpsertWorkflowSearchAttributesEventAttributes as Upsert

from ._preview import failure_line, preview

CHANGE_VERSION: Final = "TemporalChangeVersion"
_NAMED_MAX: Final = 5


class Shown(NamedTuple):
    """In place of what an event's fields say by themselves.

    Attributes:
        category: `local`, `local-failed`, `version` or `marker`.
        name: Of the activity, the change, or the search attributes.
        thing: The activity's id.
        text: Result or failure, version, value.
        attempt: The last one of a local activity.
    """

    category: str
    name: str
    thing: str = ""
    text: str = ""
    attempt: int = 0


def shown(attributes: Any) -> Shown | None:
    """Read an event's attributes; None if they say nothing of this kind."""
    if isinstance(attributes, Upsert):
        names = sorted(attributes.search_attributes.indexed_fields)
        return Shown("version" if names == [CHANGE_VERSION] else "workflow", ", ".join(names[:_NAMED_MAX]))
    if isinstance(attributes, Marker):
        read = _MARKERS.get(attributes.marker_name)
        with suppress(ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return None if read is None else read(attributes)
    return None


def _local_activity(marker: Marker) -> Shown:
    data = _value(marker, "data")
    failed = marker.HasField("failure")
    text = failure_line(marker.failure) if failed else preview(_payloads(marker, "result"))
    return Shown(
        "local-failed" if failed else "local",
        str(data["activity_type"]),
        str(data["activity_id"]),
        text,
        int(data["attempt"]),
    )


def _version(marker: Marker) -> Shown:
    return Shown("version", str(_value(marker, "change-id")), text=f"version {int(_value(marker, 'version'))}")


def _patch(marker: Marker) -> Shown:
    data = _value(marker, "patch-data")
    return Shown("version", str(data["id"]), text="deprecated patch" if data.get("deprecated") else "patched")


def _side_effect(marker: Marker) -> Shown:
    return Shown("marker", marker.marker_name, text=preview(_payloads(marker, "data")))


def _payloads(marker: Marker, key: str) -> Any:
    return marker.details[key].payloads if key in marker.details else ()


def _value(marker: Marker, key: str) -> Any:
    return json.loads(_payloads(marker, key)[0].data)


_MARKERS: Final[Mapping[str, Callable[[Marker], Shown]]] = {
    "core_local_activity": _local_activity,
    "Version": _version,
    "core_patch": _patch,
    "SideEffect": _side_effect,
    "MutableSideEffect": _side_effect,
}
