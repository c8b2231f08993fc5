"""The description of the API in OpenAPI 3.1, made from the same descriptors as the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from temporalio.api.common.v1 import Payload, Payloads

from tsuzuki import __version__

from ._agent_routes import describe_agent_routes
from ._bindings import BINDINGS, Binding
from ._field_text import find_field
from ._live_routes import describe_live_routes

_NUMBERS: Final = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
_INT32: Final = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_SINT32)
_WELL_KNOWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "description": "Seconds, with the suffix s.", "examples": ["1.5s"]},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Any": {"type": "object"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    Payload.DESCRIPTOR.full_name: {"description": "Any JSON value; or metadata and data in Base64."},
    Payloads.DESCRIPTOR.full_name: {
        "description": "A list of JSON values; or an object with a list of payloads.",
        "examples": [["hello", {"a": 1}]],
    },
}
_REFUSAL: Final = {
    "type": "object",
    "properties": {
        "code": {"type": "integer", "description": "The gRPC status code."},
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
    },
}


def describe_api(offers: Iterable[str]) -> dict[str, Any]:
    """Describe the API.

    Args:
        offers: The methods that are offered, `start_workflow_execution`; the others are left out.
    """
    offered = frozenset(offers)
    schemas = _Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for binding in BINDINGS:
        if binding.rpc.method in offered:
            paths.setdefault(binding.template, {})[binding.verb.lower()] = _operation(binding, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tsuzuki: Temporal's HTTP API",
            "version": __version__,
            "description": "Payloads are JSON values; 64-bit integers are strings, as in all JSON of Protocol Buffers.",
        },
        "paths": {**paths, **describe_agent_routes(), **describe_live_routes()},
        "components": {"schemas": {"Refusal": _REFUSAL, **schemas.known}},
    }


def _operation(binding: Binding, schemas: _Schemas) -> dict[str, Any]:
    request: Any = binding.rpc.request.DESCRIPTOR
    operation: dict[str, Any] = {
        "operationId": f"{binding.rpc.name} {binding.template}",
        "tags": [binding.rpc.name],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in binding.variables
        ],
        "responses": {
            "200": {"description": "The answer.", "content": _json_of(schemas.of(binding.rpc.response.DESCRIPTOR))},
            "default": {"description": "Why not.", "content": _json_of({"$ref": "#/components/schemas/Refusal"})},
        },
    }
    if binding.body:
        path = None if binding.body == "*" else find_field(request, binding.body)
        operation["requestBody"] = {"content": _json_of(schemas.of(path[-1].message_type if path else request))}
    else:
        operation["parameters"] += [
            {"name": name, "in": "query", "schema": schema} for name, schema in _query(request, binding, schemas)
        ]
    return operation


def _json_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _query(request: Any, binding: Binding, schemas: _Schemas) -> Iterable[tuple[str, Any]]:
    for field in request.fields:
        inner = field.message_type
        if inner is None or inner.full_name in _WELL_KNOWN:
            if field.name not in binding.variables:
                yield field.json_name, schemas.of_field(field)
        elif not field.is_repeated:
            for leaf in inner.fields:
                if leaf.message_type is None and f"{field.name}.{leaf.name}" not in binding.variables:
                    yield f"{field.json_name}.{leaf.json_name}", schemas.of_field(leaf)


class _Schemas:
    """The messages that were met so far."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def of(self, message: Any) -> dict[str, Any]:
        """The schema of a message, or a reference to it."""
        well_known = _WELL_KNOWN.get(message.full_name)
        if well_known is not None:
            return dict(well_known)
        if message.full_name not in self.known:
            schema: dict[str, Any] = {"type": "object", "properties": {}}
            self.known[message.full_name] = schema  # before its fields: a message may hold itself
            schema["properties"] = {field.json_name: self.of_field(field) for field in message.fields}
        return {"$ref": f"#/components/schemas/{message.full_name}"}

    def of_field(self, field: FieldDescriptor) -> dict[str, Any]:
        """The schema of a field."""
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self.of_field(inner.fields_by_name["value"])}
        one = self.of(inner) if inner is not None else _scalar(field)
        return {"type": "array", "items": one} if field.is_repeated else one


def _scalar(field: FieldDescriptor) -> dict[str, Any]:
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if field.type in _NUMBERS:
        return {"type": "number"}
    if field.type in _INT32:
        return {"type": "integer", "format": "int32"}
    if field.type == FieldDescriptor.TYPE_STRING:
        return {"type": "string"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    return {"type": "string", "format": "int64"}
