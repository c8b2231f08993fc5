"""`tsuzuki agent`: control, approvals, budgets and executions, on a server with a worker and on a database file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli._site import run, run_json
from server._running import in_process
from tsuzuki.agents import AgentExecution, ExecutionLog
from tsuzuki.client import Client
from tsuzuki.worker import Worker

CODE = """
from datetime import timedelta
from tsuzuki import activity, workflow
from tsuzuki.agents import Approvals, Budget, BudgetActivities, Control, Ledger, Limit, Usage, metered, spend

ledger = Ledger("budgets.db")
budget_activities = BudgetActivities(ledger).all

@activity.defn
@metered(ledger, estimate=Usage.of(150, "0.5"))
async def think() -> int:
    spend(Usage.of(120, "0.25"))
    return 42

@workflow.defn
class Asking:
    @workflow.run
    async def run(self) -> str:
        approvals = Approvals()
        async with Control() as control:
            decision = await approvals.ask("Follow this plan?", subject={"steps": 3})
            await control.checkpoint("approved")
            return f"{decision.approved} by {decision.by}: {decision.edited}"

@workflow.defn
class Quick:
    @workflow.run
    async def run(self) -> None:
        pass

@workflow.defn
class Quiet:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))

@workflow.defn
class Spending:
    @workflow.run
    async def run(self) -> int:
        budget = await Budget.open(Limit(tokens=100, micros=10_000_000))
        return await budget.run(
            lambda: workflow.execute_activity(think, start_to_close_timeout=timedelta(minutes=1)), wait=True
        )
"""


@pytest.fixture
def folder(here: Path) -> Path:
    """The current folder, with the module `cli_agents` in it."""
    import sys

    sys.modules.pop("cli_agents", None)
    (here / "cli_agents.py").write_text(CODE)
    return here


@pytest_asyncio.fixture
async def agents(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A client of a server with a worker for `cli_agents`; the target of the commands."""
    async with in_process() as running:
        monkeypatch.setenv("TSUZUKI_TARGET", running.target)
        import cli_agents

        async with (
            await Client.connect(running.target) as client,
            Worker(
                client,
                task_queue="q",
                workflows=[cli_agents.Asking, cli_agents.Quiet, cli_agents.Spending],
                activities=[cli_agents.think, *cli_agents.budget_activities],
            ),
        ):
            yield client
        cli_agents.ledger.close()


async def text(*arguments: str, code: int = 0) -> str:
    ran = await asyncio.to_thread(run, *arguments, code=code)
    return ran.stderr if code else ran.stdout


async def data(*arguments: str) -> Any:
    return await asyncio.to_thread(run_json, *arguments)


