"""What `@workflow.defn` accepts, and what it refuses with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tsuzuki import workflow
from tsuzuki.common import RawValue


@workflow.defn
class Named:
    @workflow.run
    async def run(self, first: int, second: list[str] | None = None) -> dict[str, int]:
        return {}


@workflow.defn(name="other name")
async def function(*args: int) -> None: ...


def test_the_definition_of_a_class() -> None:
    definition = workflow.definition_of(Named)
    assert (definition.name, definition.cls, definition.label) == ("Named", Named, "Named")
    signature = definition.signature
    assert signature.parameters == ("first", "second")
    assert signature.arg_types == (int, list[str] | None)
    assert (signature.required, signature.variadic) == (1, False)
    assert signature.result_type == dict[str, int]


def test_the_run_method_leads_to_the_same_definition() -> None:
    assert workflow.definition_of(Named.run) is workflow.definition_of(Named)
    assert workflow.name_and_result_type(Named.run) == ("Named", dict[str, int])
    assert workflow.name_and_result_type("by name") == ("by name", None)


def test_the_definition_of_a_function() -> None:
    definition = workflow.definition_of(function)
    assert (definition.name, definition.cls) == ("other name", None)
    assert (definition.signature.parameters, definition.signature.variadic) == ((), True)


class Unmarked:
    async def run(self) -> None: ...


class TwoRuns:
    @workflow.run
    async def run(self) -> None: ...

    @workflow.run
    async def again(self) -> None: ...


class Inherits(Named): ...


class OtherInit:
    @workflow.init
    def __init__(self, a: int) -> None: ...

    @workflow.run
    async def run(self, a: str) -> None: ...


class KeywordOnly:
    @workflow.run
    async def run(self, *, a: int) -> None: ...


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Unmarked, "workflow Unmarked has no @workflow.run method of its own"),
        (TwoRuns, "workflow TwoRuns has more than one @workflow.run method: again and run"),
        (Inherits, "the one of Named.run is not inherited: override it"),
        (OtherInit, "@workflow.init of OtherInit takes (self, a: 'int') -> 'None', but its @workflow.run takes"),
        (KeywordOnly, "has the keyword-only parameter 'a'"),
        (lambda: None, "marks a class or an `async def`"),
    ],
)
def test_what_is_no_workflow(target: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        workflow.defn(target)
    assert message in str(caught.value)


def test_misuse_of_the_decorators() -> None:
    with pytest.raises(ValueError, match="workflow Named is already marked"):
        workflow.defn(Named)
    with pytest.raises(ValueError, match="is given the name 'x' and dynamic=True"):
        workflow.defn(name="x", dynamic=True)(Unmarked)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="must not be empty or contain NUL"):
        workflow.defn(name="")(TwoRuns)
    with pytest.raises(TypeError, match=r"@workflow.run marks an `async def`"):
        workflow.run(lambda self: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="marks `__init__`"):
        workflow.init(lambda self: None)
    with pytest.raises(TypeError, match="Unmarked is not a workflow: decorate it"):
        workflow.definition_of(Unmarked)
    with pytest.raises(TypeError, match="3 is not a workflow"):
        workflow.definition_of(3)


@workflow.defn
async def hints_at_nothing(a: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def test_a_hint_that_cannot_be_resolved() -> None:
    with pytest.raises(TypeError, match=r"type hints of workflow hints_at_nothing cannot be resolved: .*Nowhere"):
        workflow.definition_of(hints_at_nothing)


@workflow.defn(dynamic=True)
async def dynamic(args: Sequence[RawValue]) -> None: ...


@workflow.defn(dynamic=True)
async def wrong_dynamic(args: list[int]) -> None: ...


def test_the_dynamic_workflow_has_no_name_and_takes_raw_values() -> None:
    assert workflow.definition_of(dynamic).label == "(dynamic) dynamic"
    with pytest.raises(ValueError, match="has no name of its own"):
        workflow.name_and_result_type(dynamic)
    with pytest.raises(TypeError, match="must take exactly one parameter"):
        workflow.definition_of(wrong_dynamic)
