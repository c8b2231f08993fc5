"""`tsuzuki workflow start`, `execute`, `signal-with-start` and `result`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

import typer

from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle
from tsuzuki.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from ._connection import Connection, connected
from ._endings import FAILED, refuse
from ._ids import RunId, WorkflowId
from ._inputs import InputBase64, InputFiles, InputMeta, Inputs, arguments, duration, pairs
from ._output import Output, OutputOption, write_fields, write_json
from ._worker import WorkerModules, with_worker

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


def _policy(kind: type[Any], option: str, text: str) -> Any:
    names = {member.name.replace("_", "").lower(): member for member in kind}
    found = names.get(text.replace("_", "").lower())
    if found is None:
        wanted = ", ".join("".join(part.capitalize() for part in member.name.split("_")) for member in kind)
        refuse(f"--{option} {text}: expected one of {wanted}")
    return found


def _options(given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments and the options of `Client.start_workflow`, from what a command was given."""
    options = {
        "id": given["workflow_id"] or str(uuid4()),
        "task_queue": given["task_queue"],
        "execution_timeout": given["execution_timeout"],
        "run_timeout": given["run_timeout"],
        "task_timeout": given["task_timeout"],
        "start_delay": given["start_delay"],
        "memo": pairs("--memo", given["memo"]) or None,
        "search_attributes": _search_attributes(given["search_attribute"]),
        "static_summary": given["static_summary"],
        "static_details": given["static_details"],
    }
    if given["cron"]:
        options["cron_schedule"] = given["cron"]
    if given["fail_existing"]:
        options["id_reuse_policy"] = WorkflowIDReusePolicy.REJECT_DUPLICATE
    if given["id_reuse_policy"]:
        options["id_reuse_policy"] = _policy(WorkflowIDReusePolicy, "id-reuse-policy", given["id_reuse_policy"])
    if given["id_conflict_policy"]:
        policy = _policy(WorkflowIDConflictPolicy, "id-conflict-policy", given["id_conflict_policy"])
        options["id_conflict_policy"] = policy
    urgency = {name: given[name] for name in ("priority_key", "fairness_key", "fairness_weight") if given[name]}
    if urgency:
        options["priority"] = Priority(**urgency)
    return arguments(given["inputs"], given["input_file"], given["input_meta"], given["input_base64"]), options


def _search_attributes(given: list[str] | None) -> dict[str, Any] | None:
    found = pairs("--search-attribute", given)
    return {key: value if isinstance(value, list) else [value] for key, value in found.items()} or None


async def _start(client: Client, workflow_type: str, given: dict[str, Any], **more: Any) -> WorkflowHandle[Any, Any]:
    args, options = _options(given)
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(workflow_type, args=args, **options, **more)
    return handle


def _started(connection: Connection, handle: WorkflowHandle[Any, Any], given: dict[str, Any]) -> dict[str, str]:
    return {
        "workflowId": handle.id,
        "runId": handle.result_run_id or "",
        "type": given["type"],
        "namespace": connection.namespace,
        "taskQueue": given["task_queue"],
    }


def _tell_started(started: dict[str, str]) -> None:
    write_fields("Running execution", ((name[0].upper() + name[1:], value) for name, value in started.items()))


@connected
def start(
    connection: Connection,
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
    output: OutputOption = Output.TEXT,
) -> None:
    """Start a workflow and say its ids. A database that does not exist is made."""
    given = dict(locals())
    handle = connection.run(lambda client: _start(client, type, given), create=True)
    started = _started(connection, handle, given)
    if output is not Output.TEXT:
        write_json(started, output)
    else:
        _tell_started(started)


@connected
def execute(
    connection: Connection,
    type: Type,
    task_queue: Queue,
    worker: WorkerModules = None,
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
    output: OutputOption = Output.TEXT,
) -> None:
    """Start a workflow and wait for its result. Exit code 1: it ended without one."""
    given = dict(locals())

    async def work(client: Client) -> tuple[dict[str, str], dict[str, Any]]:
        handle = await _start(client, type, given)
        started = _started(connection, handle, given)
        if output is Output.TEXT:
            _tell_started(started)
        return started, await _outcome(handle)

    started, outcome = connection.run(
        with_worker(connection, worker, task_queue, work), f"Waiting for {type}", create=True
    )
    _tell_outcome(outcome, output, started)


@connected
def signal_with_start(
    connection: Connection,
    type: Type,
    task_queue: Queue,
    signal_name: Annotated[str, typer.Option("--signal-name", "--signal-type", help="The signal.")],
    signal_input: Annotated[
        list[str] | None, typer.Option(metavar="JSON", help="An argument of the signal, as JSON; may be given again.")
    ] = None,
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
    output: OutputOption = Output.TEXT,
) -> None:
    """Signal the open run of a workflow id, or one that is started with the signal in its history."""
    given = dict(locals())
    signal = {"start_signal": signal_name, "start_signal_args": arguments(signal_input, None)}
    handle = connection.run(lambda client: _start(client, type, given, **signal), create=True)
    started = _started(connection, handle, given)
    if output is not Output.TEXT:
        write_json(started, output)
    else:
        _tell_started(started)


@connected
def result(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    worker: WorkerModules = None,
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="Of the worker.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Wait for the result of a workflow. Exit code 1: it ended without one."""

    async def work(client: Client) -> dict[str, Any]:
        return await _outcome(client.get_workflow_handle(workflow_id, run_id=run_id or None))

    outcome = connection.run(with_worker(connection, worker, task_queue, work), f"Waiting for {workflow_id}")
    _tell_outcome(outcome, output, {"workflowId": workflow_id})


async def _outcome(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    try:
        return {"status": "COMPLETED", "result": await handle.result()}
    except WorkflowFailureError as error:
        failed = {"status": "FAILED", "failure": f"{error.cause.__class__.__name__}: {error.cause}"}
        cause = error.cause.__cause__
        if cause is not None:
            failed["cause"] = f"{cause.__class__.__name__}: {cause}"
        return failed


def _tell_outcome(outcome: dict[str, Any], output: Output, started: dict[str, str]) -> None:
    if output is not Output.TEXT:
        write_json({**started, **outcome}, output)
    else:
        write_fields("Results", ((name.capitalize(), value) for name, value in outcome.items()))
    if outcome["status"] != "COMPLETED":
        raise typer.Exit(FAILED)