async def test_pause_approve_and_resume(agents: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsuzuki.cli import _agent_control

    monkeypatch.setattr(_agent_control, "_HEARD_S_MAX", 60.0)
    handle = await agents.start_workflow("Asking", id="a", task_queue="q")
    told = await text("agent", "pause", "-w", "a", "--reason", "lunch", "--by", "ann")
    assert told == "Pause recorded. `tsuzuki agent status` shows where the run stands.\n"
    state = await data("agent", "status", "-w", "a")
    assert (state["status"], state["reason"], state["by"]) == ("paused", "lunch", "ann")
    assert "pause   ann" in await text("agent", "status", "-w", "a")
    (asked,) = await data("agent", "approval", "list", "-w", "a")
    assert (asked["approval"]["id"], asked["approval"]["subject"]) == ("approval-1", {"steps": 3})
    answer = ("agent", "approval", "approve", "-w", "a", "-a", "approval-1")
    decided = await data(*answer, "--edited", '{"steps": 2}', "--comment", "good", "--identity", "ben")
    assert (decided["approved"], decided["by"], decided["reason"]) == (True, "ben", "good")
    again = await text("agent", "approval", "reject", "-w", "a", "-a", "approval-1", code=1)
    assert again.endswith("approval 'approval-1' was decided before, by ben\n")
    assert again.count("\n") == 1
    assert await data("agent", "approval", "list", "-w", "a") == []
    (kept,) = await data("agent", "approval", "list", "-w", "a", "--all")
    assert kept["approval"]["decision"]["by"] == "ben"
    await text("agent", "resume", "-w", "a")
    assert await handle.result() == "True by ben: {'steps': 2}"


async def test_a_run_without_control_or_budget_says_what_is_missing(agents: Client) -> None:
    await agents.start_workflow("Quiet", id="quiet", task_queue="q")
    told = await text("agent", "status", "-w", "quiet", code=1)
    assert "'get_control_state'" in told
    assert told.endswith(". A run answers this if its code enters a Control (tsuzuki.agents).\n")
    told = await text("agent", "budget", "show", "-w", "quiet", code=1)
    assert told.endswith(
        ". A run answers this if its code opens a Budget (tsuzuki.agents), or runs under a BudgetInterceptor.\n"
    )
    told = await text("agent", "budget", "raise", "-w", "quiet", "--tokens", "5", code=1)
    assert told.startswith("tsuzuki: workflow 'Quiet' has no update 'increase_budget'")
    assert told.endswith(
        ". A run takes this if its code opens a Budget (tsuzuki.agents), or runs under a BudgetInterceptor.\n"
    )
    told = await text("agent", "approval", "approve", "-w", "quiet", "-a", "approval-1", code=1)
    assert told.endswith(". A run takes this if its code has Approvals (tsuzuki.agents).\n")


async def test_a_pause_that_nothing_heeds_says_so(agents: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsuzuki.cli import _agent_control

    monkeypatch.setattr(_agent_control, "_HEARD_S_MAX", 60.0)
    quiet = await agents.start_workflow("Quiet", id="quiet", task_queue="q")
    told = await text("agent", "pause", "-w", "quiet")
    assert told.startswith("Pause recorded. But nothing in the code answers get_status so far")
    assert told.endswith(". A run heeds this if its code enters a Control (tsuzuki.agents).\n")
    assert (await data("agent", "resume", "-w", "quiet"))["note"].startswith("But nothing in the code answers")
    await quiet.pause()
    assert (await text("agent", "pause", "-w", "quiet")).startswith("Pause recorded. The workflow is paused;")
    monkeypatch.setattr(_agent_control, "_HEARD_S_MAX", 0.1)
    await agents.start_workflow("Asking", id="alone", task_queue="elsewhere")
    told = await text("agent", "pause", "-w", "alone")
    assert told == "Pause recorded. No worker has answered yet; the code acts upon it once one is there.\n"


async def test_cancel_says_why_and_who(agents: Client) -> None:
    handle = await agents.start_workflow("Asking", id="a", task_queue="q")
    sent = await data("agent", "cancel", "-w", "a", "--reason", "too dear", "--by", "ann")
    assert sent == {"workflowId": "a", "action": "cancel", "by": "ann"}
    history = await handle.fetch_history()
    signal = next(it for it in history.events if it.HasField("workflow_execution_signaled_event_attributes"))
    told = json.loads(signal.workflow_execution_signaled_event_attributes.input.payloads[0].data)
    assert told == {"reason": "too dear", "by": "ann", "announced": True}
    assert signal.workflow_execution_signaled_event_attributes.identity == "ann"


async def test_questions_of_all_open_runs(agents: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsuzuki.cli import _agent_approval

    monkeypatch.setattr(_agent_approval, "_ANSWER_S_MAX", 1.0)
    for id in ("one", "two"):
        await agents.start_workflow("Asking", id=id, task_queue="q")
    await agents.start_workflow("Quiet", id="quiet", task_queue="q")
    found = await data("agent", "approval", "list")
    assert {(it["workflowId"], it["approval"]["question"]) for it in found} == {
        ("one", "Follow this plan?"),
        ("two", "Follow this plan?"),
    }
    narrowed = await data("agent", "approval", "list", "--query", "WorkflowId = 'two' OR WorkflowId = 'quiet'")
    assert [it["workflowId"] for it in narrowed] == ["two"]
    await agents.start_workflow("Asking", id="alone", task_queue="elsewhere")
    monkeypatch.setattr(_agent_approval, "_ANSWER_S_MAX", 0.1)
    ran = await asyncio.to_thread(run, "agent", "approval", "list", "--query", "WorkflowId = 'alone'")
    assert ran.stderr == "tsuzuki: no worker answered for 1 of 1 runs: alone\n"


async def test_questions_of_paused_runs(agents: Client) -> None:
    handle = await agents.start_workflow("Asking", id="held", task_queue="q")
    assert len(await data("agent", "approval", "list")) == 1
    await handle.pause()
    ran = await asyncio.to_thread(run, "agent", "approval", "list", "-o", "json")
    assert json.loads(ran.stdout) == []
    assert ran.stderr == (
        "tsuzuki: 1 of 1 runs are paused, and no worker may answer for them: held. "
        "Unpause it (tsuzuki workflow unpause), or name the code that answers with --workflows MODULE.\n"
    )
    assert [it["approval"]["id"] for it in await data("agent", "approval", "list", "--workflows", "cli_agents")] == [
        "approval-1"
    ]
    for command in (("approval", "list"), ("status",)):
        told = await text("agent", *command, "-w", "held", code=1)
        assert told == (
            "tsuzuki: query rejected, the workflow is PAUSED: its code does not run. "
            "Unpause it (tsuzuki workflow unpause), or name the code that answers with --workflows MODULE.\n"
        )
    assert "Unpause it first" in await text("agent", "approval", "approve", "-w", "held", "-a", "approval-1", code=1)


async def test_a_budget_is_shown_and_raised(agents: Client) -> None:
    handle = await agents.start_workflow("Spending", id="rich", task_queue="q")
    while (seen := await data("agent", "budget", "show", "-w", "rich"))["budget"]["waiting"] == 0:
        pass
    assert seen["budget"]["exhausted"]["wanted"] == {"tokens": 150, "micros": 500_000}
    shown = await text("agent", "budget", "show", "-w", "rich", "--ledger", "budgets.db")
    assert "Wanted        150 tokens, 0.5" in shown
    assert shown.splitlines()[-1].split() == ["rich", "0", "100", "0", "10", "0", "tokens"]
    raised = await data("agent", "budget", "raise", "-w", "rich", "--tokens", "50", "--cost", "2.5", "--by", "ann")
    assert (raised["limit"]["tokens"], raised["limit"]["micros"]) == (150, 12_500_000)
    assert await handle.result() == 42
    (listed,) = await data("agent", "budget", "list", "--ledger", "budgets.db")
    assert (listed["id"], listed["used"]["tokens"]) == ("rich", 120)


@pytest.mark.usefixtures("folder")
def test_on_a_database_file_the_code_comes_along() -> None:
    run("workflow", "start", "--type", "Asking", "-t", "q", "-w", "a")
    run("agent", "pause", "-w", "a", "--by", "ann")
    run("agent", "resume", "-w", "a", "--by", "ann")
    worker = ("--worker", "cli_agents", "-t", "q")
    run("workflow", "execute", "--type", "Quick", *worker)  # meanwhile the first task of the other one is done
    refused = run("agent", "approval", "approve", "-w", "a", "-a", "no", *worker, code=1).stderr
    assert "there is no approval 'no' to decide; pending: approval-1" in refused
    code = ("--workflows", "cli_agents")
    assert run_json("agent", "status", "-w", "a", *code)["status"] == "running"
    assert [it["approval"]["id"] for it in run_json("agent", "approval", "list", *code)] == ["approval-1"]
    decided = run("agent", "approval", "reject", "-w", "a", "-a", "approval-1", "--by", "ann", *worker).stdout
    assert "Answer      rejected by ann" in decided
    for command in ("status", "approval list", "budget show"):
        which = () if command == "approval list" else ("-w", "a")
        assert "--workflows MODULE" in run("agent", *command.split(), *which, code=2).stderr


@pytest.mark.usefixtures("folder")
def test_what_makes_no_sense_is_one_line() -> None:
    run("workflow", "start", "--type", "Quiet", "-t", "q", "-w", "w")
    assert "by how much?" in run("agent", "budget", "raise", "-w", "w", code=2).stderr
    assert "is no amount" in run("agent", "budget", "raise", "-w", "w", "--cost", "much", code=2).stderr
    assert "there is no ledger" in run("agent", "budget", "list", "--ledger", "no.db", code=2).stderr
    assert "there is no log" in run("agent", "execution", "list", "-f", "no.db", code=2).stderr


def test_executions_and_what_they_came_to(here: Path) -> None:
    log = ExecutionLog(here / "executions.db", now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    names = "key, workflow_id, run_id, recorded_at, agent_id, input, output, tokens_used, micros, model, error"
    for number, (workflow_id, execution) in enumerate(
        [
            ("one", AgentExecution("planner", "why?", "because", 10, 2_500_000, "small")),
            ("two", AgentExecution("writer", "how?", "", 20, 0, "large", "out of words")),
            ("two", AgentExecution("planner", "when?", "now " * 50, 30, 250, "small")),
        ]
    ):
        row = (f"default/{workflow_id}/r/{number}", workflow_id, "r", f"2026-01-02T03:04:0{number}+00:00")
        values = (execution.agent_id, execution.input, execution.output, execution.tokens_used, execution.micros)
        log._db.execute(
            f"INSERT INTO agent_executions ({names}) VALUES ({','.join('?' * 11)})",
            (*row, *values, execution.model, execution.error),
        )
    log.close()
    file = ("-f", "executions.db")
    lines = run("agent", "execution", "list", *file).stdout.splitlines()
    assert lines[1].split() == ["2026-01-02T03:04:00Z", "one", "planner", "small", "10", "2.5", "because"]
    assert lines[2].endswith("failed: out of words")
    assert lines[3].endswith("...")
    assert [it["workflow_id"] for it in run_json("agent", "execution", "list", *file, "-w", "two")] == ["two", "two"]
    assert len(run_json("agent", "execution", "list", *file, "--limit", "1")) == 1
    assert run_json("agent", "execution", "list", *file, "-n", "other") == []
    assert run_json("agent", "execution", "totals", *file) == [
        {"of": "planner", "executions": 2, "failed": 0, "tokens_used": 40, "micros": 2_500_250},
        {"of": "writer", "executions": 1, "failed": 1, "tokens_used": 20, "micros": 0},
    ]
    totals = run("agent", "execution", "totals", *file, "--by", "workflow").stdout.splitlines()
    assert [line.split() for line in totals[1:]] == [["one", "1", "0", "10", "2.5"], ["two", "2", "1", "50", "0.00025"]]
