"""`tsuzuki agent approval`: questions that wait for people, of runs that have `Approvals`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from tsuzuki.agents import ApprovalDecision, ApprovalRequest, RemoteApprovals
from tsuzuki.client import (
    Client,
    ServiceUnavailableError,
    WorkflowExecution,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)

from ._agent_control import By
from ._connection import Connection, connected
from ._ids import Code, Filter, RunId, WorkflowId
from ._inputs import from_json
from ._lazy import group
from ._output import Output, OutputOption, json_text, plain, time_text, write_fields, write_json, write_table
from ._query import PAUSED_WAY_OUT, ask_run, paused_is_said, refuse_without_code, update_needs
from ._user import user
from ._worker import WorkerModules, with_worker

approval = group("Questions that wait for people.")

RUNS_MAX: Final = 200
"""Open runs that are asked, the newest first."""
_QUERY: Final = "list_approvals"
_OPEN: Final = "(ExecutionStatus = 'Running' OR ExecutionStatus = 'Paused')"
_AT_ONCE: Final = 16
_ANSWER_S_MAX: Final = 5.0

ApprovalId = Annotated[str, typer.Option("--approval-id", "-a", help="Which question; `list` says.")]
Comment = Annotated[str, typer.Option("--reason", "--comment", help="Why; recorded with the answer.")]
WorkerQueue = Annotated[str, typer.Option("--task-queue", "-t", help="Of --worker.")]


@approval.command("list")
@connected
def list_approvals(
    connection: Connection,
    workflow_id: Annotated[str, typer.Option("--workflow-id", "-w", help="Of this workflow; else of open runs.")] = "",
    run_id: RunId = "",
    query: Filter = "",
    decided: Annotated[bool, typer.Option("--all", help="Those with an answer too: the audit trail.")] = False,
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List questions that wait for an answer: of one workflow, or of the 200 newest open runs that a filter finds."""
    refuse_without_code(connection, workflows)

    async def one(client: Client) -> list[tuple[str, str, Any]]:
        with paused_is_said():
            asked = await ask_run(
                connection, client, workflow_id, run_id, _QUERY, workflows=workflows, result_type=list[ApprovalRequest]
            )
        return [(workflow_id, run_id, each) for each in asked]

    async def many(client: Client) -> list[tuple[str, str, Any]]:
        return await _of_open_runs(connection, client, query, workflows)

    found = connection.run(one if workflow_id else many, "Asking")
    found = [each for each in found if decided or each[2].decision is None]
    if output is not Output.TEXT:
        rows = [
            {"workflowId": id, **({"runId": run} if run else {}), "approval": plain(each)} for id, run, each in found
        ]
        write_json(rows, output)
        return
    write_table(
        ("WorkflowId", "ApprovalId", "Asked", "Expires", "Answer", "Question", "Subject"),
        (
            (
                id,
                each.id,
                time_text(each.requested_at),
                time_text(each.expires_at),
                _answer(each.decision),
                each.question,
                json_text(each.subject) if each.subject is not None else "",
            )
            for id, _, each in found
        ),
    )


async def _of_open_runs(
    connection: Connection, client: Client, query: str, workflows: list[str] | None
) -> list[tuple[str, str, Any]]:
    narrowed = f"({query}) AND {_OPEN}" if query else _OPEN
    runs = [run async for run in client.list_workflows(narrowed, limit=RUNS_MAX + 1)]
    turns = asyncio.Semaphore(_AT_ONCE)
    silent: list[str] = []
    paused: list[str] = []

    async def ask(run: WorkflowExecution) -> list[tuple[str, str, Any]]:
        async with turns:
            try:
                async with asyncio.timeout(_ANSWER_S_MAX):
                    asked = await ask_run(
                        connection,
                        client,
                        run.id,
                        run.run_id,
                        _QUERY,
                        workflows=workflows,
                        result_type=list[ApprovalRequest],
                    )
            except (TimeoutError, ServiceUnavailableError):
                silent.append(run.id)
                return []
            except WorkflowQueryRejectedError:
                paused.append(run.id)
                return []
            except WorkflowQueryFailedError:  # a workflow that asks nobody
                return []
        return [(run.id, run.run_id, each) for each in asked]

    answers = await asyncio.gather(*(ask(run) for run in runs[:RUNS_MAX]))
    if silent:
        typer.echo(f"tsuzuki: no worker answered for {len(silent)} of {len(answers)} runs: {_some(silent)}", err=True)
    if paused:
        typer.echo(
            f"tsuzuki: {len(paused)} of {len(answers)} runs are paused, and no worker may answer for them: "
            f"{_some(paused)}. {PAUSED_WAY_OUT}",
            err=True,
        )
    if len(runs) > RUNS_MAX:
        typer.echo(f"tsuzuki: only the {RUNS_MAX} newest open runs were asked; narrow them down with --query", err=True)
    return [each for answer in answers for each in answer]


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:5]) + (" ..." if len(ids) > 5 else "")


@approval.command()
@connected
def approve(
    connection: Connection,
    workflow_id: WorkflowId,
    approval_id: ApprovalId,
    run_id: RunId = "",
    reason: Comment = "",
    edited: Annotated[str, typer.Option(metavar="JSON", help="What is to be used in place of what was shown.")] = "",
    by: By = "",
    worker: WorkerModules = None,
    task_queue: WorkerQueue = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Answer yes. Exit code 1: there is no such question, or it was decided before."""
    instead = from_json("--edited", edited) if edited else None

    async def decide(people: RemoteApprovals) -> ApprovalDecision:
        return await people.approve(approval_id, reason=reason, edited=instead)

    _decide(connection, workflow_id, run_id, by, worker, task_queue, output, decide)


@approval.command()
@connected
def reject(
    connection: Connection,
    workflow_id: WorkflowId,
    approval_id: ApprovalId,
    run_id: RunId = "",
    reason: Comment = "",
    by: By = "",
    worker: WorkerModules = None,
    task_queue: WorkerQueue = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Answer no. Exit code 1: there is no such question, or it was decided before."""

    async def decide(people: RemoteApprovals) -> ApprovalDecision:
        return await people.reject(approval_id, reason=reason)

    _decide(connection, workflow_id, run_id, by, worker, task_queue, output, decide)


def _decide(
    connection: Connection,
    workflow_id: str,
    run_id: str,
    by: str,
    worker: list[str] | None,
    task_queue: str,
    output: Output,
    decide: Any,
) -> None:
    who = by or connection.identity or user()

    async def work(client: Client) -> ApprovalDecision:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        with update_needs("has Approvals (tsuzuki.agents)"):
            decision: ApprovalDecision = await decide(RemoteApprovals(handle, by=who))
        return decision

    told = replace(connection, identity=connection.identity or who)
    decision = told.run(with_worker(told, worker, task_queue, work), "Waiting for the run to take it")
    if output is not Output.TEXT:
        write_json(plain(decision), output)
        return
    write_fields(
        "Decision",
        [
            ("ApprovalId", decision.id),
            ("Answer", _answer(decision)),
            ("By", decision.by),
            ("Reason", decision.reason),
            ("Edited", json_text(decision.edited) if decision.edited is not None else ""),
        ],
    )


def _answer(decision: ApprovalDecision | None) -> str:
    if decision is None:
        return "pending"
    if decision.withdrawn:
        return "withdrawn"
    answer = "approved" if decision.approved else "rejected"
    return f"{answer} by {'time' if decision.timed_out else decision.by or 'somebody'}"
