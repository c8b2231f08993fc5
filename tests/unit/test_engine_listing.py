"""Looking at many runs: list, count, their older forms; the list filter from text to runs."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from engine_requests import HOUR, MINUTE, Refused, duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Memo
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.filter.v1 import StartTimeFilter, StatusFilter, WorkflowExecutionFilter, WorkflowTypeFilter
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    CountWorkflowExecutionsResponse,
    ListArchivedWorkflowExecutionsRequest,
    ListClosedWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsRequest,
    ListWorkflowExecutionsRequest,
    ScanWorkflowExecutionsRequest,
)

from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.search_attributes import PREDEFINED, Kind, Kinds
from tsuzuki.engine.list_filter import _conditions, _syntax, read_filter
from tsuzuki.service import StatusCode
from tsuzuki.store import Attribute, Compare, _where
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow, fail_workflow


def _page(server: LocalServer, query: str = "", page_size: int = 0, token: bytes = b"") -> tuple[list[str], bytes]:
    request = ListWorkflowExecutionsRequest(
        namespace=NAMESPACE, query=query, page_size=page_size, next_page_token=token
    )
    page = server.call(server.service.list_workflow_executions(request))
    assert page_size < 1 or len(page.executions) <= page_size
    return [info.execution.workflow_id for info in page.executions], page.next_page_token


def _list(server: LocalServer, query: str = "", page_size: int = 0) -> list[str]:
    ids, token = _page(server, query, page_size)
    while token:
        more, token = _page(server, query, page_size, token)
        ids += more
    return ids


def _count(server: LocalServer, query: str = "") -> int:
    return _counted(server, query).count


def _counted(server: LocalServer, query: str) -> CountWorkflowExecutionsResponse:
    request = CountWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    return server.call(server.service.count_workflow_executions(request))


# ---- lists -------------------------------------------------------------------------------------------


def test_a_run_is_listed_as_soon_as_its_start_is_answered(server: LocalServer) -> None:
    """Invariant 11."""
    assert (_list(server), _count(server)) == ([], 0)
    server.start_workflow("a")
    assert (_list(server), _count(server)) == (["a"], 1)
    server.start_workflow("b")
    assert (_list(server), _count(server)) == (["b", "a"], 2)


def test_list_and_count_follow_the_status_in_the_same_commit(server: LocalServer) -> None:
    """Invariant 11."""
    server.start_workflow("a")
    assert _list(server, "ExecutionStatus = 'Running'") == ["a"]
    server.complete_workflow_task(complete_workflow())
    assert _list(server, "ExecutionStatus = 'Running'") == []
    assert _list(server, "ExecutionStatus = 'Completed'") == ["a"]
    assert _count(server, "ExecutionStatus != 'Running'") == 1


def test_open_runs_come_first_then_the_last_closed(server: LocalServer) -> None:
    for workflow_id in "abcd":
        server.start_workflow(workflow_id)
        server.advance(MINUTE)
    for workflow_id in "cb":
        server.terminate(workflow_id)
        server.advance(MINUTE)
    assert _list(server) == ["d", "a", "b", "c"]


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5, 6, 100, 0, -1])
def test_pages_of_a_list_join_to_the_whole(server: LocalServer, page_size: int) -> None:
    ids = [f"w{number}" for number in range(5)]
    for workflow_id in ids:
        server.start_workflow(workflow_id)  # all at the same moment
    assert sorted(_list(server, page_size=page_size)) == ids


def test_a_page_token_keeps_its_place_while_runs_start_and_close(server: LocalServer) -> None:
    for workflow_id in "abcdef":
        server.start_workflow(workflow_id)
        server.advance(MINUTE)
    first, token = _page(server, page_size=2)
    assert first == ["f", "e"]
    server.start_workflow("g")
    server.terminate("c")
    rest: list[str] = []
    while token:
        more, token = _page(server, page_size=2, token=token)
        rest += more
    assert rest == ["d", "b", "a", "c"]  # neither is "g" among them, nor is "c" lost


@pytest.mark.parametrize("page_size", [0, -1, 1001, 2_000_000_000])
def test_a_page_is_bounded(server: LocalServer, page_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 41."""
    asked: list[int] = []
    store = type(server.store)
    inner = store.list_runs

    def list_runs(self: Any, *arguments: Any) -> Any:
        asked.append(arguments[-1])
        return inner(self, *arguments)

    monkeypatch.setattr(store, "list_runs", list_runs)
    _page(server, page_size=page_size)
    assert asked == [1001]  # one more tells whether there is a next page


