"""Search attributes and memo that a workflow changes: sent, shown at once, and the same on replay."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError

from tsuzuki import workflow
from tsuzuki.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

COLOR = SearchAttributeKey.for_keyword("Color")
SIZE = SearchAttributeKey.for_int("Size")
TAGS = SearchAttributeKey.for_keyword_list("Tags")


def shown() -> dict[str, Any]:
    return {pair.key.name: pair.value for pair in workflow.info().typed_search_attributes}


@workflow.defn
class Changes:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = [shown()]
        workflow.upsert_search_attributes([COLOR.value_set("red"), TAGS.value_set(["a", "b"])])
        seen.append(shown())
        await asyncio.sleep(1)
        workflow.upsert_search_attributes([COLOR.value_unset(), SIZE.value_set(5)])
        seen += [shown(), dict(workflow.info().search_attributes)]
        return seen


def test_search_attributes_change_at_once(cached: bool) -> None:
    run = ScriptedRun(Changes, cached=cached)
    started = run.events[0].workflow_execution_started_event_attributes.search_attributes
    started.indexed_fields["Size"].CopyFrom(CONVERTER.to_payload(4))
    started.indexed_fields["Size"].metadata["type"] = b"Int"
    commands = run.workflow_task().commands
    fields = commands[0].upsert_workflow_search_attributes_command_attributes.search_attributes.indexed_fields
    assert {key: (value.data, value.metadata["type"]) for key, value in fields.items()} == {
        "Color": (b'"red"', b"Keyword"),
        "Tags": (b'["a","b"]', b"KeywordList"),
    }
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == [
        {"Size": 4},
        {"Color": "red", "Size": 4, "Tags": ["a", "b"]},
        {"Size": 5, "Tags": ["a", "b"]},
        {"Size": 5, "Tags": ["a", "b"]},
    ]
    assert run.notation() == "Started | WFT | Upserted | TimerStarted 1 | TimerFired 1 | WFT | Upserted | Completed"


@workflow.defn
class Remembers:
    @workflow.run
    async def run(self) -> list[Any]:
        seen = [dict(workflow.memo())]
        workflow.upsert_memo({"b": 2, "a": None})
        seen.append(dict(workflow.memo()))
        await asyncio.sleep(1)
        workflow.upsert_memo({})
        return [*seen, workflow.memo_value("b", type_hint=int), workflow.memo_value("a", "gone")]


def test_the_memo_changes_at_once(cached: bool) -> None:
    run = ScriptedRun(Remembers, cached=cached)
    fields = run.events[0].workflow_execution_started_event_attributes.memo.fields
    fields["a"].CopyFrom(CONVERTER.to_payload(1))
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == [{"a": 1}, {"b": 2}, 2, "gone"]
    assert run.notation().count("MemoModified") == 1


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ([SIZE.value_set("five")], r"search attribute 'Size' is 'five' \(str\); its key says Int"),  # type: ignore[arg-type]
        ([SIZE.value_set(True)], "its key says Int"),
        ([TAGS.value_set("ab")], "its key says KeywordList"),
        ([SearchAttributeKey.for_datetime("At").value_set(datetime(2024, 1, 1))], "without a time zone"),
        ({"TemporalChangeVersion": ["x"]}, "is written by get_version and patched"),
    ],
)
def test_a_wrong_value_fails_the_workflow_task(cached: bool, attributes: Any, message: str) -> None:
    @workflow.defn
    async def wrong() -> None:
        workflow.upsert_search_attributes(attributes)

    with pytest.raises(WorkflowTaskFailedError, match=message):
        ScriptedRun(wrong, cached=cached).workflow_task()


def test_what_changed_at_once_is_in_the_same_order_in_every_process(cached: bool) -> None:
    """Maps of messages have another order in each, and code may go through what it has set."""
    names = list("abcdefghijkl")

    @workflow.defn
    async def many() -> list[str]:
        workflow.upsert_search_attributes({name: [name] for name in names})
        workflow.upsert_memo({name: name for name in names})
        await asyncio.sleep(1)
        return [*workflow.info().search_attributes, *workflow.memo()]

    run = ScriptedRun(many, cached=cached)
    run.workflow_task()
    run.fire_timer(run.next_timer())
    run.workflow_task()
    assert run.result == names * 2


def test_typed_attributes_are_a_collection(cached: bool) -> None:
    attributes = TypedSearchAttributes([SearchAttributePair(SIZE, 1), SearchAttributePair(COLOR, "red")])
    assert [pair.key.name for pair in attributes] == ["Color", "Size"]
    assert (attributes[SIZE], attributes.get(TAGS, "none"), SIZE in attributes, len(attributes)) == (1, "none", True, 2)
    assert attributes.updated(SearchAttributePair(SIZE, 2))[SIZE] == 2
    assert attributes[SIZE] == 1
    with pytest.raises(KeyError):
        attributes[TAGS]
    with pytest.raises(ValueError, match="given twice"):
        TypedSearchAttributes([SearchAttributePair(SIZE, 1), SearchAttributePair(SIZE, 2)])
    then = datetime(2024, 1, 1, tzinfo=UTC)
    assert SearchAttributeKey.for_datetime("At").value_set(then).value == then
