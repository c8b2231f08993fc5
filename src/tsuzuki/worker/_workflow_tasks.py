"""Workflow tasks in, completions out: finds or rebuilds the run, moves it along, words the answer.

It never polls and never answers by itself. On the way that matters (a cached run, all events in hand) it
does not wait for anything: `process` returns in its first step.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from temporalio.api.common.v1 import MeteringMetadata
from temporalio.api.enums.v1 import CommandType, QueryResultType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tsuzuki.common import MetricMeter
from tsuzuki.converter import DataConverter
from tsuzuki.exceptions import TsuzukiError
from tsuzuki.service import ServiceError, WorkflowService
from tsuzuki.workflow import NondeterminismError, UnsupportedVersionError

from . import _guard, _queries
from ._activation import activate
from ._chunks import COMPLETED, SCHEDULED, STARTED
from ._local_activities import LocalActivities
from ._local_calls import no_local_activities
from ._open_task import Held, OpenTasks, TaskSupersededError
from ._run_cache import RunCache
from ._run_logs import RunLogs
from ._run_settings import RunSettings
from ._told_failures import ToldFailures
from ._watchdog import Watch
from ._workflow_chain import chain_of
from ._workflow_interceptor import WorkflowInboundInterceptor
from ._workflow_run import WorkflowRun
from ._workflows import Workflows
from .past._query import STATE_QUERY, read_state_query, state_answer

SDK_NAME: Final = "tsuzuki"
SDK_VERSION: Final = "0.1.0"
_SDK: Final = (SDK_NAME, SDK_VERSION)

CORE_FLAGS: Final = (4, 3, 2, 1)
"""Behaviours of the official SDKs' core that this worker shares, noted in history so that they replay it
alike: ids and types are compared; patches are search attributes; closing commands go last; the second rule
for heartbeats."""

_CHUNKING: Final = 4

_logger: Final = logging.getLogger("tsuzuki.worker")


class MissingHistoryError(TsuzukiError):
    """The service did not give the events that a workflow task stands on."""


class WorkflowTaskProcessor:
    """Turns workflow tasks into their completions.

    Args:
        service: Where missing history is fetched.
        namespace: Namespace of the worker.
        task_queue: Queue of the worker.
        workflows: Classes and functions marked with `@workflow.defn`.
        data_converter: How arguments, results and failures are encoded.
        identity: Who answers.
        sticky_queue: The worker's own queue, where the next workflow task of a cached run should go; None
            without stickiness.
        sticky_schedule_to_start_timeout: How long it may wait there before any worker gets it.
        max_cached_workflows: How many runs to keep; 0 makes every workflow task a full replay.
        failure_exception_types: Exceptions that fail the workflow instead of the workflow task, in every
            workflow of this worker.
        determinism_guard: Refuse calls that a replay could not repeat while workflow code runs.
        watch: Breaks workflow code off that does not yield; None to let it.
        interceptors: Made around each run, the first outermost.
        metric_meter: For workflow code; None without one.
        logs: Takes what workflow code logs; None to leave it at `logging`.
        local_activities: Runs the local activities; None without any.

    Raises:
        TypeError: Something among `workflows` is not a workflow.
        ValueError: Two workflows have the same name.
    """

    def __init__(
        self,
        service: WorkflowService,
        *,
        namespace: str,
        task_queue: str,
        workflows: Sequence[Any],
        data_converter: DataConverter = DataConverter.default,
        identity: str = "",
        sticky_queue: str | None = None,
        sticky_schedule_to_start_timeout: timedelta = timedelta(seconds=10),
        max_cached_workflows: int = 1000,
        failure_exception_types: Sequence[type[BaseException]] = (),
        determinism_guard: bool = True,
        watch: Watch | None = None,
        interceptors: Sequence[type[WorkflowInboundInterceptor]] = (),
        metric_meter: MetricMeter | None = None,
        logs: RunLogs | None = None,
        local_activities: LocalActivities | None = None,
    ) -> None:
        self._service = service
        self._namespace = namespace
        self._identity = identity
        self._workflows = Workflows(workflows)
        self._settings = RunSettings(
            namespace=namespace,
            task_queue=task_queue,
            data_converter=data_converter,
            failure_exception_types=tuple(failure_exception_types),
            determinism_guard=determinism_guard,
            watch=watch,
            intercept=chain_of(interceptors) if interceptors else None,
            metric_meter=metric_meter,
            logs=logs,
            check_local_activity=no_local_activities if local_activities is None else local_activities.check,
        )
        if determinism_guard:
            _guard.install(self._workflows.guarded_modules())
        self._told_failures = ToldFailures()
        self._cache = RunCache(max_cached_workflows)
        self._open: OpenTasks | None = None
        if local_activities is not None:
            self._open = OpenTasks(local_activities, namespace=namespace, put_by=self._cache.keep)
        # What all completions have in common, and what the first one of a new run adds: copied for each.
        self._completed = RespondWorkflowTaskCompletedRequest(
            namespace=namespace, identity=identity, metering_metadata=MeteringMetadata()
        )
        self._completed.capabilities.discard_speculative_workflow_task_with_events = True  # see `rewind`
        self._completed.sdk_metadata.SetInParent()
        if sticky_queue is not None and max_cached_workflows > 0:
            sticky = self._completed.sticky_attributes
            sticky.worker_task_queue.name = sticky_queue
            sticky.worker_task_queue.normal_name = task_queue
            sticky.schedule_to_start_timeout.FromTimedelta(sticky_schedule_to_start_timeout)
        self._first_completed = RespondWorkflowTaskCompletedRequest()
        self._first_completed.CopyFrom(self._completed)
        self._first_completed.sdk_metadata.core_used_flags.extend(CORE_FLAGS)
        self._first_completed.sdk_metadata.sdk_name = SDK_NAME
        self._first_completed.sdk_metadata.sdk_version = SDK_VERSION

    @property
    def cached(self) -> int:
        """Number of runs that are kept alive."""
        return len(self._cache)

    @property
    def evictions(self) -> int:
        """How often one of them had to go for want of room."""
        return self._cache.evictions

    async def process(
        self, task: PollWorkflowTaskQueueResponse
    ) -> (
        RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest | RespondQueryTaskCompletedRequest | None
    ):
        """Run a workflow as far as a workflow task leads, or answer the query that a task consists of.

        Returns:
            What to answer. If the answer is not accepted, call `evict`: the run is then ahead of history. None when
            the service has given the task up meanwhile.

        Raises:
            ServiceError: Missing history could not be fetched; the task is worth nothing now.
        """
        if task.HasField("query"):
            return await self._answer_alone(task)
        run_id = task.workflow_execution.run_id
        logged = 0 if self._settings.logs is None else self._settings.logs.taken
        taken_s = 0.0 if self._open is None else self._open.begin(run_id)
        run = self._take(run_id)
        handed = list(task.history.events)  # once: each look into the message makes its events anew
        events = _continuation(run, handed) if run is not None and not task.next_page_token else None
        if events is None:
            if run is not None:
                run.evict()
                run = None
            events = handed if _is_whole(task, handed) else await self._whole_history(task)
        last_event_id = events[-1].event_id
        if last_event_id < task.started_event_id:
            events = [*events, *_unrecorded_start(task, last_event_id)]
        try:
            if run is None:
                run = self._new_run(task, events[0])
            run.last_task_token = task.task_token
            activate(run, events, messages=task.messages)
            if run.failed_by is not None:
                raise run.failed_by
            held = Held.ENDED
            if run.local is not None and run.local.running and self._open is not None:
                held = await self._open.hold(task, run, taken_s)
        except TaskSupersededError:
            assert run is not None, "it was held"
            run.evict()
            return None
        except (Exception, SystemExit) as error:
            if run is not None:
                run.evict()
                if isinstance(error, NondeterminismError) and run.is_failure(error):
                    return self._fail_workflow(task, run, error)
            if self._settings.logs is not None:
                self._tell_run(self._settings.logs, task, error, logged)
            return self._failed(task, error)
        self._told_failures.over(run_id)
        completed = self._complete(task, run)
        if held is not Held.ENDED:
            completed.force_create_new_workflow_task = True
        if held is Held.HANDED_OVER:
            completed.ClearField("sticky_attributes")
        spoiled = bool(task.queries) and await self._answer_queries(task, run, completed)
        if run.finished or run.closed or spoiled or held is Held.HANDED_OVER:
            run.evict()
        else:
            self._keep(run_id, run)
        return completed

    def evict(self, run_id: str) -> None:
        """Forget a run, if it is cached; its next workflow task replays it."""
        run = self._take(run_id)
        if run is not None:
            run.evict()

    def rewind(self, task: PollWorkflowTaskQueueResponse) -> None:
        """The answer to this task was taken, and left no trace in history."""
        run_id = task.workflow_execution.run_id
        run = self._take(run_id)
        if run is not None:
            if run.last_task_token == task.task_token:
                run.rewind()
            self._keep(run_id, run)

    def close(self) -> None:
        """Evict all runs."""
        self._cache.clear()
        if self._open is not None:
            self._open.close()

    def _take(self, run_id: str) -> WorkflowRun | None:
        run = self._cache.take(run_id)
        return self._open.take(run_id) if run is None and self._open is not None else run

    def _keep(self, run_id: str, run: WorkflowRun) -> None:
        if run.local is not None and run.local.running and self._open is not None:
            self._open.keep(run_id, run)
        else:
            self._cache.keep(run_id, run)

    # ---- queries -------------------------------------------------------------------------------------------

    async def _answer_queries(
        self, task: PollWorkflowTaskQueueResponse, run: WorkflowRun, completed: RespondWorkflowTaskCompletedRequest
    ) -> bool:
        """Answer the queries that ride with a workflow task. True when one of them spoiled the run."""
        spoiled: Exception | None = None
        for number, query in task.queries.items():
            try:
                if query.query_type == STATE_QUERY:
                    result = await self._state_of(task, query)
                else:
                    result = _queries.answer(run, query, number) if spoiled is None else _queries.refusal(run, spoiled)
            except _queries.SpoiledByQueryError as error:
                spoiled, result = error, _queries.refusal(run, error)
            completed.query_results[number].CopyFrom(result)
        return spoiled is not None

    async def _answer_alone(self, task: PollWorkflowTaskQueueResponse) -> RespondQueryTaskCompletedRequest:
        """Answer a query that is a task of its own: from the cached run, or from a replay of what is recorded."""
        if task.query.query_type == STATE_QUERY:
            return self._answered(task, await self._state_of(task, task.query))
        run_id = task.workflow_execution.run_id
        run = self._take(run_id)
        if run is not None and run.history_length < task.previous_started_event_id:
            run.evict()
            run = None
        cached = run is not None
        try:
            if run is None:
                events = await self._recorded_history(task)
                run = self._new_run(task, events[0])
                activate(run, events, replay_only=True)
                if run.failed_by is not None:
                    raise run.failed_by
            result = _queries.answer(run, task.query)
        except (Exception, SystemExit) as error:
            if isinstance(error, ServiceError):
                raise
            if run is not None:
                run.evict()
            return self._answered(task, self._query_failure(error))
        if run.finished or run.closed or not (cached or run.between_tasks):
            run.evict()
        else:
            self._keep(run_id, run)
        return self._answered(task, result)

    async def _state_of(self, task: PollWorkflowTaskQueueResponse, query: WorkflowQuery) -> WorkflowQueryResult:
        """Answer the reserved query for the state at an event, from a replay of its own up to there."""
        events = await self._recorded_history(task)
        try:
            event_id, masks = read_state_query(
                query, self._settings.data_converter.payload_converter, events[-1].event_id
            )
            run = self._new_run(task, events[0])
            try:
                activate(run, events, replay_only=True, until_event_id=event_id)
                if run.failed_by is not None:
                    raise run.failed_by
                return state_answer(run, events, event_id, masks)
            finally:
                run.evict()
        except (Exception, SystemExit) as error:
            return self._query_failure(error)

    async def _recorded_history(self, task: PollWorkflowTaskQueueResponse) -> list[HistoryEvent]:
        if task.history.events and task.history.events[0].event_id == 1:
            return await self._whole_history(task)
        events: list[HistoryEvent] = []
        token = b""
        while True:
            page = await self._fetch(task, token)
            events.extend(page.history.events)
            token = page.next_page_token
            if not token:
                return events

    def _query_failure(self, error: BaseException) -> WorkflowQueryResult:
        result = WorkflowQueryResult(result_type=QueryResultType.QUERY_RESULT_TYPE_FAILED)
        converter = self._settings.data_converter
        converter.failure_converter.to_failure(error, converter.payload_converter, result.failure)
        result.error_message = result.failure.message
        return result

    def _answered(
        self, task: PollWorkflowTaskQueueResponse, result: WorkflowQueryResult
    ) -> RespondQueryTaskCompletedRequest:
        return RespondQueryTaskCompletedRequest(
            task_token=task.task_token,
            namespace=self._namespace,
            completed_type=result.result_type,
            query_result=result.answer if result.HasField("answer") else None,
            error_message=result.error_message,
            failure=result.failure if result.HasField("failure") else None,
        )

    # ---- finding the run -----------------------------------------------------------------------------------

    def _new_run(self, task: PollWorkflowTaskQueueResponse, started: HistoryEvent) -> WorkflowRun:
        name = started.workflow_execution_started_event_attributes.workflow_type.name
        definition = self._workflows.find(name, f"this worker (task queue {self._settings.task_queue!r})")
        execution = task.workflow_execution
        return WorkflowRun(self._settings, definition, started, execution.workflow_id, execution.run_id)

    async def _whole_history(self, task: PollWorkflowTaskQueueResponse) -> list[HistoryEvent]:
        """Put the run's history together from the task, its further pages and, if need be, from the start."""
        events = list(task.history.events)
        token = task.next_page_token
        while token:
            page = await self._fetch(task, token)
            events.extend(page.history.events)
            token = page.next_page_token
        if events and events[0].event_id == 1:
            return events
        first = events[0].event_id if events else task.started_event_id + 1
        earlier: list[HistoryEvent] = []
        while not earlier or (token and earlier[-1].event_id < first - 1):
            page = await self._fetch(task, token)
            earlier.extend(page.history.events)
            token = page.next_page_token
            if not token:
                break
        earlier = [event for event in earlier if event.event_id < first]
        if not earlier or earlier[0].event_id != 1 or earlier[-1].event_id != first - 1:
            raise MissingHistoryError(
                f"the service gave no events 1 to {first - 1} of run {task.workflow_execution.run_id} "
                f"of workflow {task.workflow_execution.workflow_id!r}"
            )
        return earlier + events

    async def _fetch(self, task: PollWorkflowTaskQueueResponse, token: bytes) -> Any:
        return await self._service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self._namespace, execution=task.workflow_execution, next_page_token=token
            )
        )

    # ---- answers -------------------------------------------------------------------------------------------

    def _complete(self, task: PollWorkflowTaskQueueResponse, run: WorkflowRun) -> RespondWorkflowTaskCompletedRequest:
        completed = RespondWorkflowTaskCompletedRequest()
        if not run.completions_recorded:
            completed.CopyFrom(self._first_completed)
        else:
            completed.CopyFrom(self._completed)
            if not run.core_flags.issuperset(CORE_FLAGS):
                missing = [flag for flag in CORE_FLAGS if flag not in run.core_flags and flag != _CHUNKING]
                completed.sdk_metadata.core_used_flags.extend(missing)
            if run.recorded_sdk != _SDK:
                completed.sdk_metadata.sdk_name, completed.sdk_metadata.sdk_version = _SDK
        completed.task_token = task.task_token
        if run.commands or run.messages:
            run.put_commands(completed)
        if run.new_lang_flags:
            completed.sdk_metadata.lang_used_flags.extend(run.new_lang_flags)
            run.new_lang_flags.clear()
        return completed

    def _fail_workflow(
        self, task: PollWorkflowTaskQueueResponse, run: WorkflowRun, error: NondeterminismError
    ) -> RespondWorkflowTaskCompletedRequest:
        """End a run whose code does not fit its history, as the worker or the workflow chose."""
        completed = RespondWorkflowTaskCompletedRequest()
        completed.CopyFrom(self._completed)
        completed.task_token = task.task_token
        command = completed.commands.add(command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION)
        failure = command.fail_workflow_execution_command_attributes.failure
        run.failure_converter.to_failure(error, run.payload_converter, failure)
        for number in task.queries:
            completed.query_results[number].CopyFrom(self._query_failure(error))
        return completed

    def _tell_run(self, logs: RunLogs, task: PollWorkflowTaskQueueResponse, error: BaseException, logged: int) -> None:
        """Put a failure into the run's log; of one that is there already not even what the code has logged again."""
        ids = (task.workflow_execution.workflow_id, task.workflow_execution.run_id)
        if not self._told_failures.tell(ids[1], error):
            logs.take_back(ids, logged)
        elif logs.takes(logging.ERROR):
            said = "Workflow task failed, and is tried again until the code is mended: %s: %s"
            logs.add(ids, logging.ERROR, _logger.name, said, (type(error).__name__, error), {"exc_info": error})

    def _failed(self, task: PollWorkflowTaskQueueResponse, error: BaseException) -> RespondWorkflowTaskFailedRequest:
        execution = task.workflow_execution
        loud = task.attempt & (task.attempt - 1) == 0  # attempts 1, 2, 4, 8, ... of a task that stays stuck
        _logger.log(
            logging.ERROR if loud else logging.DEBUG,
            "workflow task failed (attempt %d), and is tried again until the code is mended: "
            "workflow %r (%s), run %s: %s: %s",
            task.attempt,
            execution.workflow_id,
            task.workflow_type.name,
            execution.run_id,
            type(error).__name__,
            error,
            exc_info=error,
        )
        failed = RespondWorkflowTaskFailedRequest(
            task_token=task.task_token,
            namespace=self._namespace,
            identity=self._identity,
            cause=(
                WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
                if isinstance(error, (NondeterminismError, UnsupportedVersionError))
                else WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
            ),
        )
        converter = self._settings.data_converter
        try:
            converter.failure_converter.to_failure(error, converter.payload_converter, failed.failure)
        except Exception as unreadable:
            failed.failure.CopyFrom(Failure(message=f"{error} (its details cannot be encoded: {unreadable})"))
            failed.failure.application_failure_info.type = type(error).__name__
        return failed


