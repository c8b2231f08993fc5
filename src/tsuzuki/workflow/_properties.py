"""What a workflow shows of itself to lists and searches: search attributes and memo, changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsuzuki.common import SearchAttributes, SearchAttributeUpdate

from ._runtime import current_runtime


def upsert_search_attributes(attributes: Sequence[SearchAttributeUpdate[Any]] | SearchAttributes) -> None:
    """Set or remove search attributes of this run; others stay. `info().search_attributes` shows the change.

    Args:
        attributes: Changes, made by `key.value_set(...)` and `key.value_unset()`; or new values by name, where
            an empty list removes one. The names must be registered.

    Raises:
        TypeError: A value is of no type that can be indexed, or not of its key's.
        ValueError: The attribute is `TemporalChangeVersion`, which versions and patches write.

    Source: `UpsertWorkflowSearchAttributes`.
    """
    current_runtime().upsert_search_attributes(attributes)


def upsert_memo(updates: Mapping[str, Any]) -> None:
    """Set or remove fields of this run's memo; others stay. `memo()` shows the change.

    Args:
        updates: New values by key; None removes the key.

    Raises:
        PayloadEncodeError: A value has no payload form.

    Source: `ModifyWorkflowProperties`, `WorkflowPropertiesModified`.
    """
    current_runtime().upsert_memo(updates)