@pytest.mark.parametrize("token", [b"x", b"\0" * 8, b"\xff" * 25])
def test_a_token_of_somebody_else_is_refused(server: LocalServer, token: bytes) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "none of this engine's"):
        _page(server, token=token)


def test_a_closed_run_is_listed_with_its_times(server: LocalServer) -> None:
    memo = Memo()
    memo.fields["k"].data = b"v"
    run_id = server.start_workflow("a", workflow_start_delay=duration(MINUTE), memo=memo)
    server.advance(HOUR)
    server.complete_workflow_task(complete_workflow())
    request = ListWorkflowExecutionsRequest(namespace=NAMESPACE)
    [info] = server.call(server.service.list_workflow_executions(request)).executions
    assert (info.execution.run_id, info.type.name, info.task_queue) == (run_id, "Workflow", "queue")
    assert (info.history_length, info.memo.fields["k"].data) == (5, b"v")
    assert info.execution_time.seconds - info.start_time.seconds == 60
    assert info.close_time.seconds - info.start_time.seconds == 3600
    assert info.execution_duration.seconds == 3540
    described = server.describe("a").workflow_execution_info
    described.ClearField("auto_reset_points")  # a list does not read histories
    assert info == described


# ---- count -------------------------------------------------------------------------------------------


def test_a_count_by_status_has_groups(server: LocalServer) -> None:
    for workflow_id in "abcde":
        server.start_workflow(workflow_id)
    server.terminate("a")
    counted = _counted(server, "WorkflowId != 'b' GROUP BY ExecutionStatus")
    assert counted.count == 4
    groups = [
        (group.count, group.group_values[0].data, group.group_values[0].metadata["type"]) for group in counted.groups
    ]
    assert groups == [(3, b'"Running"', b"Keyword"), (1, b'"Terminated"', b"Keyword")]
    assert not _counted(server, "WorkflowId = 'nobody' GROUP BY ExecutionStatus").groups


# ---- the older forms ---------------------------------------------------------------------------------


def _old(server: LocalServer, kind: str, **fields: Any) -> list[str]:
    request: Any = {"open": ListOpenWorkflowExecutionsRequest, "closed": ListClosedWorkflowExecutionsRequest}[kind](
        namespace=NAMESPACE, maximum_page_size=1, **fields
    )
    call = getattr(server.service, f"list_{kind}_workflow_executions")
    ids: list[str] = []
    while True:
        page = server.call(call(request))
        ids += [info.execution.workflow_id for info in page.executions]
        if not page.next_page_token:
            return ids
        request.next_page_token = page.next_page_token


def test_open_and_closed_runs_by_the_older_requests(server: LocalServer) -> None:
    other = StartTimeFilter(earliest_time=Timestamp(seconds=1), latest_time=Timestamp(seconds=2))
    for workflow_id in "abcd":
        server.start_workflow(workflow_id)
        server.advance(MINUTE)
    server.terminate("a")
    server.terminate("c")
    assert (_old(server, "open"), _old(server, "closed")) == (["d", "b"], ["c", "a"])
    by_id = WorkflowExecutionFilter(workflow_id="a")
    assert (_old(server, "open", execution_filter=by_id), _old(server, "closed", execution_filter=by_id)) == ([], ["a"])
    assert _old(server, "open", type_filter=WorkflowTypeFilter(name="Other")) == []
    assert _old(server, "open", start_time_filter=other) == []
    terminated = StatusFilter(status=WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED)
    assert _old(server, "closed", status_filter=terminated) == ["c", "a"]
    failed = StatusFilter(status=WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED)
    assert _old(server, "closed", status_filter=failed) == []
    with Refused(StatusCode.INVALID_ARGUMENT, "must be not Running"):
        _old(server, "closed", status_filter=StatusFilter())
    with Refused(StatusCode.INVALID_ARGUMENT, "should not be larger than LatestTime"):
        _old(
            server,
            "open",
            start_time_filter=StartTimeFilter(earliest_time=Timestamp(seconds=2), latest_time=Timestamp(seconds=1)),
        )
    scanned = server.call(server.service.scan_workflow_executions(ScanWorkflowExecutionsRequest(namespace=NAMESPACE)))
    assert [info.execution.workflow_id for info in scanned.executions] == _list(server)
    with Refused(StatusCode.INVALID_ARGUMENT, "keeps no archive"):
        archived = ListArchivedWorkflowExecutionsRequest(namespace=NAMESPACE, page_size=1)
        server.call(server.service.list_archived_workflow_executions(archived))


