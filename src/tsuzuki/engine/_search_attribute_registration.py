"""The RPCs that register custom search attributes: the operator service's, and the older one that only reads."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    AddSearchAttributesResponse,
    ListSearchAttributesRequest,
    ListSearchAttributesResponse,
    RemoveSearchAttributesRequest,
    RemoveSearchAttributesResponse,
)
from temporalio.api.workflowservice.v1 import GetSearchAttributesRequest, GetSearchAttributesResponse

from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.search_attributes import PREDEFINED, SYSTEM, Kind, is_reserved
from tsuzuki.store import Batch

from ._engine import Engine
from ._refusals import refusals_as_errors

CUSTOM_ATTRIBUTES_MAX: Final = 200
"""In one namespace."""
_KINDS: Final = frozenset(map(int, Kind))


class SearchAttributeRegistration:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._register = engine.search_attributes
        self._one_at_a_time = asyncio.Lock()

    async def add(self, request: AddSearchAttributesRequest) -> AddSearchAttributesResponse:
        """What is there already, of whatever type, stays as it is."""
        self._check_namespace(request.namespace)
        async with self._one_at_a_time:
            self._engine.check_writable()
            with refusals_as_errors():
                wanted = self._wanted(request)
            rows = [self._register.new_row(request.namespace, name, kind) for name, kind in wanted.items()]
            if rows:
                self._engine.journal.put(lambda batch: batch.search_attributes.extend(rows))
                await self._engine.durable()
                for row in rows:
                    self._register.add(row)
        return AddSearchAttributesResponse()

    def _wanted(self, request: AddSearchAttributesRequest) -> dict[str, Kind]:
        if not request.search_attributes:
            raise InvalidInput("SearchAttributes are not set on request; name at least one.")
        custom = self._register.custom(request.namespace)
        wanted: dict[str, Kind] = {}
        for name, number in request.search_attributes.items():
            check_id("the name of a search attribute", name, self._engine.limits)
            if is_reserved(name):
                raise InvalidInput(f"Search attribute {name} is reserved by system; choose another name.")
            if int(number) not in _KINDS:
                kinds = ", ".join(kind.wire_name for kind in Kind)
                raise InvalidInput(f"Unknown search attribute type: {number} of {name!r}; expected one of {kinds}.")
            if name not in custom:
                wanted[name] = Kind(number)
        if len(custom) + len(wanted) > CUSTOM_ATTRIBUTES_MAX:
            raise InvalidInput(
                f"namespace '{request.namespace}' has {len(custom)} search attributes of its own and the limit is "
                f"{CUSTOM_ATTRIBUTES_MAX}. Remove some that are not used."
            )
        return wanted

    async def remove(self, request: RemoveSearchAttributesRequest) -> RemoveSearchAttributesResponse:
        """What is not there is gone already. Runs keep their values, but are no longer found by them."""
        self._check_namespace(request.namespace)
        async with self._one_at_a_time:
            self._engine.check_writable()
            with refusals_as_errors():
                if not request.search_attributes:
                    raise InvalidInput("SearchAttributes are not set on request; name at least one.")
                for name in request.search_attributes:
                    if name in SYSTEM or name in PREDEFINED:
                        raise InvalidInput(f"Unable to remove non-custom search attributes: {name}.")
            custom = self._register.custom(request.namespace)
            names = [name for name in dict.fromkeys(request.search_attributes) if name in custom]
            keys = [(self._register.attribute(request.namespace, name).key,) for name in names]

            def forget(batch: Batch) -> None:
                batch.search_attributes_gone.extend(keys)

            if keys:
                self._engine.journal.put(forget)
                await self._engine.durable()
                for name in names:
                    self._register.remove(request.namespace, name)
        return RemoveSearchAttributesResponse()

    async def list(self, request: ListSearchAttributesRequest) -> ListSearchAttributesResponse:
        self._check_namespace(request.namespace)
        return ListSearchAttributesResponse(
            custom_attributes=_numbers(self._register.custom(request.namespace)),
            system_attributes=_numbers({**SYSTEM, **PREDEFINED}),
        )

    async def get(self, request: GetSearchAttributesRequest) -> GetSearchAttributesResponse:
        """The request names no namespace: those of the only one, or those that are predefined in every one."""
        self._engine.check_open()
        names = [row.name for row in self._engine.namespaces]
        known = self._register.kinds(names[0] if len(names) == 1 else "")
        return GetSearchAttributesResponse(keys=_numbers({**SYSTEM, **known}))

    def _check_namespace(self, namespace: str) -> None:
        with refusals_as_errors():
            if not namespace:
                raise InvalidInput("Namespace is not set on request; search attributes belong to one.")
        self._engine.check_open()
        self._engine.check_namespace(namespace)


def _numbers(kinds: dict[str, Kind]) -> dict[str, IndexedValueType.ValueType]:
    return {name: IndexedValueType.ValueType(kind) for name, kind in kinds.items()}
