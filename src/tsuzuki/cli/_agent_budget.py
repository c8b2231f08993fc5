"""`tsuzuki agent budget`: what runs may spend, what they have spent, and more of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from tsuzuki.agents import BudgetIncrease, BudgetState, BudgetView, Ledger, Usage
from tsuzuki.client import Client

from ._agent_approval import WorkerQueue
from ._agent_control import By, Reason
from ._connection import Connection, connected
from ._endings import refuse
from ._ids import Code, RunId, WorkflowId
from ._lazy import group
from ._money import money
from ._output import Output, OutputOption, plain, write_fields, write_json, write_table
from ._query import ask, update_needs
from ._user import user
from ._worker import WorkerModules, with_worker

budget = group("Budgets of tokens and money.")

_NEEDS: Final = "opens a Budget (tsuzuki.agents), or runs under a BudgetInterceptor"

LedgerFile = Annotated[
    Path | None, typer.Option("--ledger", metavar="FILE", help="The ledger of the workers, which has the numbers.")
]


@budget.command()
@connected
def show(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    ledger: LedgerFile = None,
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the budget that a run's calls are booked on, who waits for more, and with --ledger the numbers of it and of
    those above it."""
    view: BudgetView = ask(
        connection,
        workflow_id,
        run_id,
        "get_budget",
        workflows=workflows,
        result_type=BudgetView,
        needs=_NEEDS,
    )
    states = [] if ledger is None else _with_those_above(ledger, view.id)
    if output is not Output.TEXT:
        write_json({"budget": plain(view), "states": plain(states)}, output)
        return
    refused = view.exhausted
    write_fields(
        "Budget",
        [
            ("Id", view.id),
            ("CallsWaiting", view.waiting),
            ("RefusedBy", refused.budget if refused else ""),
            ("Wanted", _amount(refused.wanted) if refused else ""),
        ],
    )
    if states:
        _write_states(states)


@budget.command("list")
def list_budgets(
    ledger: Annotated[Path, typer.Option("--ledger", metavar="FILE", help="The ledger of the workers.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """List the budgets of a ledger with their numbers."""
    book = _opened(ledger)
    try:
        states = book.budgets()
    finally:
        book.close()
    if output is not Output.TEXT:
        write_json(plain(states), output)
    else:
        _write_states(states)


@budget.command("raise")
@connected
def raise_budget(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    tokens: Annotated[int, typer.Option(help="How many more tokens.")] = 0,
    cost: Annotated[str, typer.Option(metavar="AMOUNT", help="How much more money, such as 2.50.")] = "0",
    reason: Reason = "",
    by: By = "",
    worker: WorkerModules = None,
    task_queue: WorkerQueue = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Raise the limits of a run's budget; calls that wait for more go on. A bound that it does not have stays away."""
    try:
        more = Usage.of(tokens, cost)
    except ArithmeticError:
        refuse(f"--cost {cost} is no amount of money; expected a number such as 2.50")
    if not (more.tokens or more.micros):
        refuse("give --tokens, --cost or both: by how much?")
    who = by or connection.identity or user()

    async def work(client: Client) -> BudgetState:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        increase = BudgetIncrease(more.tokens, more.micros, reason, who)
        with update_needs(_NEEDS):
            state: BudgetState = await handle.execute_update("increase_budget", increase, result_type=BudgetState)
        return state

    told = replace(connection, identity=connection.identity or who)
    state = told.run(with_worker(told, worker, task_queue, work), "Waiting for the run to take it")
    if output is not Output.TEXT:
        write_json(plain(state), output)
    else:
        _write_states([state])


def _opened(path: Path) -> Ledger:
    if not path.exists():
        refuse(f"there is no ledger {path}. Name the file that the workers keep: Ledger({str(path)!r})")
    return Ledger(path)


def _with_those_above(path: Path, id: str) -> list[BudgetState]:
    book = _opened(path)
    states = []
    above: str | None = id
    try:
        while above is not None:
            states.append(book.state(above))
            above = states[-1].parent
    except KeyError as error:
        refuse(str(error.args[0]))
    finally:
        book.close()
    return states


def _write_states(states: list[BudgetState]) -> None:
    write_table(
        ("Budget", "Of", "Tokens", "TokensLimit", "Cost", "CostLimit", "Reserved"),
        (
            (
                it.id,
                it.parent or "",
                f"{it.used.tokens:,}",
                "" if it.limit.tokens is None else f"{it.limit.tokens:,}",
                money(it.used.micros),
                "" if it.limit.micros is None else money(it.limit.micros),
                _amount(it.reserved),
            )
            for it in states
        ),
    )


def _amount(usage: Usage) -> str:
    return f"{usage.tokens:,} tokens" + (f", {money(usage.micros)}" if usage.micros else "")