# ---- the filter --------------------------------------------------------------------------------------


def test_conditions_are_joined(server: LocalServer) -> None:
    server.start_workflow("a")
    server.complete_workflow_task(fail_workflow())
    server.start_workflow("a")
    server.start_workflow("b")
    assert _count(server, "WorkflowId = 'a'") == 2
    assert _count(server, "WorkflowId = 'a' AND ExecutionStatus = \"Failed\"") == 1
    assert _count(server, "WorkflowType = 'Workflow' and WorkflowId != 'a'") == 1
    assert _count(server, "TaskQueue = 'other'") == 0
    assert _list(server, "WorkflowId = 'b' OR WorkflowId = 'a' AND ExecutionStatus = 'Failed'") == ["b", "a"]
    assert _list(server, "(WorkflowId = 'b' OR WorkflowId = 'a') AND ExecutionStatus = 'Failed'") == ["a"]
    assert _count(server, "CloseTime IS NULL AND HistoryLength IS NULL AND ParentWorkflowId IS NULL") == 2
    assert _count(server, "RootWorkflowId = 'a' AND HistoryLength = 5 AND StateTransitionCount > 1") == 1
    assert _count(server, "ExecutionDuration < '1s' AND HistorySizeBytes > 100") == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("WorkflowId = ", "the end of the query at character 14 is not understood; expected a value"),
        ("WorkflowId = a", r"'a' at character 14 .* expected a value .*forget to quote it\? 'a'"),
        ("WorkflowId == 'a'", "'=' at character 13 is not understood"),
        ("WorkflowId = 'a", "the quote ' at character 14 is not closed"),
        ("WorkflowId = 'a' WorkflowId = 'b'", "at character 18 is not understood; expected AND or OR"),
        ("(WorkflowId = 'a'", r"the end of the query at character 18 .* expected \)"),
        ("WorkflowId IN ()", "at character 16 is not understood; expected a value"),
        ("WorkflowId LIKE 'a%'", "'LIKE' at character 12 .*expected = != .* STARTS_WITH"),
        ("Nonsense = 'a'", "invalid search attribute: Nonsense .* has registered none"),
        ("WorkflowID = 'a'", "invalid search attribute: WorkflowID .* did you mean WorkflowId"),
        ("ExecutionStatus = 'Sleeping'", "'Sleeping' at character 19 is no ExecutionStatus; expected one of Running, "),
        ("ExecutionStatus = 'running'", "is no ExecutionStatus"),
        ("ExecutionStatus = 99", "99 at character 19 is no ExecutionStatus"),
        ("ExecutionStatus STARTS_WITH 'Running'", "operator 'STARTS_WITH' not supported"),
        (
            "StartTime > '2026-01-01'",
            "StartTime is of type Datetime, and '2026-01-01' .* such as '2026-01-01T00:00:00Z'",
        ),
        ("StartTime STARTS_WITH '2026-01-01T00:00:00Z'", "'STARTS_WITH' not supported for Datetime type"),
        ("HistoryLength = '5'", "HistoryLength is of type Int, and '5' at character 17 is none; .* without quotes"),
        ("WorkflowId = 5", "WorkflowId is of type Keyword, and 5 at character 14 is none; expected a text in quotes"),
        ("ExecutionDuration < 'soon'", "'soon' at character 21 is no ExecutionDuration"),
        ("BuildIds > 'a'", "operator '>' not supported for KeywordList type search attribute 'BuildIds'"),
        ("BuildIds BETWEEN 'a' AND 'b'", "operator 'BETWEEN' not supported for KeywordList"),
        ("TemporalSchedulePaused BETWEEN false AND true", "operator 'BETWEEN' not supported for Bool"),
        ("TemporalSchedulePaused = 1", "is of type Bool, and 1 .* expected true or false"),
        ("ORDER BY StartTime", "'ORDER BY' clause. Open runs come first"),
        ("ORDER BY Nonsense", "invalid search attribute: Nonsense"),
        ("GROUP BY WorkflowType", "not supported for search attribute WorkflowType; expected ExecutionStatus"),
        ("GROUP BY ExecutionStatus, WorkflowType", "supports only a single field"),
        ("'; DROP TABLE runs; --", "the quote ' at character 1 is not closed"),
        ("WorkflowId = 'a'; DROP TABLE runs", "'DROP' at character 19 is not understood; expected the end"),
        ("(" * 51 + "WorkflowId = 'a'" + ")" * 51, "character 51 it is nested more than 50 levels deep"),
        ("NOT " * 51 + "WorkflowId = 'a'", "nested more than 50 levels deep"),
        (" OR ".join(["WorkflowId = 'a'"] * 501), "more than 500 conditions"),
        (f"WorkflowId = '{'x' * 32_768}'", "has 32,783 characters, the limit is 32,768"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(server: LocalServer, query: str, words: str) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        _list(server, query)
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        _count(server, query)


def test_what_is_just_within_the_bounds_is_answered(server: LocalServer) -> None:
    """Invariant 41."""
    server.start_workflow("a")
    assert _count(server, "(" * 50 + "WorkflowId = 'a'" + ")" * 50) == 1
    assert _count(server, "NOT " * 50 + "WorkflowId = 'a'") == 1
    assert _count(server, " OR ".join(["WorkflowId = 'a'"] * 500)) == 1
    assert _count(server, "WorkflowId IN ('a'" + ", ''" * 4_999 + ")") == 1


class _EveryKind:
    """A namespace with an attribute of every kind."""

    kinds: ClassVar[Kinds] = {**PREDEFINED, **{f"My{kind.wire_name}": kind for kind in Kind}}

    def attribute(self, name: str) -> Attribute:
        return Attribute(1, many=self.kinds[name] in (Kind.TEXT, Kind.KEYWORD_LIST))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a'", "a"),
        ('"a"', "a"),
        ("'it''s'", "it's"),
        ('"it\'s"', "it's"),
        (r"'it\'s'", "it's"),
        ('"say ""so"""', 'say "so"'),
        ("'say \"\"so'", 'say ""so'),
        (r"'a\\b\n\t'", "a\\b\n\t"),
        ("'日本'", "日本"),
        ("''", ""),
    ],
)
def test_quoted_texts(text: str, value: str) -> None:
    assert read_filter(f"`MyKeyword`={text}", _EveryKind()).condition == Compare(Attribute(1, False), "=", value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1", 1), ("-1", -1), ("- 1", -1), ("+1", 1), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e2", 100.0)],
        *[("9223372036854775807", 2**63 - 1), ("9223372036854775808", 2.0**63), ("1" * 400, float("inf"))],
    ],
)
def test_numbers(text: str, value: float) -> None:
    condition = read_filter(f"MyInt > {text}", _EveryKind()).condition
    assert condition == Compare(Attribute(1, False), ">", value)
    assert isinstance(condition, Compare)
    assert type(condition.value) is type(value)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("'1970-01-01T00:00:01Z'", 10**9),
        ("'1970-01-01T09:00:00.000000001+09:00'", 1),
        ("'1970-01-01T00:00:00,5Z'", 5 * 10**8),
        ("'9999-12-31T23:59:59Z'", 2**63 - 1),
        ("'0001-01-01T00:00:00Z'", 1 - 2**63),
        ("5", 5),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert read_filter(f"MyDatetime = {text}", _EveryKind()).condition == Compare(Attribute(1, False), "=", ns)


