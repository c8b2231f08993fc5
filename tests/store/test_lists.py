"""Lists and counts of runs: conditions, order, pages, the indexes that find them, and the bound on their work."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from store._rows import NAMESPACE, SECOND, T0
from store.test_conformance import keys, put, put_runs
from tsuzuki.store import (
    EVERYTHING,
    OPEN,
    AllOf,
    AnyOf,
    Attribute,
    AttributeValue,
    Batch,
    Between,
    Column,
    Compare,
    Condition,
    IsMissing,
    Not,
    OneOf,
    Position,
    SearchAttributeRow,
    SqliteStore,
    StartsWith,
    Store,
    StoreQueryTooLongError,
    _reads,
    _statements,
)


def test_a_list_shows_open_runs_and_then_closed_ones_and_pages_without_gap_or_repeat(store: Store) -> None:
    closed = {1: T0 + 9 * SECOND, 3: T0 + 8 * SECOND, 6: T0 + 9 * SECOND}
    put_runs(store, 6, started_ns=lambda key: T0 + (key // 2) * SECOND, closed_ns=closed.get)  # 1 | 2, 3 | 4, 5 | 6
    everything = [5, 4, 2, 6, 1, 3]
    assert keys(store.list_runs(NAMESPACE, EVERYTHING, None, 10)) == everything
    for size in range(1, 7):
        seen: list[int] = []
        page = store.list_runs(NAMESPACE, EVERYTHING, None, size)
        while page:
            seen += keys(page)
            last = page[-1]
            place = Position(last.update.closed_ns or OPEN, last.new.started_ns, last.new.run_key)
            page = store.list_runs(NAMESPACE, EVERYTHING, place, size)
        assert seen == everything


STATUS, CLOSED, STARTED, TYPE = Column("status"), Column("closed_ns"), Column("started_ns"), Column("workflow_type")
ID = Column("workflow_id")
CONDITIONS: list[tuple[Condition, list[int]]] = [
    (Compare(STATUS, "=", 1), [3, 1]),
    (Compare(STATUS, "!=", 1), [4, 2]),
    (Not(Compare(STATUS, "=", 1)), [4, 2]),
    (IsMissing(CLOSED), [3, 1]),
    (Not(IsMissing(CLOSED)), [4, 2]),
    (Compare(CLOSED, ">", 0), [4, 2]),
    (Not(Compare(CLOSED, ">", 0)), []),  # of what is not there neither holds
    (Compare(STARTED, "<", T0 + 2 * SECOND), [1]),
    (Compare(STARTED, "<=", T0 + 2 * SECOND), [1, 2]),
    (Not(Compare(STARTED, "<", T0 + 2 * SECOND)), [3, 4, 2]),
    (Not(Compare(STARTED, "<=", T0 + 2 * SECOND)), [3, 4]),
    (Not(Compare(STARTED, ">", T0 + 2 * SECOND)), [1, 2]),
    (Not(Compare(STARTED, ">=", T0 + 2 * SECOND)), [1]),
    (Between(STARTED, T0 + 2 * SECOND, T0 + 3 * SECOND), [3, 2]),
    (Not(Between(STARTED, T0 + 2 * SECOND, T0 + 3 * SECOND)), [1, 4]),
    (Compare(ID, "=", "workflow-2"), [2]),
    (OneOf(ID, ("workflow-2", "workflow-3")), [3, 2]),
    (Not(OneOf(ID, ("workflow-2", "workflow-3"))), [1, 4]),
    (AllOf((Compare(ID, "=", "workflow-2"), Compare(STATUS, "=", 1))), []),
    (AnyOf((Compare(ID, "=", "workflow-2"), Compare(STATUS, "=", 1))), [3, 1, 2]),
    (Not(AnyOf((Compare(ID, "=", "workflow-2"), Compare(STATUS, "=", 1)))), [4]),
    (StartsWith(ID, "workflow-"), [3, 1, 4, 2]),
    (StartsWith(ID, "workflow-4"), [4]),
    (StartsWith(ID, ""), [3, 1, 4, 2]),
    (StartsWith(ID, "%"), []),
    (Not(StartsWith(ID, "workflow-4")), [3, 1, 2]),
    (StartsWith(ID, "\U0010ffff"), []),
    (Compare(TYPE, "=", "x' OR '1'='1"), []),
    (Compare(Column("history_length"), "=", 5), [4, 2]),
    (Compare(Column("root_workflow_id"), "=", "workflow-1"), [1]),
    (IsMissing(Column("parent_workflow_id")), [3, 1, 4, 2]),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_list_and_count_agree(store: Store, condition: Condition, expected: list[int]) -> None:
    changes: dict[str, Any] = {
        "status": lambda key: 2 - key % 2,
        "closed_ns": lambda key: None if key % 2 else T0 + key,
    }
    put_runs(store, 4, started_ns=lambda key: T0 + key * SECOND, next_event_id=lambda _: 6, **changes)
    assert keys(store.list_runs(NAMESPACE, condition, None, 10)) == expected
    assert keys(store.list_runs(NAMESPACE, condition, Position(OPEN, T0 + 99 * SECOND, 9), 10)) == expected
    assert store.count_runs(NAMESPACE, condition) == len(expected)
    by_status = dict(store.count_runs_by_status(NAMESPACE, condition))
    assert by_status == {status: n for status in (1, 2) if (n := sum(2 - key % 2 == status for key in expected))}
    assert store.count_runs("other", condition) == 0
    assert store.list_runs("other", condition, None, 10) == []


def test_runs_are_found_by_their_search_attributes(store: Store) -> None:
    put_runs(store, 3)
    color, words = Attribute(1, many=False), Attribute(2, many=True)
    values = [(1, "red", 1), (1, "blue", 2), (2, "a", 1), (2, "b", 1), (2, "b", 2)]
    put(store, Batch(attribute_values=[AttributeValue(*value) for value in values]))

    def found(condition: Condition) -> list[int]:
        return sorted(keys(store.list_runs(NAMESPACE, condition, None, 10)))

    assert found(Compare(color, "=", "red")) == [1]
    assert found(Compare(color, "!=", "red")) == [2]
    assert found(Not(Compare(color, "=", "red"))) == [2]  # the third has no color
    assert found(IsMissing(color)) == [3]
    assert found(Not(IsMissing(color))) == [1, 2]
    assert found(StartsWith(color, "r")) == [1]
    assert found(Compare(words, "=", "a")) == [1]
    assert found(Compare(words, "!=", "a")) == [2, 3]
    assert found(Not(OneOf(words, ("a", "c")))) == [2, 3]
    put(store, Batch(attribute_values_gone=[(1,)], attribute_values=[AttributeValue(1, "blue", 1)]))
    assert found(Compare(color, "=", "blue")) == [1, 2]
    assert found(IsMissing(words)) == [1, 3]
    put(store, Batch(search_attributes=[SearchAttributeRow(1, NAMESPACE, "Color", 2)]))
    assert store.search_attributes() == [SearchAttributeRow(1, NAMESPACE, "Color", 2)]
    put(store, Batch(search_attributes_gone=[(1,)]))
    assert store.search_attributes() == []
    assert found(Compare(color, "=", "blue")) == []


def plan(text: str) -> list[str]:
    with closing(SqliteStore.open(None)) as store:
        rows = store._rows(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?"))
    return [row[3] for row in rows]


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize(
    ("condition", "search"),
    [
        (EVERYTHING, "SEARCH runs USING INDEX runs_by_order"),
        (Compare(STATUS, "=", 1), "SEARCH runs USING INDEX runs_by_status"),
        (Compare(TYPE, "=", "Research"), "SEARCH runs USING INDEX runs_by_type"),
        (AllOf((Compare(TYPE, "=", "Research"), Compare(STATUS, "=", 1))), "SEARCH runs USING INDEX runs_by_"),
        (Compare(ID, "=", "w"), "SEARCH runs USING INDEX runs_by_id"),
        (StartsWith(ID, "w"), "SEARCH runs USING INDEX runs_by_id"),
        (Compare(Attribute(1, False), "=", "red"), "SEARCH runs USING INTEGER PRIMARY KEY"),
        (
            Compare(Attribute(1, False), "=", "red"),
            "SEARCH attribute_values USING PRIMARY KEY (attribute_key=? AND value=?)",
        ),
        (
            OneOf(Attribute(1, False), ("a", "b")),
            "SEARCH attribute_values USING PRIMARY KEY (attribute_key=? AND value=?)",
        ),
    ],
)
def test_lists_use_an_index(condition: Condition, search: str, paged: bool) -> None:
    assert any(step.startswith(search) for step in plan(_statements.list_runs(condition, paged=paged).text))
    steps = plan(_statements.count_runs(condition).text)
    assert not any(step.startswith("SCAN runs") for step in steps), steps


def test_a_list_in_order_of_its_index_sorts_nothing() -> None:
    for condition in (EVERYTHING, Compare(STATUS, "=", 1), Compare(TYPE, "=", "Research")):
        steps = plan(_statements.list_runs(condition, paged=True).text)
        assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Compare(Column("statsu"), "=", 1), "did you mean 'status'"),
        (Compare(Column("memo"), "=", "x"), "cannot be filtered by 'memo'"),
        (Compare(Column("1=1 --"), "=", 1), "cannot be filtered by"),
        (Compare(STATUS, "LIKE", 1), "expected one of = != < <= > >="),
    ],
)
def test_unknown_conditions_are_refused(store: Store, bad: Condition, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        store.list_runs(NAMESPACE, bad, None, 1)
    with pytest.raises(ValueError, match=message):
        store.count_runs(NAMESPACE, bad)


def test_a_query_that_looks_at_too_much_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_runs(store, 300)
    monkeypatch.setattr(_reads, "LISTING_STEPS_MAX", 1000)
    monkeypatch.setattr(_reads, "_STEPS_BETWEEN", 100)
    with pytest.raises(StoreQueryTooLongError, match="given up after 1,000 steps; narrow it"):
        store.count_runs(NAMESPACE, Compare(Column("task_queue"), "=", "nowhere"))
    assert store.count_runs(NAMESPACE, Compare(ID, "=", "workflow-7")) == 1  # and reads go on
