"""The commands that start workflows, look at them and talk to them, on a database file."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli._site import execute, run, run_json, start
from tsuzuki.cli import _trace
from tsuzuki.cli._many import _open_ones
from tsuzuki.client import Client, WorkflowHistory
from tsuzuki.common import RetryPolicy
from tsuzuki.store import SqliteStore

pytestmark = pytest.mark.usefixtures("here")


def test_execute_prints_ids_and_result() -> None:
    lines = execute("tea").stdout.splitlines()
    assert lines[0] == "Running execution:"
    assert [line.split() for line in lines[-3:]] == [["Results:"], ["Status", "COMPLETED"], ["Result", "TEA"]]


def test_a_failed_workflow_is_exit_code_1_and_says_why() -> None:
    found = json.loads(execute("bad", "-o", "json", code=1).stdout)
    assert found["status"] == "FAILED"
    assert "no such word" in found["cause"]


def test_the_result_of_what_has_ended_needs_no_worker() -> None:
    execute("tea")
    assert run_json("workflow", "result", "-w", "one")["result"] == "TEA"
    start("tea", workflow_id="open")
    assert "name what to run with --worker MODULE" in run("workflow", "result", "-w", "open", code=2).stderr


def test_the_result_of_a_run_is_there_though_another_one_has_its_id_by_now() -> None:
    first = json.loads(execute("tea", "-o", "json").stdout)["runId"]
    start("tea")
    assert run_json("workflow", "result", "-w", "one", "-r", first)["result"] == "TEA"
    newest = run_json("workflow", "describe", "-w", "one")["workflowExecutionInfo"]["execution"]["runId"]
    for which in ((), ("-r", newest)):
        assert "--worker MODULE" in run("workflow", "result", "-w", "one", *which, code=2).stderr


CHAINS = """
from tsuzuki import workflow
from tsuzuki.exceptions import ApplicationError

@workflow.defn
class Chain:
    @workflow.run
    async def run(self, left: int, how: str) -> str:
        if left:
            workflow.continue_as_new(args=[left - 1, how])
        if how == "wait":
            await workflow.wait_condition(lambda: False)
        if how == "fail" and workflow.info().attempt < 3:
            raise ApplicationError(f"failed {workflow.info().attempt}")
        return f"attempt {workflow.info().attempt}"
