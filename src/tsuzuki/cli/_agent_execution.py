"""`tsuzuki agent execution`: what agents did and what it cost, from the log that their workers keep."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from tsuzuki.agents import ExecutionLog

from ._endings import refuse
from ._lazy import group
from ._money import money
from ._output import Output, OutputOption, plain, time_text, write_json, write_table

execution = group("What agents did, from the log of their workers.")

_SHOWN_CHARACTERS: Final = 60

LogFile = Annotated[Path, typer.Option("--file", "-f", help="The file of the workers' `ExecutionLog`.")]
OfWorkflow = Annotated[str, typer.Option("--workflow-id", "-w", help="Of this workflow only.")]
OfNamespace = Annotated[str, typer.Option("--namespace", "-n", help="Of this namespace only.")]


class By(StrEnum):
    """What executions are summed up by."""

    AGENT = "agent"
    MODEL = "model"
    WORKFLOW = "workflow"


_COLUMN: Final = {By.AGENT: "agent_id", By.MODEL: "model", By.WORKFLOW: "workflow_id"}


@execution.command("list")
def list_executions(
    file: LogFile,
    workflow_id: OfWorkflow = "",
    namespace: OfNamespace = "",
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the newest executions of agents, oldest of them first."""
    log = _opened(file)
    try:
        found = log.read(workflow_id or None, namespace=namespace or None, newest=limit)
    finally:
        log.close()
    if output is not Output.TEXT:
        write_json(plain(found), output)
        return
    write_table(
        ("Time", "WorkflowId", "Agent", "Model", "Tokens", "Cost", "Outcome"),
        (
            (
                time_text(it.recorded_at),
                it.workflow_id,
                it.execution.agent_id,
                it.execution.model,
                f"{it.execution.tokens_used:,}",
                money(it.execution.micros) if it.execution.micros else "",
                _beginning(f"failed: {it.execution.error}" if it.execution.error else it.execution.output),
            )
            for it in found
        ),
    )


@execution.command()
def totals(
    file: LogFile,
    by: Annotated[By, typer.Option(help="What they are summed up by.")] = By.AGENT,
    workflow_id: OfWorkflow = "",
    namespace: OfNamespace = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Sum executions up, the most expensive first."""
    log = _opened(file)
    try:
        found = log.totals(cast("Any", _COLUMN[by]), workflow_id=workflow_id or None, namespace=namespace or None)
    finally:
        log.close()
    if output is not Output.TEXT:
        write_json(plain(found), output)
        return
    write_table(
        (by.value.capitalize(), "Executions", "Failed", "Tokens", "Cost"),
        ((it.of, f"{it.executions:,}", it.failed, f"{it.tokens_used:,}", money(it.micros)) for it in found),
    )


def _opened(path: Path) -> ExecutionLog:
    if not path.exists():
        refuse(f"there is no log {path}. Name the file that the workers keep: ExecutionLog({str(path)!r})")
    return ExecutionLog(path)


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."
