"""Asking the code of a run: a worker answers, or the code at hand, which replays the run's history for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tsuzuki.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from tsuzuki.common import QueryRejectCondition
from tsuzuki.exceptions import ApplicationError

from ._connection import Connection
from ._endings import FAILED, refuse

PAUSED_WAY_OUT: Final = "Unpause it (tsuzuki workflow unpause), or name the code that answers with --workflows MODULE."


def ask(
    connection: Connection,
    workflow_id: str,
    run_id: str,
    name: str,
    args: Sequence[Any] = (),
    *,
    reject_condition: str = "",
    workflows: list[str] | None = None,
    result_type: Any = None,
    needs: str = "",
) -> Any:
    """Ask one run, and end the command with a line if there is no answer.

    Args:
        connection: Where it is.
        workflow_id: Its workflow id.
        run_id: Its run id; empty for the open run, else the newest.
        name: The query.
        args: Its arguments.
        reject_condition: Closed runs not to ask; empty for none.
        workflows: Modules with the code that answers; None for a worker.
        result_type: What the answer is; None for plain values.
        needs: What the code of a run does that answers this query, for the line that says that this one does not.
    """
    refuse_without_code(connection, workflows)
    condition = _condition(reject_condition)

    async def work(client: Client) -> Any:
        try:
            with paused_is_said():
                return await ask_run(
                    connection,
                    client,
                    workflow_id,
                    run_id,
                    name,
                    args,
                    condition,
                    workflows=workflows,
                    result_type=result_type,
                )
        except WorkflowQueryFailedError as error:
            if not needs:
                raise
            refuse(f"{error.message}. A run answers this if its code {needs}.", FAILED)

    return connection.run(work, "Asking")


@contextmanager
def paused_is_said() -> Iterator[None]:
    """End the command with a line if the run was not asked in the block because it is paused."""
    try:
        yield
    except WorkflowQueryRejectedError as error:
        if error.status is not WorkflowExecutionStatus.PAUSED:
            raise
        refuse(f"{error}: its code does not run. {PAUSED_WAY_OUT}", FAILED)


@contextmanager
def update_needs(needs: str) -> Iterator[None]:
    """End the command with a line if the run has no update of the name that is sent in the block.

    Args:
        needs: What the code of a run does that takes it.
    """
    try:
        yield
    except WorkflowUpdateFailedError as error:
        if not (isinstance(error.cause, ApplicationError) and error.cause.type == "UnknownUpdateError"):
            raise
        refuse(f"{error.cause.message}. A run takes this if its code {needs}.", FAILED)


async def ask_run(
    connection: Connection,
    client: Client,
    workflow_id: str,
    run_id: str,
    name: str,
    args: Sequence[Any] = (),
    condition: QueryRejectCondition | None = None,
    *,
    workflows: list[str] | None = None,
    result_type: Any = None,
) -> Any:
    """Ask one run of a client; raises what `WorkflowHandle.query` and `query_history` raise."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
    if workflows is None:
        return await handle.query(name, args=args, reject_condition=condition, result_type=result_type)
    from tsuzuki.replay import load_workflows, query_history

    return await query_history(
        await handle.fetch_history(),
        load_workflows(workflows),
        name,
        args,
        data_converter=client.data_converter,
        interceptors=connection.code_interceptors,
        result_type=result_type,
    )


def refuse_without_code(connection: Connection, workflows: list[str] | None) -> None:
    """End the command if nobody can answer."""
    if workflows is None and connection.embedded:
        refuse(
            f"code answers a query, and while this process has {connection.target} open no worker elsewhere can: "
            "name the code with --workflows MODULE, or ask through a server"
        )


def _condition(text: str) -> QueryRejectCondition | None:
    if not text:
        return None
    try:
        return QueryRejectCondition[text.upper()]
    except KeyError:
        refuse(f"--reject-condition {text}: expected not_open or not_completed_cleanly")
