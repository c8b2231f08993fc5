"""Every namespace that can stand in a request, at any depth, is one that the caller may reach.

The places are found here by a walk of their own over the descriptors, so that one that the server's misses is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from temporalio.api.failure.v1 import Failure

from tsuzuki.server import Identity, Role
from tsuzuki.server._permissions import PERMISSIONS, Authorization, Scope
from tsuzuki.server._rpcs import RPCS, Rpc
from tsuzuki.service import ServiceError, StatusCode

MINE: Final = Identity("mine", frozenset({"mine"}), frozenset({Role.ADMIN}))
BOTH: Final = Identity("both", frozenset({"mine", "theirs"}), frozenset({Role.ADMIN}))
DATA: Final = {"temporal.api.failure.v1.Failure", "temporal.api.common.v1.Payload"}
"""A failure names the namespace of a child that failed; it is a report, and reaches nothing."""


def places(
    kind: Descriptor, path: tuple[str, ...] = (), seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, ...]]:
    """The paths to fields whose name says namespace, through messages, lists and maps."""
    for field in kind.fields:
        here = (*path, field.name)
        if field.type == FieldDescriptor.TYPE_STRING and field.name.endswith("namespace"):
            yield here
        inner = field.message_type
        if inner is not None and inner.full_name not in seen | DATA:
            yield from places(inner, here, seen | {inner.full_name})


def put(message: Any, path: tuple[str, ...], value: str) -> None:
    """Make a message with a value at a path, and one element in each list on the way."""
    for name in path[:-1]:
        field = getattr(message, name)
        message = field.add() if hasattr(field, "add") else field["key"] if hasattr(field, "keys") else field
    setattr(message, path[-1], value)


NESTED: Final = [
    (rpc, path)
    for rpc in RPCS.values()
    if PERMISSIONS[rpc.name].scope is Scope.NAMESPACE
    for path in places(rpc.request.DESCRIPTOR)  # type: ignore[arg-type]
    if len(path) > 1
]


def test_there_are_such_places() -> None:
    names = {(rpc.name, path[-2]) for rpc, path in NESTED}
    assert ("RespondWorkflowTaskCompleted", "signal_external_workflow_execution_command_attributes") in names
    assert ("ExecuteMultiOperation", "update_workflow") in names
    assert len(NESTED) > 80


@pytest.mark.parametrize(("rpc", "path"), NESTED, ids=[f"{rpc.name}-{'.'.join(path)}" for rpc, path in NESTED])
def test_a_namespace_inside_is_one_that_the_caller_reaches(rpc: Rpc, path: tuple[str, ...]) -> None:
    authorization = Authorization(rpc)
    request = rpc.request()
    request.namespace = "mine"  # type: ignore[attr-defined]
    put(request, path, "mine")
    authorization.check(MINE, request)
    put(request, path, "theirs")
    with pytest.raises(ServiceError, match="'theirs' that stands inside") as denied:
        authorization.check(MINE, request)
    assert denied.value.status is StatusCode.PERMISSION_DENIED
    authorization.check(BOTH, request)


def test_a_failure_from_elsewhere_may_be_reported() -> None:
    rpc = RPCS["/temporal.api.workflowservice.v1.WorkflowService/RespondActivityTaskFailed"]
    request: Any = rpc.request()
    request.namespace = "mine"
    failure = Failure(message="a child of another cluster")
    failure.child_workflow_execution_failure_info.namespace = "theirs"
    request.failure.CopyFrom(failure)
    Authorization(rpc).check(MINE, request)
