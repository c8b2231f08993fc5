"""`tsuzuki workflow trace`: a run with its activities, timers and children, as a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.tree import Tree
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from ._connection import Connection, connected
from ._ids import RunId, WorkflowId
from ._output import Output, OutputOption, write_json
from ._terminal import one_line

LOOK_EVERY_S: Final = 1.0
_OPEN: Final = ("running", "paused")

_SIGNS: Final = {
    "running": ("▷", "cyan"),
    "scheduled": ("◦", "dim"),
    "completed": ("✓", "green"),
    "fired": ("✓", "green"),
    "failed": ("✗", "red"),
    "timed out": ("✗", "red"),
    "canceled": ("⊘", "yellow"),
    "terminated": ("✗", "red"),
    "continued as new": ("»", "green"),
}


@dataclass
class Node:
    """A run, or a step of one.

    Attributes:
        kind: `workflow`, `activity` or `timer`.
        name: Its type, or the id of a timer.
        id: Workflow id, activity id, timer id.
        status: Where it stands.
        note: Attempts, failure.
        children: What it started, in order.
    """

    kind: str
    name: str
    id: str
    status: str
    note: str = ""
    run_id: str = ""
    children: list[Node] = field(default_factory=list)


@connected
def trace(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    depth: Annotated[int, typer.Option(min=-1, help="How deep to follow children; -1 for all.")] = -1,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Look again until it closes. Not for JSON.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a run with its activities, timers and children as a tree."""

    async def work(client: Client) -> Node:
        if not follow or output is not Output.TEXT:
            return await _node(client, workflow_id, run_id, depth)
        with Live(console=Console(), auto_refresh=False) as live:
            while True:
                node = await _node(client, workflow_id, run_id, depth)
                live.update(_tree(node), refresh=True)
                if node.status not in _OPEN:
                    return node
                await asyncio.sleep(LOOK_EVERY_S)

    node = connection.run(work, "" if follow else "Looking")
    if output is not Output.TEXT:
        write_json(asdict(node), output)
    elif not follow:
        Console().print(_tree(node), soft_wrap=True)


async def _node(client: Client, workflow_id: str, run_id: str, depth: int) -> Node:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
    described = await handle.describe()
    history = await client.get_workflow_handle(workflow_id, run_id=described.run_id).fetch_history()
    status = (described.status or WorkflowExecutionStatus.RUNNING).name.lower().replace("_", " ")
    node = Node("workflow", described.workflow_type, workflow_id, status, run_id=described.run_id)
    node.children = list(_steps(history.events, described))
    for position, child in enumerate(node.children):
        if child.kind == "workflow" and child.run_id and depth:
            node.children[position] = await _node(client, child.id, child.run_id, depth - 1)
    return node


def _steps(events: Sequence[HistoryEvent], described: WorkflowExecutionDescription) -> list[Node]:
    steps: dict[int, Node] = {}
    for event in events:
        read = _READERS.get(event.event_type)
        if read is not None:
            read(steps, event, getattr(event, str(event.WhichOneof("attributes"))))
    pending = {activity.activity_id: activity for activity in described.pending_activities}
    for node in steps.values():
        activity = pending.get(node.id) if node.kind == "activity" else None
        if activity is not None:
            node.status = activity.state.name.lower().replace("_", " ").replace("started", "running")
            node.note = f"attempt {activity.attempt}" + (
                f", {activity.last_failure}" if activity.last_failure is not None else ""
            )
    return list(steps.values())


Reader = Callable[[dict[int, Node], HistoryEvent, Any], None]


def _activity(steps: dict[int, Node], event: HistoryEvent, it: Any) -> None:
    steps[event.event_id] = Node("activity", it.activity_type.name, it.activity_id, "scheduled")


def _timer(steps: dict[int, Node], event: HistoryEvent, it: Any) -> None:
    name = f"timer {it.start_to_fire_timeout.ToTimedelta()}"
    steps[event.event_id] = Node("timer", name, it.timer_id, "running")


def _child(steps: dict[int, Node], event: HistoryEvent, it: Any) -> None:
    steps[event.event_id] = Node("workflow", it.workflow_type.name, it.workflow_id, "scheduled")


def _attempts(steps: dict[int, Node], event: HistoryEvent, it: Any) -> None:
    if it.attempt > 1:
        steps[it.scheduled_event_id].note = f"attempt {it.attempt}"


def _child_started(steps: dict[int, Node], event: HistoryEvent, it: Any) -> None:
    node = steps[it.initiated_event_id]
    node.status, node.run_id = "running", it.workflow_execution.run_id


def _ends(by: str, status: str) -> Reader:
    def read(steps: dict[int, Node], event: HistoryEvent, it: Any) -> None:
        node = steps[getattr(it, by)]
        node.status = status
        if status == "failed" and "failure" in it.DESCRIPTOR.fields_by_name and it.HasField("failure"):
            root = it.failure.cause if it.failure.HasField("cause") else it.failure
            node.note = "  ".join(part for part in (node.note, root.message) if part)

    return read


_READERS: Final[dict[int, Reader]] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _activity,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: _attempts,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _ends("scheduled_event_id", "completed"),
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: _ends("scheduled_event_id", "failed"),
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _ends("scheduled_event_id", "timed out"),
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: _ends("scheduled_event_id", "canceled"),
    EventType.EVENT_TYPE_TIMER_STARTED: _timer,
    EventType.EVENT_TYPE_TIMER_FIRED: _ends("started_event_id", "fired"),
    EventType.EVENT_TYPE_TIMER_CANCELED: _ends("started_event_id", "canceled"),
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: _child,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: _ends("initiated_event_id", "failed"),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED: _child_started,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: _ends("initiated_event_id", "completed"),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: _ends("initiated_event_id", "failed"),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: _ends("initiated_event_id", "timed out"),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: _ends("initiated_event_id", "canceled"),
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: _ends("initiated_event_id", "terminated"),
}


def _tree(node: Node) -> Tree:
    tree = Tree(_label(node))
    for child in node.children:
        tree.children.append(_tree(child))
    return tree


def _label(node: Node) -> str:
    sign, style = _SIGNS.get(node.status, ("·", "default"))
    note = f"  [dim]{escape(one_line(node.note))}[/dim]" if node.note else ""
    where = f"  [dim]{escape(one_line(node.id))}[/dim]"
    return f"[{style}]{sign}[/{style}] {escape(one_line(node.name))} [{style}]{node.status}[/{style}]{where}{note}"
