"""The state of one workflow execution (one run), folded from its history.

Owns: the state, and the one way to add an event. Never waits, reads a clock or does I/O.
Invariant: `apply` (in `core.apply`) alone moves what history implies; what history does not say (attempts,
back-offs, sticky queues) is moved by the functions of the file that names the concept.

Changes pile up here until the shell takes them: serialized events in `fresh`, activities to write in
`touched_activities`, work to hand out in the `ready_*` fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import Memo, Principal, Priority, SearchAttributes
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.api.protocol.v1 import Message
from temporalio.api.sdk.v1 import UserMetadata

from . import activity, child_workflow
from .activity import Activity, link_started_event
from .apply import APPLY
from .builds import Builds
from .child_workflow import Child
from .commands import Successor
from .framing import frame
from .outgoing import Outgoing
from .timer import Timer
from .times import SECOND, time_ns
from .update import Update
from .wake import WakeKey, WakeKind
from .workflow_task import WorkflowTask, WorkflowTaskState, show

if TYPE_CHECKING:
    from .stream import Stream
    from .workflow_pause import RunPause

_TASK_STARTED: Final = WorkflowTaskState.STARTED
_OUTCOMES: Final = activity.ENDS | child_workflow.ENDS
_NO_MEMO: Final = Memo()
_NO_SEARCH_ATTRIBUTES: Final = SearchAttributes()

RUNNING: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
OPEN: Final = frozenset({RUNNING, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED})
"""The statuses of runs that are not closed."""


class Execution:
    """One run. Created by `core.start` or by loading; moved only by the functions of `core`."""

    __slots__ = (
        "activities",
        "activity_ids",
        "attached",
        "base_run_id",
        "buffered",
        "buffered_bytes",
        "builds",
        "caller",
        "cancel_requested",
        "cancelled_activities",
        "chain",
        "children",
        "close_event_type",
        "closed_ns",
        "completing",
        "dirty",
        "durable_event_id",
        "eager_activities",
        "execution_ns",
        "first_workflow_task_pending",
        "forgotten_activities",
        "fresh",
        "fresh_first_event_id",
        "has_news",
        "history_bytes",
        "indexed_attributes",
        "is_new",
        "is_open",
        "key",
        "last_event_ns",
        "memo",
        "messages",
        "namespace",
        "new_request_ids",
        "new_wakes",
        "next_event_id",
        "outgoing",
        "parent_run_id",
        "parent_workflow_id",
        "pause",
        "previous_started_event_id",
        "priority",
        "ready_activities",
        "ready_workflow_task",
        "request_ids",
        "reset_ns",
        "run_id",
        "run_timeout_ns",
        "search_attributes",
        "signal_count",
        "start_request_id",
        "started",
        "started_ns",
        "status",
        "sticky_queue",
        "sticky_timeout_ns",
        "stream",
        "successor",
        "tail",
        "tail_first_event_id",
        "task_queue",
        "timers",
        "touched_activities",
        "updates",
        "updates_accepted",
        "user_metadata",
        "waiters",
        "wakes",
        "workflow_id",
        "workflow_task",
        "workflow_task_failure",
        "workflow_task_timeout_ns",
        "workflow_type",
    )

    def __init__(self, key: int, namespace: str, workflow_id: str, run_id: str, start_request_id: str) -> None:
        self.key = key
        self.namespace = namespace
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.start_request_id = start_request_id

        # From WorkflowExecutionStarted.
        self.started: WorkflowExecutionStartedEventAttributes
        self.workflow_type = ""
        self.task_queue = ""
        self.user_metadata: UserMetadata | None = None
        self.parent_workflow_id = ""
        self.parent_run_id = ""
        self.priority: Priority | None = None
        """That of its tasks; None for the default."""
        self.workflow_task_timeout_ns = 0
        self.run_timeout_ns = 0
        self.started_ns = 0
        self.execution_ns = 0
        self.memo = _NO_MEMO
        self.search_attributes = _NO_SEARCH_ATTRIBUTES

        # Folded from history.
        self.status: WorkflowExecutionStatus.ValueType = RUNNING
        self.is_open = True
        """Whether `status` is RUNNING or PAUSED."""
        self.pause: RunPause | None = None
        """While it is there the run's code does not run; see `workflow_pause`."""
        self.close_event_type: int = 0
        self.closed_ns: int | None = None
        self.cancel_requested = False
        self.next_event_id = 1
        self.last_event_ns = 0
        self.signal_count = 0
        self.previous_started_event_id = 0
        self.first_workflow_task_pending = False
        self.workflow_task: WorkflowTask = WorkflowTask()
        self.activities: dict[int, Activity] = {}
        self.activity_ids: dict[str, int] = {}
        self.timers: dict[str, Timer] = {}
        self.children: dict[int, Child] = {}
        self.updates: dict[str, Update] = {}
        """By update id: those of the run that are not rejected. Only accepted ones are in history."""
        self.updates_accepted = 0
        self.builds: Builds = Builds()
        self.reset_ns = 0
        """When this run was made from another one, or 0."""
        self.base_run_id = ""
        """That other one."""
        self.attached: list[HistoryEvent] = []
        """The events of starts that met this run and left their request id."""

        # During a transition of several parts: a workflow task's completion, or several wake-ups.
        self.completing = False
        self.has_news = False
        """The transition itself brought something that the workflow has yet to see."""

        self.messages: dict[str, Message] = {}
        """Those that came with the completion at hand, by id."""

        # Not in history.
        self.history_bytes = 0
        self.chain = 0
        self.buffered: list[HistoryEvent] = []
        self.buffered_bytes = 0
        self.sticky_queue: str | None = None
        self.sticky_timeout_ns = 0
        self.workflow_task_failure: bytes | None = None
        self.request_ids: set[str] = set()
        """Request ids of this run not yet durable; durable ones are in the store."""
        self.wakes: dict[WakeKey, int] = {}

        self.stream: Stream | None = None
        """None until it is needed; the store has it."""

        self.caller: Principal | None = None
        """Who asked for the transition at hand, where that is known."""

        # What the shell takes.
        self.is_new = False
        self.indexed_attributes = _NO_SEARCH_ATTRIBUTES
        """`search_attributes` as they were when their values were last indexed: the same object if nothing is to do."""
        self.dirty = False
        self.fresh: list[bytes] = []
        """Frames of the events recorded since the last flush."""
        self.fresh_first_event_id = 1
        self.tail: list[bytes] = []
        """Frames of the newest events, `tail_first_event_id` on: at least those not yet durable and those that
        a sticky worker has not seen."""
        self.tail_first_event_id = 1
        self.durable_event_id = 0
        self.touched_activities: set[int] = set()
        self.forgotten_activities: set[int] = set()
        self.new_request_ids: list[str] = []
        self.new_wakes: list[tuple[int, WakeKey]] = []
        self.ready_activities: list[int] = []
        self.eager_activities: list[int] = []
        """Of the ready ones those that the worker whose workflow task scheduled them would start at once."""
        self.ready_workflow_task = False
        self.cancelled_activities: list[tuple[int, int]] = []
        """(scheduled event id, attempt) of running attempts that should stop."""
        self.outgoing: list[Outgoing] = []
        """What this run asks of others; carried out before the commit."""
        self.successor: Successor | None = None
        """The run that continues this one, made by the same transition."""
        self.waiters: list[Callable[[], None]] = []
        """Called once when new events of this run are durable."""

    # ---- events ------------------------------------------------------------------------------------

    def event(self, event_type: EventType.ValueType, now_ns: int) -> HistoryEvent:
        """A new event, to be filled by the caller and then recorded. Its time never precedes the last one's."""
        if now_ns < self.last_event_ns:
            now_ns = self.last_event_ns
        else:
            self.last_event_ns = now_ns
        event = HistoryEvent()
        event.event_type = event_type  # by itself: keyword arguments cost a message three times as much
        time = event.event_time
        time.seconds, time.nanos = divmod(now_ns, SECOND)
        return event

    def record(self, event: HistoryEvent) -> int:
        """Append an event to history and apply it. Returns its id."""
        assert self.is_open, f"event {event.event_type} after the close event of {self.run_id}"
        event_id = self.next_event_id
        event.event_id = event_id
        apply = APPLY.get(event.event_type)
        if apply is not None:
            apply(self, event)
        self._append(event)
        return event_id

    def _append(self, event: HistoryEvent) -> None:
        framed = frame(event.SerializeToString())
        self.fresh.append(framed)
        self.tail.append(framed)
        self.history_bytes += len(framed)
        self.next_event_id += 1
        self.dirty = True

    def record_or_buffer(self, event: HistoryEvent) -> None:
        """Record an event from outside; while a workflow task is started it waits for that task's end.

        State moves at once either way (a finished activity cannot finish again); only the place in history is
        decided later.
        """
        if self.workflow_task.speculative:
            show(self)
        if self.workflow_task.state != _TASK_STARTED:
            self.record(event)
        else:
            self.buffer(event)

    def buffer(self, event: HistoryEvent) -> None:
        """Apply an event whose place in history is behind the workflow task at hand."""
        apply = APPLY.get(event.event_type)
        if apply is not None:
            apply(self, event)
        self.buffered.append(event)
        self.buffered_bytes += event.ByteSize()
        self.dirty = True

    def flush_buffered(self) -> bool:
        """Give the waiting events their place in history. True if there were any.

        They keep their order of arrival, but for the outcomes of activities and children: as on the real server, those
        come last.
        """
        if not self.buffered:
            return False
        outcomes = [event for event in self.buffered if event.event_type in _OUTCOMES]
        others = [event for event in self.buffered if event.event_type not in _OUTCOMES] if outcomes else self.buffered
        started_ids: dict[int, int] = {}
        for event in (*others, *outcomes):
            event.event_id = self.next_event_id
            link_started_event(event, started_ids)
            self._append(event)
        self.buffered.clear()
        self.buffered_bytes = 0
        return True

    def fold(self, event: HistoryEvent) -> None:
        """Apply an event that history holds already: how a run is loaded."""
        assert event.event_id == self.next_event_id, f"event {event.event_id} where {self.next_event_id} belongs"
        apply = APPLY.get(event.event_type)
        if apply is not None:
            apply(self, event)
        self.next_event_id += 1
        self.last_event_ns = max(self.last_event_ns, time_ns(event.event_time))

    # ---- wake-ups ----------------------------------------------------------------------------------

    def wake_at(self, kind: WakeKind, due_ns: int, subject: int = 0) -> None:
        key = (kind, subject)
        self.wakes[key] = due_ns
        self.new_wakes.append((due_ns, key))

    def wake_no_more(self, kind: WakeKind, subject: int = 0) -> None:
        self.wakes.pop((kind, subject), None)

    def updates_taken(self) -> int:
        """Updates of this run that were accepted or may yet be."""
        return self.updates_accepted + sum(
            not update.accepted_event_id and update.rejection is None for update in self.updates.values()
        )

    def __repr__(self) -> str:
        return f"<run {self.workflow_id}/{self.run_id} {WorkflowExecutionStatus.Name(self.status)}>"
