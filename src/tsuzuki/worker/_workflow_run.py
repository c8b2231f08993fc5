"""One run of a workflow: its code, its event loop, and its machines, moved along by history.

The run is given events (`_activation`) and gives back commands. On replay the commands are compared with the events
that record them (`_matching`); for the workflow task at hand they are sent. Everything is synchronous, and the same for
the first time, for a replay after eviction and for a replay of somebody else's history. What workflow code can ask of
the run is `CodeRuntime`; what the end of that code means, `_machines._execution`.

A run whose activation raised is of no use any more; its owner evicts it and starts over from history.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
import warnings
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionSignaledEventAttributes
from temporalio.api.protocol.v1 import Message
from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

from tsuzuki.converter import FailureConverter, PayloadConverter
from tsuzuki.exceptions import FailureError
from tsuzuki.workflow import (
    HandlerDefinition,
    NondeterminismError,
    QueryDefinition,
    ReadOnlyContextError,
    SignalDefinition,
    WorkflowDefinition,
)

from . import _asyncio_order
from ._code_runtime import TIMER_SUMMARY, CodeRuntime
from ._commands import Machine, PendingCommand
from ._handling import Handling
from ._local_calls import LocalCalls
from ._loop import Evicted, TimerHandle, WorkflowLoop
from ._machines import _timer, describe_event
from ._machines._execution import start_workflow
from ._machines._update import Arrival
from ._marker_memory import MarkerMemory
from ._run_facts import RunFacts
from ._run_settings import RunSettings
from ._seed import seed_of
from ._source import Source, set_boundary
from ._workflow_interceptor import WorkflowInboundInterceptor


class WorkflowRun:
    """One run; see the module.

    Args:
        settings: What all runs of the worker share.
        definition: The workflow.
        started: The run's first event.
        workflow_id: Its workflow id.
        run_id: Its run id; not the one in the event, after a reset.
    """

    __slots__ = (
        "_random",
        "_seed_id",
        "activations",
        "activity_count",
        "admitted_updates",
        "arguments",
        "between_tasks",
        "by_event",
        "cancel_reason",
        "closed",
        "commands",
        "completions_recorded",
        "continue_as_new_suggested",
        "core_flags",
        "current_details",
        "definition",
        "evicting",
        "facts",
        "failed_by",
        "failure_converter",
        "finished",
        "follow_up_jobs",
        "history_length",
        "history_size",
        "inbound",
        "jobs",
        "lang_flags",
        "last_task_token",
        "local",
        "loop",
        "markers",
        "messages",
        "namespace",
        "new_lang_flags",
        "own_context",
        "payload_converter",
        "primary",
        "query_handlers",
        "read_only",
        "recorded_sdk",
        "replaying",
        "run_id",
        "running_handlers",
        "settings",
        "shielded",
        "signal_handlers",
        "signal_jobs",
        "task_queue",
        "time_ns",
        "timer_count",
        "update_handlers",
        "version_2",
        "waiting_signals",
        "workflow",
        "workflow_id",
    )

    def __init__(
        self,
        settings: RunSettings,
        definition: WorkflowDefinition,
        started: HistoryEvent,
        workflow_id: str,
        run_id: str,
    ) -> None:
        original_run_id = started.workflow_execution_started_event_attributes.original_execution_run_id
        self.settings = settings
        self.definition = definition
        self.facts = RunFacts(settings, started, workflow_id, run_id)
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.namespace = settings.namespace
        self.task_queue = settings.task_queue
        self.payload_converter: PayloadConverter = settings.data_converter.payload_converter
        self.failure_converter: FailureConverter = settings.data_converter.failure_converter
        self.version_2 = True
        self._seed_id = original_run_id
        self._random: random.Random | None = None
        self.loop: WorkflowLoop = WorkflowLoop(  # type: ignore[abstract]
            self,
            CodeRuntime(self),
            zlib.crc32(original_run_id.encode()),
            guarded=settings.determinism_guard and definition.sandboxed,
        )
        self.own_context: contextvars.Context = contextvars.Context()
        self.inbound: WorkflowInboundInterceptor | None = None  # made with the code, if there are interceptors
        # What workflow code has done so far.
        self.workflow: Any = None
        self.arguments: list[Any] | None = None
        self.signal_handlers: dict[str | None, SignalDefinition] = dict(definition.signals)
        self.query_handlers: dict[str | None, QueryDefinition] = dict(definition.queries)
        self.admitted_updates: dict[str, Arrival] = {}
        """Updates that a reset took along, and that history says no more about."""
        self.update_handlers: dict[str | None, HandlerDefinition] = dict(definition.updates)
        self.running_handlers: list[Handling] = []
        self.last_task_token = b""
        self.messages: list[Message] = []  # to send with the commands
        self.waiting_signals: dict[str, list[WorkflowExecutionSignaledEventAttributes]] = {}
        self.primary: asyncio.Task[None] | None = None
        self.shielded: list[asyncio.Future[Any]] = []
        self.commands: deque[PendingCommand] = deque()
        self.by_event: dict[int, Machine] = {}
        self.activity_count = 0
        self.timer_count = 0
        self.markers = MarkerMemory()
        self.local: LocalCalls | None = None  # from the first local activity on
        self.activations = 0  # how often the code ran in this workflow task
        self.new_lang_flags: list[int] = []
        self.failed_by: BaseException | None = None
        self.current_details = ""
        self.finished = False  # it produced a closing command
        self.read_only = ""  # what is looking only, in words
        self.evicting = False
        # What history says.
        self.history_length = 0
        self.history_size = 0
        self.continue_as_new_suggested = False
        self.time_ns = 0
        self.replaying = True
        self.cancel_reason: str | None = None
        self.closed = False  # it recorded a closing event
        self.completions_recorded = False
        self.between_tasks = False  # the last event applied is past the end of a workflow task
        self.lang_flags: set[int] = set()
        self.core_flags: frozenset[int] = frozenset()
        self.recorded_sdk = ("", "")
        # What the events of the workflow task at hand lead to: functions with their arguments.
        self.signal_jobs: list[tuple[Any, ...]] = []
        self.jobs: list[tuple[Any, ...]] = []
        self.follow_up_jobs: list[tuple[Any, ...]] = []

    # ---- driven by the worker ------------------------------------------------------------------------------

    def rewind(self) -> None:
        """The workflow task just answered left no trace in history: its two events are not there."""
        self.history_length -= 2
        self.between_tasks = True

    def put_commands(self, completed: RespondWorkflowTaskCompletedRequest) -> None:
        """Put what to send into a completion; the commands stay pending until history records them."""
        messages = completed.commands
        for command in self.commands:
            assert command.message is not None
            messages.add().CopyFrom(command.message)
            command.message = None
        if self.messages:
            completed.messages.extend(self.messages)
            self.messages.clear()

    def evict(self) -> None:
        """Throw the run away; its code gets no further, wherever it waits."""
        self.evicting = True
        self.replaying = True
        if self.loop.has_waiting():
            entered = self.loop.enter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that nobody got to await
                    self.loop.destroy()
            finally:
                self.loop.leave(entered)
        self.loop.abandon()
        self.primary = self.inbound = None
        for machine in self.by_event.values():
            machine.forget()
        for command in self.commands:
            command.machine.forget()
        if self.local is not None:
            self.local.close()
        self.by_event.clear()
        self.commands.clear()
        self.jobs.clear()
        self.shielded.clear()
        self.running_handlers.clear()

    @property
    def source(self) -> Source:
        """Where the workflow's function is defined."""
        return Source(self.definition.run.__code__, 0)

    # ---- history -------------------------------------------------------------------------------------------

    def refuse_event(self, event: HistoryEvent) -> NoReturn:
        """Give up on an event that nothing of the run corresponds to."""
        raise NondeterminismError(
            event_id=event.event_id,
            event=describe_event(event),
            command="nothing that it could belong to",
            source=str(self.source),
        )

    def set_time(self, event_time: Timestamp) -> None:
        """Move the workflow's clock; it never goes back."""
        time_ns = event_time.seconds * 1_000_000_000 + event_time.nanos
        if time_ns > self.time_ns:
            self.time_ns = time_ns

    def reseed(self, new_run_id: str) -> None:
        """After a reset: other random numbers from here on."""

        def apply() -> None:
            self._seed_id = new_run_id
            if self._random is not None:
                self._random.seed(seed_of(new_run_id))

        starts = bool(self.jobs) and self.jobs[0][0] is start_workflow
        self.jobs.insert(1 if starts else 0, (apply,))

    # ---- asked by the loop and the machines ----------------------------------------------------------------

    def check_may_act(self, action: str) -> None:
        """Refuse to change anything while that is not allowed.

        Raises:
            Evicted: The run is being thrown away.
            ReadOnlyContextError: The code may only look.
        """
        if self.evicting:
            raise Evicted(action)
        if self.read_only:
            raise ReadOnlyContextError(f"{self.read_only} must only look at the workflow, but tried to {action}")

    @contextlib.contextmanager
    def looking_only(self, what: str) -> Iterator[None]:
        """Run code that must change nothing, inside the loop. A replay does not run it."""
        last_order = self.loop.last_order
        entered = None if asyncio._get_running_loop() is self.loop else self.loop.enter()
        self.read_only = what
        try:
            yield
        finally:
            self.read_only = ""
            self.loop.last_order = last_order
            if entered is not None:
                self.loop.leave(entered)

    def start_timer(self, handle: TimerHandle, delay_s: float) -> None:
        """Start a durable timer for the loop."""
        self.check_may_act("start a timer")
        _timer.start_timer(self, handle, delay_s, TIMER_SUMMARY.get())

    def cancel_timer(self, handle: TimerHandle) -> None:
        """Cancel a durable timer for the loop."""
        if not self.evicting:
            _timer.cancel_timer(self, handle)

    def local_calls(self) -> LocalCalls:
        """The run's local activities."""
        if self.local is None:
            self.local = LocalCalls()
        return self.local

    def may_use_flag(self, flag: int) -> bool:
        """Tell whether a behaviour that history must know of counts; note it down when it is new."""
        if flag in self.lang_flags:
            return True
        if self.replaying:
            return False
        self.lang_flags.add(flag)
        self.new_lang_flags.append(flag)
        return True

    @property
    def workflow_type(self) -> str:
        """Name of the workflow, as history records it."""
        return self.facts.started.workflow_type.name

    @property
    def random(self) -> random.Random:
        """The run's random generator."""
        if self.read_only:
            self.check_may_act("draw a random number")
        if self._random is None:
            self._random = random.Random(seed_of(self._seed_id))
        return self._random

    @property
    def random_seed(self) -> int:
        """What it is seeded with."""
        return seed_of(self._seed_id)

    def is_failure(self, error: BaseException) -> bool:
        """Tell whether an exception that leaves the workflow fails it."""
        return isinstance(
            error,
            (
                FailureError,
                TimeoutError,
                self.definition.failure_exception_types,
                self.settings.failure_exception_types,
            ),
        )


_asyncio_order.install()
set_boundary(WorkflowLoop.run_ready.__code__)