def _is_whole(task: PollWorkflowTaskQueueResponse, events: Sequence[HistoryEvent]) -> bool:
    """Tell whether a task brought all of its history along."""
    return bool(events) and events[0].event_id == 1 and not task.next_page_token


def _continuation(run: WorkflowRun, events: list[HistoryEvent]) -> list[HistoryEvent] | None:
    """Return the events that a cached run has not seen; None when it is not on the way that they took."""
    if not events:
        return None
    first = events[0].event_id
    seen = run.history_length + 1 - first
    if seen < 0 or seen >= len(events):
        return None
    fresh = events[seen:] if seen else events
    # The last thing that it saw is the start of a workflow task. Unless that task was completed, its commands
    # were never recorded, and the run has run ahead.
    return fresh if run.between_tasks or fresh[0].event_type == COMPLETED else None


def _unrecorded_start(task: PollWorkflowTaskQueueResponse, last_event_id: int) -> list[HistoryEvent]:
    """Make the events of a workflow task that history does not show: a retry is recorded only when it ends."""
    scheduled = HistoryEvent(event_id=last_event_id + 1, event_type=SCHEDULED, event_time=task.scheduled_time)
    started = HistoryEvent(event_id=task.started_event_id, event_type=STARTED, event_time=task.started_time)
    return [scheduled, started] if started.event_id > scheduled.event_id else [started]