"""
BESIDE = ("--worker", "cli_chains", "--task-queue", "q")


def chain(here: Path, workflow_id: str, left: int, how: str, *more: str) -> str:
    """Start a chain, and give the id of its first run."""
    (here / "cli_chains.py").write_text(CHAINS)
    sys.modules.pop("cli_chains", None)  # of an earlier test, in another folder
    begin = ("workflow", "start", "--type", "Chain", "-t", "q", "-w", workflow_id)
    return str(run_json(*begin, "-i", str(left), "-i", json.dumps(how), *more)["runId"])


def test_the_result_of_a_run_is_that_of_what_it_continued_as(here: Path) -> None:
    first = chain(here, "one", 2, "done")
    exactly = ("workflow", "result", "-w", "one", "-r", first)
    assert "--worker MODULE" in run(*exactly, code=2).stderr
    assert run_json(*exactly, *BESIDE)["result"] == "attempt 1"
    assert run_json(*exactly)["result"] == "attempt 1"
    start("tea")  # another workflow has the id by now
    assert run_json(*exactly)["result"] == "attempt 1"

    first = chain(here, "two", 1, "wait", "--run-timeout", "1s")
    exactly = ("workflow", "result", "-w", "two", "-r", first)
    ended = run_json(*exactly, *BESIDE, code=1)
    assert (ended["status"], run_json(*exactly, code=1)) == ("TIMEOUT", ended), "as the last run ended, not the first"


def test_a_run_of_a_cron_schedule_has_a_result_though_the_next_one_waits(here: Path) -> None:
    first = chain(here, "one", 0, "done", "--cron", "@every 1s")
    exactly = ("workflow", "result", "-w", "one", "-r", first)
    assert run_json(*exactly, *BESIDE)["result"] == "attempt 1"
    assert run_json(*exactly)["result"] == "attempt 1"
    assert "--worker MODULE" in run("workflow", "result", "-w", "one", code=2).stderr, "the newest is to come"
    assert run_json("workflow", "result", "-w", "one", *BESIDE)["result"] == "attempt 1"


async def start_retried() -> str:
    async with await Client.connect("sqlite:///runs.db") as client:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=1))
        handle = await client.start_workflow("Chain", args=[0, "fail"], id="one", task_queue="q", retry_policy=policy)
        return handle.result_run_id or ""


def test_the_result_of_a_workflow_is_that_of_its_last_retry(here: Path) -> None:
    chain(here, "other", 0, "done")  # writes the code
    first = asyncio.run(start_retried())
    assert run_json("workflow", "result", "-w", "one", *BESIDE)["result"] == "attempt 3"
    failed = run_json("workflow", "result", "-w", "one", "-r", first, code=1)
    assert (failed["status"], failed["failure"]) == ("FAILED", "ApplicationError: failed 1")


def test_how_a_run_ended_without_a_result_is_said() -> None:
    start("tea")
    run("workflow", "terminate", "-w", "one")
    assert run_json("workflow", "result", "-w", "one", code=1)["status"] == "TERMINATED"
    start("tea", workflow_id="two")
    run("workflow", "cancel", "-w", "two")
    assert run_json("workflow", "result", "-w", "two", *WORKER, code=1)["status"] == "CANCELED"


def test_search_attributes_are_shown_one_a_line() -> None:
    values = {
        "Topic": ("Keyword", '"green tea"'),
        "Urgent": ("Bool", "true"),
        "Cups": ("Int", "7"),
        "Tags": ("KeywordList", '["a, b", "ü"]'),
        "Due": ("Datetime", '"2026-01-02T03:04:05.5Z"'),
    }
    start("tea", workflow_id="none")
    assert "Search attributes" not in run("workflow", "describe", "-w", "none").stdout
    for name, (kind, _) in values.items():
        run("operator", "search-attribute", "create", "--name", name, "--type", kind)
    start("tea", *(word for name, (_, value) in values.items() for word in ("--search-attribute", f"{name}={value}")))
    shown = run("workflow", "describe", "-w", "one").stdout
    assert (
        """
Search attributes:
  Cups    7
  Due     2026-01-02T03:04:05.500Z
  Tags    ["a, b", "ü"]
  Topic   green tea
  Urgent  true
