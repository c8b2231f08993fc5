"""Registering the search attributes of a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest

from ..common import SearchAttributeIndexedValueType, SearchAttributeKey, key_of
from ._context import ClientContext
from ._errors import NamespaceNotFoundError


async def add_search_attributes(context: ClientContext, keys: Sequence[SearchAttributeKey[Any]]) -> None:
    if not keys:
        return
    request = AddSearchAttributesRequest(namespace=context.namespace)
    for key in keys:
        request.search_attributes[key.name] = int(key.indexed_value_type)  # type: ignore[assignment]
    await context.calls.send(context.service.add_search_attributes, request, not_found=NamespaceNotFoundError)


async def registered_search_attributes(context: ClientContext) -> list[SearchAttributeKey[Any]]:
    request = ListSearchAttributesRequest(namespace=context.namespace)
    answer = await context.calls.send(context.service.list_search_attributes, request, not_found=NamespaceNotFoundError)
    keys = (
        key_of(name, SearchAttributeIndexedValueType(kind).wire_name)
        for name, kind in sorted(answer.custom_attributes.items())
    )
    return [key for key in keys if key is not None]
