"""One run of a workflow: its code, its event loop, and its machines, moved along by history.

The run is given events and gives back commands. On replay the commands are compared with the events that
record them; for the workflow task at hand they are sent. Everything is synchronous, and the same for the
first time, for a replay after eviction and for a replay of somebody else's history.

Invariant: once the events of a workflow task are applied, `commands` is empty: every command was recorded.
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
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.api.protocol.v1 import Message
from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

from tsuzuki.common import TypedSearchAttributes
from tsuzuki.converter import DataConverter, FailureConverter, PayloadConverter, decode_typed_search_attributes
from tsuzuki.exceptions import CancelledError, FailureError, is_cancelled_exception
from tsuzuki.workflow import (
    ContinueAsNewError,
    HandlerDefinition,
    Info,
    NondeterminismError,
    QueryDefinition,
    ReadOnlyContextError,
    SignalChannel,
    SignalDefinition,
    WorkflowDefinition,
)

from . import _asyncio_order
from ._chunks import COMPLETED, next_chunk, uses_version_2
from ._commands import Machine, PendingCommand
from ._handling import Handling, warn_of_unfinished
from ._loop import Evicted, TimerHandle, WorkflowLoop
from ._machines import (
    COMMAND_EVENTS,
    EVENTS,
    SKIPS,
    _close,
    _marker,
    _patch,
    _properties,
    _side_effect,
    _signal,
    _timer,
    _update,
    _version,
    describe_event,
)
from ._machines import _activity as _activities
from ._machines._activity_handle import RunningActivity
from ._machines._child import RunningChild, start_child
from ._machines._external_cancel import cancel_other
from ._machines._external_signal import signal_other
from ._machines._marker import MARKER_RECORDED
from ._machines._workflow_task import note_flags
from ._marker_memory import MarkerMemory
from ._seed import seed_of
from ._source import Source, set_boundary
from ._watchdog import Watch
from ._workflow_arguments import decode_arguments
from ._workflow_info import build_info

MOVE_TERMINAL_COMMANDS: Final = 3
"""Core flag: commands produced after the closing one are sent before it, not dropped."""

_timer_summary: Final[contextvars.ContextVar[str | None]] = contextvars.ContextVar(
    "tsuzuki_timer_summary", default=None
)


@dataclass(frozen=True)
class RunSettings:
    """What all runs of a worker share."""

    namespace: str
    task_queue: str
    data_converter: DataConverter
    failure_exception_types: tuple[type[BaseException], ...] = ()
    determinism_guard: bool = True
    watch: Watch | None = None


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
        "_arguments",
        "_definition",
        "_evicting",
        "_info",
        "_memo",
        "_primary",
        "_random",
        "_search_attributes",
        "_seed_id",
        "_settings",
        "_shielded",
        "_started",
        "_version_2",
        "activity_count",
        "between_tasks",
        "by_event",
        "cancel_reason",
        "closed",
        "commands",
        "completions_recorded",
        "continue_as_new_suggested",
        "core_flags",
        "current_details",
        "failed_by",
        "failure_converter",
        "finished",
        "first_task_started_ns",
        "follow_up_jobs",
        "history_length",
        "history_size",
        "jobs",
        "lang_flags",
        "last_task_token",
        "loop",
        "markers",
        "messages",
        "namespace",
        "new_lang_flags",
        "own_context",
        "payload_converter",
        "query_handlers",
        "read_only",
        "recorded_sdk",
        "replaying",
        "run_id",
        "running_handlers",
        "signal_handlers",
        "signal_jobs",
        "task_queue",
        "time_ns",
        "timer_count",
        "update_handlers",
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
        self._settings = settings
        self._definition = definition
        self._started = started
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.namespace = settings.namespace
        self.task_queue = settings.task_queue
        self.payload_converter: PayloadConverter = settings.data_converter.payload_converter
        self.failure_converter: FailureConverter = settings.data_converter.failure_converter
        self._version_2 = True
        self._seed_id = original_run_id
        self._random: random.Random | None = None
        self._info: Info | None = None
        self._memo: Mapping[str, Any] | None = None
        self._search_attributes: dict[str, Payload] | None = None
        self.loop: WorkflowLoop = WorkflowLoop(  # type: ignore[abstract]
            self,
            zlib.crc32(original_run_id.encode()),
            guarded=settings.determinism_guard and definition.sandboxed,
        )
        self.own_context: contextvars.Context = contextvars.Context()
        # What workflow code has done so far.
        self.workflow: Any = None
        self._arguments: list[Any] | None = None
        self.signal_handlers: dict[str | None, SignalDefinition] = dict(definition.signals)
        self.query_handlers: dict[str | None, QueryDefinition] = dict(definition.queries)
        self.update_handlers: dict[str | None, HandlerDefinition] = dict(definition.updates)
        self.running_handlers: list[Handling] = []
        self.last_task_token = b""
        self.messages: list[Message] = []  # to send with the commands
        self.waiting_signals: dict[str, list[WorkflowExecutionSignaledEventAttributes]] = {}
        self._primary: asyncio.Task[None] | None = None
        self._shielded: list[asyncio.Future[Any]] = []
        self.commands: deque[PendingCommand] = deque()
        self.by_event: dict[int, Machine] = {}
        self.activity_count = 0
        self.timer_count = 0
        self.markers = MarkerMemory()
        self.new_lang_flags: list[int] = []
        self.failed_by: BaseException | None = None
        self.current_details = ""
        self.finished = False  # it produced a closing command
        self.read_only = ""  # what is looking only, in words
        self._evicting = False
        # What history says.
        self.history_length = 0
        self.history_size = 0
        self.continue_as_new_suggested = False
        self.time_ns = 0
        self.first_task_started_ns = 0
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

    def activate(
        self,
        events: Sequence[HistoryEvent],
        *,
        messages: Sequence[Message] = (),
        replay_only: bool = False,
        until_event_id: int | None = None,
    ) -> None:
        """Apply new events and run the code as far as they lead; what to send is then in `commands`.

        Args:
            events: The events after the last one applied, up to the end of history.
            messages: Updates that the workflow task at hand brings.
            replay_only: True when there is no workflow task to answer: nothing is new to the code.
            until_event_id: Stop before the code runs further than it had run when this event was recorded; what
                comes later only shows what the code decided. None for all of the history.

        Raises:
            NondeterminismError: The code does not fit the history.
            BaseException: What the code raised and what does not fail the workflow. The run is broken.
        """
        types = [event.event_type for event in events]
        if self.history_length == 0:
            self._version_2 = uses_version_2(events)
        start, count = 0, len(types)
        has_markers, has_updates = MARKER_RECORDED in types, _update.ACCEPTED in types
        while start < count:
            end, runs_code = next_chunk(types, start, version_2=self._version_2)
            if until_event_id is not None and events[end - 1].event_id > until_event_id:
                return
            self.replaying = replay_only or end < count
            for index in range(start, end):
                handle = EVENTS.get(types[index])
                if handle is not None:
                    handle(self, events[index])
                else:
                    self._match(events[index])
            self.history_length = events[end - 1].event_id
            self.between_tasks = not runs_code
            start = end
            if self.commands and (runs_code or self.closed):
                self._drop_optional()
                if self.commands:
                    self._refuse_command(self.commands[0])
            if runs_code and not self.closed:
                if end < count:
                    if types[end] == COMPLETED:  # its flags are about the code that runs now
                        note_flags(self, events[end])
                        if has_markers:
                            self._show_markers(events, types, end)
                    if has_updates:
                        self._look_ahead(events, types, end)
                else:
                    self._take_in(_update.from_message(message) for message in messages)
                self._run_code()

    def _show_markers(self, events: Sequence[HistoryEvent], types: Sequence[int], start: int) -> None:
        """Show the code ahead what it recorded in the workflow task that it runs now."""
        for index in range(start, next_chunk(types, start, version_2=self._version_2)[0]):
            if types[index] == MARKER_RECORDED:
                _marker.peek(self, events[index])

    def _look_ahead(self, events: Sequence[HistoryEvent], types: Sequence[int], end: int) -> None:
        """Take in the updates that were accepted in the workflow task that follows."""
        accepted = []
        for index in range(end + 1, len(types)):
            if types[index] == _update.ACCEPTED:
                accepted.append(_update.from_event(events[index]))
            elif types[index] not in COMMAND_EVENTS:
                break
        self._take_in(accepted)

    def _take_in(self, arrivals: Iterable[_update.Arrival | None]) -> None:
        for arrival in arrivals:
            if arrival is not None:
                self.signal_jobs.append((_update.arrive, self, arrival))

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
        self._evicting = True
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
        self._primary = None
        for machine in self.by_event.values():
            machine.forget()
        for command in self.commands:
            command.machine.forget()
        self.by_event.clear()
        self.commands.clear()
        self.jobs.clear()
        self._shielded.clear()
        self.running_handlers.clear()

    @property
    def source(self) -> Source:
        """Where the workflow's function is defined."""
        return Source(self._definition.run.__code__, 0)

    # ---- history -------------------------------------------------------------------------------------------

    def _match(self, event: HistoryEvent) -> None:
        """Compare an event that records a command with the command that the code produced."""
        if event.event_type not in COMMAND_EVENTS:
            if event.worker_may_ignore:
                return
            self.refuse_event(event)
        needs_no_command = SKIPS.get(event.event_type)
        if needs_no_command is not None and needs_no_command(self, event):
            return
        if event.event_type != MARKER_RECORDED:
            self._drop_optional()
        if not self.commands:
            raise NondeterminismError(
                event_id=event.event_id,
                event=describe_event(event),
                command="no further command",
                source=str(self.source),
            )
        command = self.commands.popleft()
        if command.event_type == event.event_type:
            differing = command.machine.recorded(self, event)
            if differing is None:
                return
        else:
            differing = str(command)
        raise NondeterminismError(
            event_id=event.event_id,
            event=describe_event(event),
            command=differing,
            source=str(command.source or self.source),
        )

    def _drop_optional(self) -> None:
        while self.commands and self.commands[0].optional:
            self.commands.popleft()

    def _refuse_command(self, command: PendingCommand) -> NoReturn:
        raise NondeterminismError(
            event_id=0,
            event=f"no such command in the workflow task before event {self.history_length}",
            command=str(command),
            source=str(command.source or self.source),
        )

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

        starts = bool(self.jobs) and self.jobs[0][0] == self.start_workflow
        self.jobs.insert(1 if starts else 0, (apply,))

    # ---- code ----------------------------------------------------------------------------------------------

    def _run_code(self) -> None:
        if self.first_task_started_ns == 0:
            self.first_task_started_ns = self.time_ns
        entered = self.loop.enter()
        try:
            if self._settings.watch is None:
                self._run_jobs()
            else:
                self._settings.watch.call(self, self._run_jobs)
        finally:
            self.loop.leave(entered)
        if self.finished and self.running_handlers and not self.replaying:
            warn_of_unfinished(self.running_handlers, self.workflow_type, self.workflow_id)

    def _run_jobs(self) -> None:
        try:
            signals, self.signal_jobs = self.signal_jobs, []
            if signals:
                self._prepare()
                rejectable = not self.jobs and all(job[0] is _update.arrive for job in signals)
                self._apply(signals, rejectable=rejectable)
            if self.jobs:
                jobs, self.jobs = self.jobs, []
                self._apply(jobs)
            while self.follow_up_jobs and not self.finished:
                jobs, self.follow_up_jobs = self.follow_up_jobs, []
                self._apply(jobs)
        except Exception as error:
            if self.finished or error is self.failed_by or not self.is_failure(error):
                raise
            _close.fail(self, error)
        if self.finished:
            self._put_closing_command_last()

    def _apply(self, jobs: list[tuple[Any, ...]], *, rejectable: bool = False) -> None:
        """Run jobs and what follows from them.

        Args:
            jobs: Functions with their arguments.
            rejectable: True when they are updates only. If all are rejected history will not show that the code ran,
                so that no condition must be looked at, which might let code through that a replay would hold.
        """
        for job, *arguments in jobs:
            job(*arguments)
        if rejectable:
            self.loop.run_ready(check_conditions=False)
            if not any(command.event_type == _update.ACCEPTED for command in self.commands):
                return
        self.loop.run_ready(check_conditions=True)

    def _put_closing_command_last(self) -> None:
        """Of several closing commands the first counts; the rest of the workflow task goes before it."""
        if len(self.commands) == 1:
            return
        commands = list(self.commands)
        closing = next(index for index, command in enumerate(commands) if command.terminal)
        if closing + 1 == len(commands):
            return
        if self.replaying and MOVE_TERMINAL_COMMANDS not in self.core_flags:
            self.commands = deque(commands[: closing + 1])
            return
        others = [command for command in commands if not command.terminal]
        self.commands = deque([*others, commands[closing]])

    def _prepare(self) -> list[Any]:
        """Decode the arguments and make the workflow's object, once."""
        if self._arguments is None:
            definition = self._definition
            payloads = self._started.workflow_execution_started_event_attributes.input.payloads
            arguments = decode_arguments(definition, payloads, self.payload_converter)
            if definition.cls is not None:
                self.workflow = definition.cls(*arguments) if definition.init_takes_args else definition.cls()
            self._arguments = arguments
        return self._arguments

    def start_workflow(self) -> None:
        """Job: start the workflow's first task."""
        definition = self._definition
        arguments = self._prepare()
        if definition.cls is not None:
            arguments = [self.workflow, *arguments]
        coroutine = self._run_workflow(definition.run, arguments)
        self._primary = self.loop.create_task(coroutine, name="run", context=contextvars.Context())

    def start_handler(
        self, coroutine: Coroutine[Any, Any, None], name: str, context: contextvars.Context | None = None
    ) -> asyncio.Task[None]:
        """Run a handler as a task of its own."""
        return self.loop.create_task(
            self._run_handler(coroutine), name=name, context=contextvars.Context() if context is None else context
        )

    @contextlib.contextmanager
    def handling(self, kind: str, name: str, handler: HandlerDefinition, id: str) -> Iterator[None]:
        """Count a handler as running."""
        handling = Handling(kind, name, handler, id)
        self.running_handlers.append(handling)
        try:
            yield
        finally:
            self.handler_ended(handling)

    def handler_ended(self, handling: Handling) -> None:
        """It runs no more."""
        for index, running in enumerate(self.running_handlers):
            if running is handling:
                del self.running_handlers[index]
                return

    @property
    def evicting(self) -> bool:
        """True while the run is thrown away."""
        return self._evicting

    async def _run_handler(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except ContinueAsNewError as asked:
            self._continue_as_new(asked)
        except (Exception, asyncio.CancelledError) as error:
            if not self._evicting:
                self._end_by(error)

    async def _run_workflow(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        try:
            result = await function(*arguments)
            if self._shielded:
                await self._finish_shielded()
            _close.complete(self, result)
        except ContinueAsNewError as asked:
            if self._shielded:
                await self._finish_shielded()
            self._continue_as_new(asked)
        except (Exception, asyncio.CancelledError) as error:
            if self._evicting:
                return
            if self._shielded and self.is_end(error):
                await self._finish_shielded()
            self._end_by(error)

    async def _finish_shielded(self) -> None:
        """Wait for work that the run may not close before, whoever cancels what."""
        while waiting := [work for work in self._shielded if not work.done()]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(waiting)

    def is_end(self, error: BaseException) -> bool:
        """Tell whether an exception that leaves the workflow ends it."""
        return isinstance(error, asyncio.CancelledError) or self.is_failure(error)

    def _continue_as_new(self, asked: ContinueAsNewError) -> None:
        try:
            _close.continue_as_new(self, asked)
        except Exception as error:  # an option or argument that cannot be sent
            self._end_by(error)

    def _end_by(self, error: BaseException) -> None:
        """Decide what an exception that left the workflow means."""
        if self.cancel_reason is not None and is_cancelled_exception(error):
            _close.cancel(self)
            return
        if isinstance(error, asyncio.CancelledError):
            error = CancelledError(str(error)).with_traceback(error.__traceback__)
        if not self.is_failure(error):
            self.failed_by = error
            return
        try:
            _close.fail(self, error)
        except Exception as unreadable:  # details that cannot be encoded
            self.failed_by = unreadable

    def cancel_workflow(self, reason: str) -> None:
        """Job: somebody asked for the workflow's cancellation."""
        self.cancel_reason = reason
        if self._primary is not None:
            # It may not have had its first turn; give it the chance to see the cancellation.
            self.loop.call_soon(self._primary.cancel, context=self.own_context)

    # ---- asked by the loop and the machines ----------------------------------------------------------------

    def check_may_act(self, action: str) -> None:
        """Refuse to change anything while that is not allowed.

        Raises:
            Evicted: The run is being thrown away.
            ReadOnlyContextError: The code may only look.
        """
        if self._evicting:
            raise Evicted(action)
        if self.read_only:
            raise ReadOnlyContextError(f"{self.read_only} must only look at the workflow, but tried to {action}")

    @contextlib.contextmanager
    def looking_only(self, what: str) -> Iterator[None]:
        """Run code that must change nothing, inside the loop."""
        entered = None if asyncio._get_running_loop() is self.loop else self.loop.enter()
        self.read_only = what
        try:
            yield
        finally:
            self.read_only = ""
            if entered is not None:
                self.loop.leave(entered)

    def start_timer(self, handle: TimerHandle, delay_s: float) -> None:
        """Start a durable timer for the loop."""
        self.check_may_act("start a timer")
        _timer.start_timer(self, handle, delay_s, _timer_summary.get())

    def cancel_timer(self, handle: TimerHandle) -> None:
        """Cancel a durable timer for the loop."""
        if not self._evicting:
            _timer.cancel_timer(self, handle)

    def may_use_flag(self, flag: int) -> bool:
        """Tell whether a behaviour that history must know of counts; note it down when it is new."""
        if flag in self.lang_flags:
            return True
        if self.replaying:
            return False
        self.lang_flags.add(flag)
        self.new_lang_flags.append(flag)
        return True

    # ---- asked by workflow code ----------------------------------------------------------------------------

    @property
    def workflow_type(self) -> str:
        """Name of the workflow, as history records it."""
        return self._started.workflow_execution_started_event_attributes.workflow_type.name

    @property
    def info(self) -> Info:
        """Facts about the run."""
        if self._info is None:
            self._info = build_info(
                self._started,
                namespace=self._settings.namespace,
                workflow_id=self.workflow_id,
                run_id=self.run_id,
                task_queue=self.task_queue,
                first_task_started_ns=self.first_task_started_ns,
            )
        return self._info

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

    @property
    def memo(self) -> Mapping[str, Any]:
        """The memo, decoded."""
        if self._memo is None:
            fields = self.info.raw_memo
            self._memo = {key: self.payload_converter.from_payload(fields[key]) for key in fields}
        return self._memo

    @property
    def started(self) -> WorkflowExecutionStartedEventAttributes:
        """What the run was started with."""
        return self._started.workflow_execution_started_event_attributes

    @property
    def search_attributes(self) -> dict[str, Payload]:
        """The search attributes as they are now, encoded."""
        if self._search_attributes is None:
            self._search_attributes = dict(sorted(self.started.search_attributes.indexed_fields.items()))
        return self._search_attributes

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """The search attributes as they are now."""
        return decode_typed_search_attributes(self.search_attributes)

    def forget_memo(self) -> None:
        """The decoded memo is out of date."""
        self._memo = None

    def memo_value(self, key: str, default: Any, type_hint: Any) -> Any:
        """One value of the memo."""
        fields = self.info.raw_memo
        if key not in fields:
            return default
        return self.payload_converter.from_payload(fields[key], type_hint)

    def is_failure(self, error: BaseException) -> bool:
        """Tell whether an exception that leaves the workflow fails it."""
        return isinstance(
            error,
            (
                FailureError,
                TimeoutError,
                self._definition.failure_exception_types,
                self._settings.failure_exception_types,
            ),
        )

    def start_activity(
        self, activity: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> RunningActivity:
        """Start an activity."""
        self.check_may_act("start an activity")
        return _activities.start_activity(self, activity, args, result_type, options)

    async def start_child_workflow(
        self, workflow: Any, args: Sequence[Any], result_type: Any, options: Mapping[str, Any]
    ) -> RunningChild:
        """Start a child workflow."""
        self.check_may_act("start a child workflow")
        return await start_child(self, workflow, args, result_type, options)

    async def signal_workflow(
        self, workflow_id: str, run_id: str | None, signal: str, args: Sequence[Any], *, child: bool
    ) -> None:
        """Signal another workflow."""
        self.check_may_act("signal a workflow")
        await signal_other(self, workflow_id, run_id, signal, args, child=child)

    async def cancel_workflow_of_others(self, workflow_id: str, run_id: str | None, reason: str) -> None:
        """Ask for the cancellation of another workflow."""
        self.check_may_act("cancel a workflow")
        await cancel_other(self, workflow_id, run_id, reason)

    def get_version(self, change_id: str, min_supported: int, max_supported: int) -> int:
        """Decide for a version, or remember it."""
        self.check_may_act("ask for a version")
        return _version.get_version(self, change_id, min_supported, max_supported)

    def patched(self, patch_id: str, *, deprecated: bool) -> bool:
        """Decide for a patch, or remember it."""
        self.check_may_act("ask for a patch")
        return _patch.patched(self, patch_id, deprecated=deprecated)

    def side_effect(self, fn: Callable[[], Any], result_type: Any) -> Any:
        """Call a function once."""
        self.check_may_act("run a side effect")
        return _side_effect.side_effect(self, fn, result_type)

    def mutable_side_effect(
        self, effect_id: str, fn: Callable[[], Any], equal: Callable[[Any, Any], bool] | None, result_type: Any
    ) -> Any:
        """Call a function and record what changed."""
        self.check_may_act("run a side effect")
        return _side_effect.mutable_side_effect(self, effect_id, fn, equal, result_type)

    def upsert_search_attributes(self, attributes: Any) -> None:
        """Change search attributes."""
        self.check_may_act("change search attributes")
        _properties.upsert_search_attributes(self, attributes)

    def upsert_memo(self, updates: Mapping[str, Any]) -> None:
        """Change the memo."""
        self.check_may_act("change the memo")
        _properties.upsert_memo(self, updates)

    def signal_channel(self, name: str, arg_type: Any) -> SignalChannel[Any]:
        """Find or make the channel of a signal."""
        self.check_may_act("receive signals")
        return _signal.channel(self, name, arg_type)

    def close_after(self, work: asyncio.Future[Any]) -> None:
        """Keep the run open until some work is done."""
        self._shielded = [*(kept for kept in self._shielded if not kept.done()), work]

    def set_signal_handler(self, name: str | None, handler: SignalDefinition | None) -> None:
        """Set or remove the handler of a signal."""
        self.check_may_act("set a signal handler")
        _signal.set_handler(self, name, handler)

    def set_query_handler(self, name: str | None, handler: QueryDefinition | None) -> None:
        """Set or remove the handler of a query."""
        self.check_may_act("set a query handler")
        if handler is None:
            self.query_handlers.pop(name, None)
        else:
            self.query_handlers[name] = handler

    def set_update_handler(self, name: str | None, handler: HandlerDefinition | None) -> None:
        """Set or remove the handler of an update."""
        self.check_may_act("set an update handler")
        _update.set_handler(self, name, handler)

    def all_handlers_finished(self) -> bool:
        """Tell whether no handler of a signal or update is running."""
        return not self.running_handlers

    async def sleep(self, seconds: float, summary: str | None) -> None:
        """Sleep on a durable timer."""
        self.check_may_act("sleep")
        future = self.loop.create_future()
        token = _timer_summary.set(summary)
        try:
            timer = self.loop.call_later(seconds, _wake, future, context=self.own_context)
        finally:
            _timer_summary.reset(token)
        future.add_done_callback(lambda woken: timer.cancel() if woken.cancelled() else None)
        await future

    async def wait_condition(
        self, condition: Callable[[], bool], timeout: float | None, timeout_summary: str | None
    ) -> None:
        """Wait for a condition."""
        self.check_may_act("wait for a condition")
        future = self.loop.wait_for_condition(condition)
        if timeout is None:
            await future
            return
        token = _timer_summary.set(timeout_summary)
        try:
            await asyncio.wait_for(future, timeout)
        finally:
            _timer_summary.reset(token)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_asyncio_order.install()
set_boundary(WorkflowLoop.run_ready.__code__)