"""
        in shown
    )


def test_a_duration_longer_than_any_time_is_bad_input() -> None:
    refused = run("workflow", "start", "--type", "T", "-t", "q", "-w", "one", "--run-timeout", "999999999999d", code=2)
    assert "'999999999999d' is longer than any time" in str(refused.exception) + refused.output


def test_what_others_wrote_does_not_steer_the_terminal() -> None:
    start("tea", "--static-summary", "a\x1b[2Jb\x9b5m\tc")
    shown = run("workflow", "describe", "-w", "one").stdout
    assert "Summary        a\\x1b[2Jb\\x9b5m\\tc" in shown
    run("workflow", "start", "--type", "T\x1b[2J", "-t", "q\x1b[2J", "-w", "two\x1b[2J")
    shown = run("workflow", "trace", "-w", "two\x1b[2J").stdout
    assert "T\\x1b[2J running  two\\x1b[2J" in shown
    assert "'three\\x1b[2J'" in run("workflow", "describe", "-w", "three\x1b[2J", code=1).stderr


def test_options_of_a_start_reach_the_run() -> None:
    start("tea", "--memo", 'by="me"', "--run-timeout", "1h30m", "--static-summary", "tea time", "--priority-key", "2")
    info = run_json("workflow", "describe", "-w", "one")
    assert info["workflowExecutionInfo"]["memo"]["fields"] == {"by": "me"}
    assert info["executionConfig"]["workflowRunTimeout"] == "5400s"
    assert info["workflowExecutionInfo"]["priority"]["priorityKey"] == 2
    shown = run("workflow", "describe", "-w", "one").stdout
    assert "Summary        tea time" in shown
    assert "Status         Running" in shown


def test_an_argument_can_come_from_a_file(here: Path) -> None:
    (here / "word.json").write_text('"coffee"')
    run("workflow", "start", "--type", "Research", "-t", "q", "-w", "file", "--input-file", "word.json")
    first = run_json("workflow", "show", "-w", "file")["events"][0]
    payload = first["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]
    assert payload["data"] == "ImNvZmZlZSI="  # as Temporal's export: raw


def test_list_and_count_agree_and_json_is_that_of_temporal() -> None:
    execute("tea")
    start("tea", workflow_id="two")
    listed = run_json("workflow", "list")
    assert [run["execution"]["workflowId"] for run in listed] == ["two", "one"]
    assert listed[0]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
    assert run_json("workflow", "count")["count"] == 2
    closed = run("workflow", "list", "-q", "ExecutionStatus = 'Completed'").stdout.splitlines()
    assert [line.split()[:3] for line in closed] == [
        ["Status", "WorkflowId", "Type"],
        ["Completed", "one", "Research"],
    ]


def test_show_writes_a_history_that_replays(here: Path) -> None:
    execute("tea")
    exported = run("workflow", "show", "-w", "one", "-o", "json").stdout
    (here / "history.json").write_text(exported)
    assert len(WorkflowHistory.from_json("one", exported).events) == 11
    replayed = run("workflow", "replay", "-f", "history.json", "--workflows", "cli_code").stdout
    assert replayed == "Research history: 11 events replayed, no difference.\n"
    assert "ActivityTaskCompleted                  TEA" in run("workflow", "show", "-w", "one").stdout
    (here / "history.json").write_text(run("workflow", "show", "-w", "one").stdout)
    refused = run("workflow", "replay", "-f", "history.json", "--workflows", "cli_code", code=2).stderr
    assert refused.startswith("tsuzuki: history.json is no exported history: ")


def test_query_and_stack_are_answered_by_the_code_at_hand() -> None:
    start("tea", "-i", "3")
    run("workflow", "signal", "-w", "one", "--name", "go", "-i", "1")
    updated = run_json("workflow", "update", "execute", "-w", "one", "--name", "add", "-i", "1", *WORKER)
    assert updated["result"] == 2
    code = ("--workflows", "cli_code")
    assert run_json("workflow", "query", "-w", "one", "--name", "count", "-i", "10", *code) == {"queryResult": [20]}
    assert "wait_condition" in run("workflow", "stack", "-w", "one", *code).stdout
    unknown = run("workflow", "query", "-w", "one", "--name", "cuont", *code, code=1).stderr
    assert "did you mean 'count'?" in unknown


def test_the_stack_of_a_workflow_that_has_ended_says_so() -> None:
    execute("tea")
    assert run("workflow", "stack", "-w", "one", "--workflows", "cli_code").stdout.startswith("No code waits: ")


WORKER = ("--worker", "cli_code", "-t", "q")


def test_an_update_brings_its_workflow_and_can_be_looked_up() -> None:
    both = (
        "workflow",
        "execute-update-with-start",
        "--type",
        "Research",
        "-w",
        "one",
        "-i",
        '"tea"',
        "-i",
        "9",
        *WORKER,
    )
    update = ("--update-name", "add", "--update-input", "2", "--id-conflict-policy", "UseExisting")
    assert run_json(*both, *update, "--update-id", "first") == {"workflowId": "one", "name": "add", "result": 2}
    assert run_json(*both, *update)["result"] == 4
    assert run_json("workflow", "count")["count"] == 1
    seen = run_json("workflow", "update", "describe", "-w", "one", "--update-id", "first")
    assert seen == {"updateId": "first", "stage": "COMPLETED", "success": [2]}
    assert "Result    2" in run("workflow", "update", "describe", "-w", "one", "--update-id", "first").stdout
    assert run("workflow", "update", "describe", "-w", "one", "--update-id", "no", code=1).stderr.count("\n") == 1
    assert "id_conflict_policy is missing" in run(*both, *update[:4], code=2).stderr


def test_a_rejected_update_is_exit_code_1_and_one_line() -> None:
    start("tea", "-i", "3")
    refused = run("workflow", "update", "execute", "-w", "one", "--name", "add", "-i", "-1", *WORKER, code=1)
    assert refused.stderr == "tsuzuki: the update failed: ApplicationError: ValueError: steps is negative\n"


def test_signal_cancel_and_terminate_reach_one_or_many() -> None:
    for workflow_id in ("one", "two", "three"):
        start("tea", workflow_id=workflow_id)
    run("workflow", "cancel", "-w", "one")
    run("workflow", "terminate", "-w", "two", "--reason", "enough")
    last = run_json("workflow", "show", "-w", "two")["events"][-1]
    assert last["workflowExecutionTerminatedEventAttributes"]["reason"] == "enough"
    reached = run_json("workflow", "signal", "-q", "WorkflowType = 'Research'", "-y", "--name", "go", "-i", "1")
    assert (reached["completeOperationCount"], reached["state"]) == ("2", "BATCH_OPERATION_STATE_COMPLETED")
    assert "WorkflowExecutionSignaled              go" in run("workflow", "show", "-w", "three").stdout
    told = run("workflow", "terminate", "-q", "WorkflowType = 'Research'", "-y", "--rps", "100").stdout
    assert told.startswith("Workflow terminated: 2 runs. Batch operation ")
    described = run("batch", "describe", "--job-id", told.split()[-1]).stdout
    assert "Type       Terminate workflow" in described
    assert "Completed  2" in described
    assert [it["state"] for it in run_json("batch", "list")] == ["BATCH_OPERATION_STATE_COMPLETED"] * 2
    assert "no batch operation 'x'" in run("batch", "terminate", "--job-id", "x", "--reason", "r", code=1).stderr


def test_many_are_not_reached_without_a_yes() -> None:
    start("tea")
    run("workflow", "terminate", "-q", "WorkflowType = 'Research'", code=1)  # nobody answers the question
    assert run_json("workflow", "list")[0]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"


@pytest.mark.parametrize("query", ["A = 'x'", "A = 'x' or B = 'y'", "A = 'x'\nOR B = 'y'", "A = 'x' OR(B = 'y')"])
def test_only_open_ones_of_all_alternatives_are_meant(query: str) -> None:
    assert _open_ones(query) == f"({query}) AND CloseTime IS NULL"


def test_signal_with_start_makes_the_run_with_the_signal() -> None:
    both = ("workflow", "signal-with-start", "--type", "Research", "-t", "q", "-w", "one", "-i", '"tea"')
    run(*both, "--signal-name", "go", "--signal-input", "1")
    names = [event["eventType"] for event in run_json("workflow", "show", "-w", "one")["events"]]
    assert names[:2] == ["EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"]


def test_trace_shows_children_and_their_steps() -> None:
    begin = ("workflow", "execute", "--type", "Parent", "-t", "q", "-w", "one")
    run(*begin, *WORKER[:2])
    tree = run_json("workflow", "trace", "-w", "one")
    timer, child = tree["children"]
    assert (tree["status"], timer["status"], child["name"], child["status"]) == (
        "completed",
        "fired",
        "Research",
        "completed",
    )
    assert [(step["name"], step["status"]) for step in child["children"]] == [("search", "completed")]
    assert "✓ Research completed  the-child" in run("workflow", "trace", "-w", "one").stdout
    assert run_json("workflow", "trace", "-w", "one", "--depth", "0")["children"][1]["children"] == []


def test_a_trace_follows_a_run_through_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    start("tea")
    run("workflow", "pause", "-w", "one")
    seen: list[str] = []
    look = _trace._node

    async def look_and_end(client: Client, *which: Any) -> _trace.Node:
        if seen:
            await client.get_workflow_handle("one").terminate()
        node = await look(client, *which)
        seen.append(node.status)
        return node

    monkeypatch.setattr(_trace, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(_trace, "_node", look_and_end)
    run("workflow", "trace", "-w", "one", "--follow")
    assert seen == ["paused", "terminated"]


def test_an_activity_is_completed_from_outside() -> None:
    async def until_it_asks() -> None:
        from cli_code import ASKED, Approval, approve

        from tsuzuki.worker import Worker

        async with (
            await Client.connect("sqlite:///runs.db") as client,
            Worker(client, task_queue="q", workflows=[Approval], activities=[approve]),
        ):
            await client.start_workflow("Approval", id="one", task_queue="q")
            await ASKED.wait()

    asyncio.run(until_it_asks())
    answered = run_json("activity", "complete", "-w", "one", "-a", "ask", "--result", '"yes"')
    assert answered == {"workflowId": "one", "activityId": "ask", "status": "COMPLETED"}
    assert run_json("workflow", "result", "-w", "one", *WORKER)["result"] == "yes"


# ---- what goes wrong is one line -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["workflow", "list", "--target", "no.db"], 2, "there is no database no.db"),
        (["workflow", "describe", "-w", "nobody"], 1, "there is no workflow 'nobody'"),
        (["workflow", "execute", "--type", "Research", "-t", "q"], 2, "name what to run with --worker MODULE"),
        (["workflow", "query", "-w", "one", "--name", "count"], 2, "name the code with --workflows MODULE"),
        (["workflow", "start", "--type", "A", "-t", "q", "-i", "tea"], 2, """Text takes quotes: --input '"tea"'"""),
        (["workflow", "start", "--type", "A", "-t", "q", "--memo", "k"], 2, "--memo k: expected KEY=JSON"),
        (["workflow", "start", "--type", "A", "-t", "q", "--id-reuse-policy", "No"], 2, "expected one of"),
        (["workflow", "signal", "--name", "go"], 2, "give --workflow-id, or --query for many"),
        (["workflow", "list", "--target", "what"], 2, "is not understood"),
        (["workflow", "list", "-q", "Colour = 1"], 2, "invalid search attribute: Colour"),
        (["workflow", "execute", "--type", "A", "-t", "q", "--worker", "nomodule"], 2, "no module 'nomodule'"),
        (["workflow", "list", "--data-converter", "cli_code"], 2, "Expected MODULE:OBJECT"),
    ],
)
def test_what_goes_wrong_is_one_line(arguments: list[str], code: int, said: str) -> None:
    start("tea")
    result = run(*arguments, code=code)
    assert said in result.stderr
    assert result.stderr.startswith("tsuzuki: ")
    assert result.stderr.count("\n") == 1


def test_a_start_that_meets_an_open_run_is_refused() -> None:
    start("tea")
    again = run("workflow", "start", "--type", "Research", "-t", "q", "-w", "one", code=1)
    assert again.stderr.startswith("tsuzuki: ")
    assert "is taken" in again.stderr
    run("workflow", "start", "--type", "Research", "-t", "q", "-w", "one", "--id-conflict-policy", "UseExisting")


def test_a_store_that_somebody_owns_is_named_with_its_owner(here: Path) -> None:
    start("tea")
    owner = SqliteStore.open(here / "runs.db")
    try:
        refused = run("workflow", "list", code=2).stderr
        assert refused.startswith(f"tsuzuki: store {here / 'runs.db'} is already open in this process")
        assert run_json("store", "info")["owner_pid"] is not None
        run("store", "backup", "copy.db")
    finally:
        owner.close()
    assert run_json("workflow", "list", "--target", "copy.db")[0]["execution"]["workflowId"] == "one"


def test_store_check_and_info_and_backup(here: Path) -> None:
    execute("tea")
    start("tea", workflow_id="two")
    assert run("store", "check").stdout == "runs.db: everything is as promised.\n"
    info = run_json("store", "info")
    assert info["runs"] == {"RUNNING": 1, "COMPLETED": 1}
    assert info["owner_pid"] is None
    assert run_json("store", "backup", "copy.db")["bytes"] > 0
    assert run("store", "check", "--target", "copy.db").stdout == "copy.db: everything is as promised.\n"
    assert "exists already" in run("store", "backup", "copy.db", code=1).stderr
    (here / "text.db").write_text("not a database at all" * 100)
    assert run("store", "check", "--target", "text.db", code=1).stdout != ""


def test_a_deleted_run_is_gone() -> None:
    execute("tea")
    start("tea", workflow_id="two")
    assert run("workflow", "delete", "-w", "one").stdout == "Deleted.\n"
    assert [it["execution"]["workflowId"] for it in run_json("workflow", "list")] == ["two"]
    assert "'one'" in run("workflow", "describe", "-w", "one", code=1).stderr
    assert "one of them" in run("workflow", "delete", code=2).stderr


def test_a_line_for_each() -> None:
    execute("tea")
    start("tea", workflow_id="two")
    lines = run("workflow", "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["execution"]["workflowId"] for line in lines] == ["two", "one"]
    events = run("workflow", "show", "-w", "one", "-f", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["eventId"] for line in events] == [str(number) for number in range(1, 12)]
    assert len(run("workflow", "describe", "-w", "one", "-o", "jsonl").stdout.splitlines()) == 1


def test_arguments_with_metadata_go_as_they_are() -> None:
    begin = ("workflow", "start", "--type", "Any", "-t", "q", "-w", "raw", "-i", "one", "-i", "2")
    run(*begin, "--input-meta", "encoding=binary/plain", "--input-meta", "encoding=json/plain", "--input-meta", "by=me")
    first = run_json("workflow", "show", "-w", "raw")["events"][0]
    one, two = first["workflowExecutionStartedEventAttributes"]["input"]["payloads"]
    assert one == {"metadata": {"encoding": "YmluYXJ5L3BsYWlu", "by": "bWU="}, "data": "b25l"}
    assert two == {"metadata": {"encoding": "anNvbi9wbGFpbg==", "by": "bWU="}, "data": "Mg=="}
    again = ("workflow", "start", "--type", "Any", "-t", "q", "-w", "b64", "--input-base64")
    run(*again, "-i", "InRlYSI=")
    first = run_json("workflow", "show", "-w", "b64")["events"][0]
    (payload,) = first["workflowExecutionStartedEventAttributes"]["input"]["payloads"]
    assert payload["data"] == "InRlYSI="
    assert "is not Base64" in run(*again, "-i", "!", code=2).stderr
    assert "is not JSON" in run(*again, "-i", "dGVh", code=2).stderr
    assert "expected KEY=VALUE" in run(*begin, "--input-meta", "encoding", code=2).stderr


def test_metadata_says_what_a_workflow_takes() -> None:
    start("tea", "-i", "3")
    run_json("workflow", "update", "execute", "-w", "one", "--name", "add", "-i", "1", *WORKER)
    shown = run("workflow", "metadata", "-w", "one", "--workflows", "cli_code").stdout
    assert "Research" in shown
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith(("Signal", "Update"))] == [
        ["Signal", "go"],
        ["Update", "add"],
        ["Update", "add_later"],
    ]
    found = run_json("workflow", "metadata", "-w", "one", "--workflows", "cli_code")
    assert found["definition"]["type"] == "Research"


def test_a_taken_id_says_what_to_do() -> None:
    start("tea")
    again = ("workflow", "start", "--type", "Research", "-t", "q", "-w", "one")
    refused = run(*again, code=1).stderr
    assert refused.startswith("tsuzuki: the workflow id one is taken (run ")
    assert "--id-conflict-policy UseExisting" in refused
    run(*again, "--id-conflict-policy", "UseExisting")
