"""What every command that starts a workflow takes: which workflow, with what, within which bounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

import typer

from tsuzuki.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from ._endings import refuse
from ._inputs import InputBase64, InputFiles, InputMeta, Inputs, arguments, duration, pairs
from ._signature import with_options

Type = Annotated[str, typer.Option("--type", "--name", help="Workflow type.")]
Queue = Annotated[str, typer.Option("--task-queue", "-t", help="Where its worker takes tasks from.")]
NewId = Annotated[str, typer.Option("--workflow-id", "-w", help="Workflow id; a new one by default.")]
Timeout = timedelta | None
ExecutionTimeout = Annotated[
    Timeout, typer.Option(parser=duration, metavar="DURATION", help="Bound of all its runs together, such as 90s, 2h.")
]
RunTimeout = Annotated[Timeout, typer.Option(parser=duration, metavar="DURATION", help="Bound of one run.")]
TaskTimeout = Annotated[Timeout, typer.Option(parser=duration, metavar="DURATION", help="Bound of a workflow task.")]
Delay = Annotated[Timeout, typer.Option(parser=duration, metavar="DURATION", help="How long to wait before it runs.")]
Cron = Annotated[str, typer.Option("--cron", help="Run it again and again by this cron schedule.")]
Reuse = Annotated[
    str,
    typer.Option(
        metavar="POLICY",
        help="When a closed run has the id: AllowDuplicate, AllowDuplicateFailedOnly, RejectDuplicate.",
    ),
]
Conflict = Annotated[
    str, typer.Option(metavar="POLICY", help="When an open run has the id: Fail, UseExisting, TerminateExisting.")
]
FailExisting = Annotated[bool, typer.Option("--fail-existing", help="Fail if the id was used before.")]
Memo = Annotated[list[str] | None, typer.Option(metavar="KEY=JSON", help="A value shown with it; may be given again.")]
SearchAttribute = Annotated[
    list[str] | None, typer.Option(metavar="KEY=JSON", help="A value to find it by; may be given again.")
]
Summary = Annotated[str | None, typer.Option(help="One line for people.")]
Details = Annotated[str | None, typer.Option(help="Several lines for people.")]
PriorityKey = Annotated[int | None, typer.Option(min=1, max=5, help="1 goes first, 5 last; the default is 3.")]
FairnessKey = Annotated[str | None, typer.Option(help="Tasks of different keys take turns.")]
FairnessWeight = Annotated[float | None, typer.Option(help="How large the turns of this key are.")]


@dataclass(frozen=True)
class Start:
    """A start as it was asked for.

    Attributes:
        type: Workflow type.
        args: Its arguments.
        options: Those of `Client.start_workflow`.
    """

    type: str
    args: list[Any]
    options: dict[str, Any]

    @property
    def task_queue(self) -> str:
        """Where its worker takes tasks from."""
        return str(self.options["task_queue"])


def bounds_and_labels(
    execution_timeout: ExecutionTimeout = None,
    run_timeout: RunTimeout = None,
    task_timeout: TaskTimeout = None,
    memo: Memo = None,
    search_attribute: SearchAttribute = None,
    static_summary: Summary = None,
    static_details: Details = None,
    priority_key: PriorityKey = None,
    fairness_key: FairnessKey = None,
    fairness_weight: FairnessWeight = None,
) -> dict[str, Any]:
    """Read what a start by hand and one by a schedule have in common: options of a start, those that were given."""
    urgency: dict[str, Any] = {
        "priority_key": priority_key,
        "fairness_key": fairness_key,
        "fairness_weight": fairness_weight,
    }
    options = {
        "execution_timeout": execution_timeout,
        "run_timeout": run_timeout,
        "task_timeout": task_timeout,
        "memo": pairs("--memo", memo) or None,
        "search_attributes": search_attributes("--search-attribute", search_attribute),
        "static_summary": static_summary,
        "static_details": static_details,
        "priority": Priority(**{name: value for name, value in urgency.items() if value})
        if any(urgency.values())
        else None,
    }
    return {name: value for name, value in options.items() if value is not None}


def start_of(
    type: Type,
    task_queue: Queue,
    workflow_id: NewId = "",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    execution_timeout: ExecutionTimeout = None,
    run_timeout: RunTimeout = None,
    task_timeout: TaskTimeout = None,
    start_delay: Delay = None,
    cron: Cron = "",
    id_reuse_policy: Reuse = "",
    id_conflict_policy: Conflict = "",
    fail_existing: FailExisting = False,
    memo: Memo = None,
    search_attribute: SearchAttribute = None,
    static_summary: Summary = None,
    static_details: Details = None,
    priority_key: PriorityKey = None,
    fairness_key: FairnessKey = None,
    fairness_weight: FairnessWeight = None,
) -> Start:
    """Read a start; the options of commands that take one are read from this signature."""
    options: dict[str, Any] = {
        "id": workflow_id or str(uuid4()),
        "task_queue": task_queue,
        "start_delay": start_delay,
        **bounds_and_labels(
            execution_timeout,
            run_timeout,
            task_timeout,
            memo,
            search_attribute,
            static_summary,
            static_details,
            priority_key,
            fairness_key,
            fairness_weight,
        ),
    }
    if cron:
        options["cron_schedule"] = cron
    if fail_existing:
        options["id_reuse_policy"] = WorkflowIDReusePolicy.REJECT_DUPLICATE
    if id_reuse_policy:
        options["id_reuse_policy"] = _policy(WorkflowIDReusePolicy, "id-reuse-policy", id_reuse_policy)
    if id_conflict_policy:
        options["id_conflict_policy"] = _policy(WorkflowIDConflictPolicy, "id-conflict-policy", id_conflict_policy)
    return Start(type, arguments(inputs, input_file, input_meta, input_base64), options)


starting = with_options(start_of, into="what")
"""Adds these options to a command, which takes the `Start` made of them as `what`."""


def _policy(kind: type[Any], option: str, text: str) -> Any:
    names = {member.name.replace("_", "").lower(): member for member in kind}
    found = names.get(text.replace("_", "").lower())
    if found is None:
        wanted = ", ".join("".join(part.capitalize() for part in member.name.split("_")) for member in kind)
        refuse(f"--{option} {text}: expected one of {wanted}")
    return found


def search_attributes(option: str, given: list[str] | None) -> dict[str, Any] | None:
    """Read search attributes; None for none."""
    found = pairs(option, given)
    return {key: value if isinstance(value, list) else [value] for key, value in found.items()} or None