_WORDS = """
    WorkflowId MyInt MyText MyKeywordList MyDatetime MyBool ExecutionStatus StartTime ExecutionDuration CloseTime
    = != <> < > <= >= IN NOT BETWEEN AND OR STARTS_WITH IS NULL GROUP ORDER BY ( ) , ; ' " ` \\ 'a' 1 -1.5 true
    '2026-01-01T00:00:00Z' '1h' 'Running' && || -- /* * % é 1e999 0x1 ''
"""
_PIECES = st.sampled_from([*_WORDS.split(), "\0"])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=40).map(" ".join)))
@example("'" + "\\'" * 8000)
@example("`" * 8000)
@example("((((((((((" * 3000)
@example("a" * 32_000)
@example("1" * 32_000)
@example("WorkflowId = '" + "\\" * 32_000)
def test_no_text_breaks_the_parser(text: str) -> None:
    """It is read, or refused as the caller's mistake; and what is read becomes SQL with as many marks as values."""
    try:
        condition = read_filter(text, _EveryKind()).condition
    except InvalidInput as refusal:
        refused = str(refusal)
    else:
        refused = ""
        sql = _where.where(condition)
        assert sql.text.count("?") == len(sql.values)
    assert not refused or refused.startswith("invalid query: ")


def test_every_name_of_the_grammar_has_a_meaning() -> None:
    assert set(_syntax._READ) == {"either", "both", "negated", "compare", "member", "between", "starts_with", "missing"}
    assert set(_conditions._COLUMNS.values()) == set(_where.FILTERED)
