"""The namespaces of a store: which there are, and what may be done in them.

Owns the rows of the namespaces in memory, all of them: they are few. Rows that are changed go to the journal with
the next transaction. A namespace that was deleted is kept as a row until its last run is gone, and is not found by
its name meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from temporalio.api.enums.v1 import NamespaceState
from temporalio.api.errordetails.v1 import NamespaceInvalidStateFailure, NamespaceNotFoundFailure

from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import NamespaceRow, Store

from ._journal import Journal

REGISTERED: Final = NamespaceState.NAMESPACE_STATE_REGISTERED
DEPRECATED: Final = NamespaceState.NAMESPACE_STATE_DEPRECATED
DELETED: Final = NamespaceState.NAMESPACE_STATE_DELETED


class Namespaces:
    def __init__(self, store: Store, journal: Journal, new_id: Callable[[], str]) -> None:
        self._store = store
        self._journal = journal
        self._new_id = new_id
        self._rows: dict[str, NamespaceRow] = {}
        self._served: dict[str, NamespaceRow] = {}
        self._ensured: list[str] = []
        self._unwritten: set[str] = set()
        self.load()

    def load(self) -> None:
        """Begin with what the store has, and what is there without having been used yet."""
        self._rows = {row.name: row for row in self._store.namespaces()}
        self._served = {name: row for name, row in self._rows.items() if row.state != DELETED}
        self._unwritten.clear()
        for name in self._ensured:
            self._add_unwritten(name)

    def __iter__(self) -> Iterator[NamespaceRow]:
        """By name, deleted ones too."""
        return iter([self._rows[name] for name in sorted(self._rows)])

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, name: str) -> NamespaceRow | None:
        """Also one that is being deleted."""
        return self._rows.get(name)

    def ensure(self, name: str) -> None:
        """Have it, if it is not there; its closed runs are kept until they are deleted.

        It is written with the first run in it: opening a store writes nothing.
        """
        self._ensured.append(name)
        self._add_unwritten(name)

    def _add_unwritten(self, name: str) -> None:
        if name not in self._rows:
            self._rows[name] = self._served[name] = NamespaceRow(name, self._new_id(), REGISTERED, 0, "", "", b"")
            self._unwritten.add(name)

    def put(self, row: NamespaceRow) -> None:
        """Make or change one; durable with the next commit."""
        self._rows[row.name] = row
        self._unwritten.discard(row.name)
        self._served.pop(row.name, None)
        if row.state != DELETED:
            self._served[row.name] = row
        self._journal.put(lambda batch: batch.namespaces.append(row))

    def remove(self, name: str) -> None:
        """Forget one of which nothing is left."""
        del self._rows[name]
        if name in self._ensured:
            self._ensured.remove(name)
        self._served.pop(name, None)
        self._journal.put(lambda batch: batch.namespaces_gone.append(name))

    # ---- what may be done --------------------------------------------------------------------------

    def check(self, name: str) -> None:
        """
        Raises:
            ServiceError: There is no such namespace.
        """
        if name not in self._served:
            self.find(name)

    def check_start(self, name: str) -> None:
        """Before a run is started.

        Raises:
            ServiceError: There is no such namespace, or it takes no new runs.
        """
        row = self.find(name)
        if name in self._unwritten:
            self.put(row)
        if row.state != REGISTERED:
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION,
                f"namespace '{name}' is deprecated: what runs in it goes on, but nothing new is started.",
                NamespaceInvalidStateFailure(namespace=name, state=DEPRECATED, allowed_states=[REGISTERED]),
            )

    def find(self, name: str) -> NamespaceRow:
        """The row of a namespace that is served.

        Raises:
            ServiceError: There is none of this name.
        """
        row = self._served.get(name)
        if row is None:
            raise (
                self._not_found(name)
                if name
                else ServiceError(StatusCode.INVALID_ARGUMENT, "the request names no namespace.")
            )
        return row

    def find_id(self, namespace_id: str) -> NamespaceRow:
        """The row of a namespace by its id, deleted ones too while anything is left of them.

        Raises:
            ServiceError: There is none of this id.
        """
        for row in self._rows.values():
            if row.namespace_id == namespace_id:
                return row
        raise self._not_found(namespace_id)

    def _not_found(self, name: str) -> ServiceError:
        known = ", ".join(f"'{each}'" for each in sorted(self._served)[:5])
        return ServiceError(
            StatusCode.NOT_FOUND,
            f"namespace '{name}' is not found; there is {known or 'none'}. RegisterNamespace makes one.",
            NamespaceNotFoundFailure(namespace=name),
        )
