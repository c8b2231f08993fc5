"""Which search attributes each namespace has, and the rows by which runs are found through them.

Owns the register; the store's copy is read once, at opening. What is registered is changed only after it is on disk,
so a failed commit leaves nothing to take back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import SearchAttributes

from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.search_attributes import PREDEFINED, Kind, Kinds, values_of
from tsuzuki.store import Attribute, AttributeValue, Batch, SearchAttributeRow, Store

if TYPE_CHECKING:
    from tsuzuki.core.execution import Execution

_PREDEFINED_KEYS: Final[Mapping[str, int]] = {name: -at for at, name in enumerate(PREDEFINED, 1)}
_MANY: Final = frozenset({Kind.TEXT, Kind.KEYWORD_LIST})


@dataclass(slots=True)
class _Known:
    """The attributes of one namespace."""

    kinds: dict[str, Kind] = field(default_factory=lambda: dict(PREDEFINED))
    keys: dict[str, int] = field(default_factory=lambda: dict(_PREDEFINED_KEYS))


_NO_CUSTOM: Final = _Known()


class SearchAttributeRegister:
    def __init__(self, store: Store) -> None:
        self._namespaces: dict[str, _Known] = {}
        self._next_key = 1
        for row in store.search_attributes():
            self.add(row)

    def kinds(self, namespace: str) -> Kinds:
        """What may be set on runs of a namespace."""
        return self._namespaces.get(namespace, _NO_CUSTOM).kinds

    def custom(self, namespace: str) -> dict[str, Kind]:
        return {name: kind for name, kind in self.kinds(namespace).items() if name not in PREDEFINED}

    def attribute(self, namespace: str, name: str) -> Attribute:
        """How the store finds it; it must be among the `kinds`."""
        known = self._namespaces.get(namespace, _NO_CUSTOM)
        return Attribute(known.keys[name], known.kinds[name] in _MANY)

    def new_row(self, namespace: str, name: str, kind: Kind) -> SearchAttributeRow:
        self._next_key += 1
        return SearchAttributeRow(self._next_key - 1, namespace, name, kind)

    def add(self, row: SearchAttributeRow) -> None:
        known = self._namespaces.setdefault(row.namespace, _Known())
        known.kinds[row.name] = Kind(row.kind)
        known.keys[row.name] = row.attribute_key
        self._next_key = max(self._next_key, row.attribute_key + 1)

    def remove(self, namespace: str, name: str) -> None:
        known = self._namespaces[namespace]
        del known.kinds[name], known.keys[name]

    def forget(self, namespace: str) -> None:
        """The namespace is gone, and its attributes with it."""
        self._namespaces.pop(namespace, None)

    def index(self, run: Execution, batch: Batch) -> None:
        """Put the rows that follow from a run's search attributes into the batch."""
        if run.indexed_attributes.indexed_fields:
            batch.attribute_values_gone.append((run.key,))
        for key, values in self.values(run.namespace, run.search_attributes).items():
            batch.attribute_values += [AttributeValue(key, value, run.key) for value in values]
        run.indexed_attributes = run.search_attributes

    def values(self, namespace: str, attributes: SearchAttributes) -> dict[int, tuple[str | int | float, ...]]:
        """What is found by each attribute, by its key."""
        known = self._namespaces.get(namespace, _NO_CUSTOM)
        found = {}
        for name, payload in attributes.indexed_fields.items():
            kind = known.kinds.get(name)
            if kind is None:  # it was removed since
                continue
            with suppress(InvalidInput):  # it was removed, and registered as something else
                found[known.keys[name]] = values_of(name, payload, kind)
        return found

    def typed(self, namespace: str, attributes: SearchAttributes) -> SearchAttributes:
        """The attributes with their kinds beside them, as clients read them; those that are unset are left out."""
        kinds = self.kinds(namespace)
        shown = SearchAttributes()
        for name, payload in attributes.indexed_fields.items():
            if payload.data in (b"null", b"[]") or payload.metadata.get("encoding") == b"binary/null":
                continue
            target = shown.indexed_fields[name]
            target.CopyFrom(payload)
            if name in kinds and "type" not in target.metadata:
                target.metadata["type"] = kinds[name].wire_name.encode()
        return shown
