"""Custom search attributes: registered, checked where they are set, found by, and gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine_requests import Refused
from engine_site import Site
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import CommandType, IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import GetSearchAttributesRequest, ListWorkflowExecutionsRequest

from tsuzuki.core.search_attributes import Kind
from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow

KINDS = {
    "Color": Kind.KEYWORD,
    "Note": Kind.TEXT,
    "Size": Kind.INT,
    "Price": Kind.DOUBLE,
    "Sold": Kind.BOOL,
    "At": Kind.DATETIME,
    "Tags": Kind.KEYWORD_LIST,
}


def _add(server: LocalServer, **kinds: int) -> None:
    request = AddSearchAttributesRequest(namespace=NAMESPACE)
    for name, kind in (kinds or KINDS).items():
        request.search_attributes[name] = IndexedValueType.ValueType(kind)
    server.call(server.service.add_search_attributes(request))


def _remove(server: LocalServer, *names: str) -> None:
    request = RemoveSearchAttributesRequest(namespace=NAMESPACE, search_attributes=names)
    server.call(server.service.remove_search_attributes(request))


def _custom(server: LocalServer) -> dict[str, int]:
    request = ListSearchAttributesRequest(namespace=NAMESPACE)
    return dict(server.call(server.service.list_search_attributes(request)).custom_attributes)


def _attributes(**values: Any) -> SearchAttributes:
    attributes = SearchAttributes()
    for name, value in values.items():
        payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
        attributes.indexed_fields[name].CopyFrom(payload)
    return attributes


def _start(server: LocalServer, workflow_id: str = "w", **values: Any) -> None:
    server.start_workflow(workflow_id, search_attributes=_attributes(**values))


def _upsert(**values: Any) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
    command.upsert_workflow_search_attributes_command_attributes.search_attributes.CopyFrom(_attributes(**values))
    return command


def _list(server: LocalServer, query: str) -> list[str]:
    request = ListWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    page = server.call(server.service.list_workflow_executions(request))
    return sorted(info.execution.workflow_id for info in page.executions)


def test_registered_attributes_are_listed_and_survive_a_restart(site: Site) -> None:
    _add(site.server)
    assert _custom(site.server) == KINDS
    server = site.restart()
    assert _custom(server) == KINDS
    system = server.call(
        server.service.list_search_attributes(ListSearchAttributesRequest(namespace=NAMESPACE))
    ).system_attributes
    assert (system["WorkflowId"], system["BuildIds"], "Color" in system) == (Kind.KEYWORD, Kind.KEYWORD_LIST, False)
    keys = server.call(server.service.get_search_attributes(GetSearchAttributesRequest())).keys
    assert (keys["StartTime"], keys["Color"]) == (Kind.DATETIME, Kind.KEYWORD)
    _add(server, Color=Kind.INT)  # as on the real server, what is there stays
    assert _custom(server) == KINDS


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"WorkflowId": 2}, "WorkflowId is reserved by system"),
        ({"BuildIds": 7}, "BuildIds is reserved by system"),
        ({"TemporalFoo": 2}, "TemporalFoo is reserved by system"),
        ({"A": 0}, "Unknown search attribute type: 0 of 'A'; expected one of Text, Keyword"),
        ({"A": 99}, "Unknown search attribute type: 99"),
        ({"": 2}, "the name of a search attribute is empty"),
        ({f"A{number}": 2 for number in range(201)}, "the limit is 200"),
    ],
)
def test_what_cannot_be_registered_is_refused(server: LocalServer, kinds: dict[str, int], words: str) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        _add(server, **kinds)
    assert _custom(server) == {}


def test_requests_without_a_namespace_or_a_name_are_refused(server: LocalServer) -> None:
    service = server.service
    with Refused(StatusCode.INVALID_ARGUMENT, "Namespace is not set"):
        server.call(service.list_search_attributes(ListSearchAttributesRequest()))
    with Refused(StatusCode.NOT_FOUND, "namespace 'other'"):
        server.call(service.list_search_attributes(ListSearchAttributesRequest(namespace="other")))
    with Refused(StatusCode.INVALID_ARGUMENT, "not set on request"):
        server.call(service.add_search_attributes(AddSearchAttributesRequest(namespace=NAMESPACE)))
    with Refused(StatusCode.INVALID_ARGUMENT, "not set on request"):
        _remove(server)
    with Refused(StatusCode.INVALID_ARGUMENT, "Unable to remove non-custom search attributes: RunId"):
        _remove(server, "RunId")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"Nope": "x"}, "the namespace has no search attribute 'Nope'. Register it"),
        ({"WorkflowId": "x"}, "WorkflowId attribute can't be set"),
        ({"Size": "x"}, 'invalid value for search attribute Size of type Int: "x"'),
        ({"Size": 1.5}, "of type Int: 1.5"),
        ({"Size": True}, "of type Int: true"),
        ({"Size": [5, 6]}, r"of type Int: \[5, 6\]"),
        ({"Size": 2**63}, "of type Int: 9223372036854775808"),
        ({"Color": 5}, "of type Keyword: 5"),
        ({"Color": ["a", "b"]}, "of type Keyword"),
        ({"Sold": 1}, "of type Bool: 1"),
        ({"At": "2026-01-01"}, "of type Datetime"),
        ({"Price": "5"}, "of type Double"),
        ({"Tags": "a"}, "of type KeywordList"),
        ({"Tags": ["a", 1]}, "of type KeywordList"),
        ({"Color": "x" * 2047}, "search attribute Color has 2,049 bytes, the limit is 2,048"),
        ({f"A{number}": "x" for number in range(101)}, "101 search attributes; the limit is 100"),
    ],
)
def test_what_cannot_be_set_is_refused(server: LocalServer, values: dict[str, Any], words: str) -> None:
    _add(server)
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        _start(server, **values)
    assert _list(server, "") == []


def test_values_that_are_no_json_are_refused(server: LocalServer) -> None:
    _add(server)
    attributes = SearchAttributes()
    attributes.indexed_fields["Color"].data = b"{bad"
    with Refused(StatusCode.INVALID_ARGUMENT, "it is no JSON"):
        server.start_workflow(search_attributes=attributes)


def test_values_that_the_real_server_takes(server: LocalServer) -> None:
    """Invariant 41, for the size."""
    _add(server)
    _start(server, "a", Size=[5], Price=5, Color=["one"], Tags=["x", "y"], At="2026-01-01T09:00:00+09:00", Sold=False)
    _start(server, "b", Size=None, Tags=[], Color="x" * 2046, Note="Deep Research, again")
    assert _list(server, "Size = 5 AND Price = 5.0 AND Color = 'one' AND Sold = false") == ["a"]
    assert _list(server, "At = '2026-01-01T00:00:00Z' AND Tags = 'x' AND Tags = 'y'") == ["a"]
    assert _list(server, "Size IS NULL AND Tags IS NULL") == ["b"]
    assert _list(server, "Note = 'research'") == ["b"]
    shown = server.describe("a").workflow_execution_info.search_attributes.indexed_fields
    assert {name: payload.metadata["type"].decode() for name, payload in shown.items()} == {
        name: kind.wire_name for name, kind in KINDS.items() if name != "Note"
    }
    assert set(server.describe("b").workflow_execution_info.search_attributes.indexed_fields) == {"Color", "Note"}


def test_a_workflow_changes_what_it_is_found_by(site: Site) -> None:
    """Invariant 11."""
    server = site.server
    _add(server)
    _start(server, Color="red", Size=1)
    server.complete_workflow_task(_upsert(Color="blue", Tags=["a"]), _upsert(Size=None))
    for _ in range(2):
        assert _list(server, "Color = 'blue' AND Tags = 'a' AND Size IS NULL") == ["w"]
        assert _list(server, "Color = 'red' OR Size = 1") == []
        server = site.restart()
    server.signal("s")
    server.complete_workflow_task(_upsert(Color="green"), complete_workflow())
    assert _list(server, "Color = 'green' AND ExecutionStatus = 'Completed'") == ["w"]


def test_a_workflow_that_sets_what_cannot_be_set_fails_its_task(server: LocalServer) -> None:
    _add(server)
    _start(server)
    with Refused(StatusCode.INVALID_ARGUMENT, "the namespace has no search attribute 'Nope'"):
        server.complete_workflow_task(_upsert(Nope="x"))
    assert "WorkflowTaskFailed BAD_SEARCH_ATTRIBUTES" in server.notation()


def test_a_removed_attribute_finds_nothing_any_more(site: Site) -> None:
    server = site.server
    _add(server)
    _start(server, Color="red", Size=1)
    _remove(server, "Color", "Color", "Never")
    for _ in range(2):
        with Refused(StatusCode.INVALID_ARGUMENT, "invalid search attribute: Color"):
            _list(server, "Color = 'red'")
        assert _list(server, "Size = 1") == ["w"]
        server = site.restart()
    _add(server, Color=Kind.INT)  # it may come back as something else
    assert _list(server, "Color = 1") == []
    assert _list(server, "Color IS NULL") == ["w"]
    server.signal("s")
    server.complete_workflow_task(_upsert(Size=2))
    assert _list(server, "Size = 2 AND Color IS NULL") == ["w"]
    assert _list(server, "") == ["w"]
