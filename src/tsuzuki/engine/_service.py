"""The engine as a `WorkflowService` in the caller's process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import (
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
)

from tsuzuki import __version__
from tsuzuki.core.limits import Limits
from tsuzuki.store import SqliteStore, Store

from ._activity_control import ActivityControl
from ._activity_execution_control import ActivityExecutionControl
from ._activity_tasks import ActivityTasks
from ._batch_operations import BatchOperations
from ._clock import Clock, SystemClock
from ._deletion import Deletion
from ._engine import Engine
from ._history import HistoryReading
from ._lifecycle import Lifecycle
from ._listing import Listing
from ._lists_aside import ListsAside
from ._logs import Logs
from ._namespace_rpcs import NamespaceRpcs
from ._queries import Queries
from ._reset import Reset
from ._scheduler import Scheduler
from ._schedules import Schedules
from ._search_attribute_registration import SearchAttributeRegistration
from ._signal_with_start import SignalWithStart
from ._streams import Streams
from ._task_queues import TaskQueues
from ._tokens import parse_watched
from ._update_with_start import UpdateWithStart
from ._updates import Updates
from ._visibility import Visibility
from ._workers import Workers
from ._workflow_control import WorkflowControl
from ._workflow_tasks import WorkflowTasks


def _new_uuid() -> str:
    """A random (version 4) UUID, in a third of the time that `uuid.uuid4` takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class EmbeddedService:
    """A `WorkflowService` answered by an engine in this process. Made by `open_embedded`.

    The RPCs are attributes, bound to the parts that answer them, so that a call costs no extra hop. Those that wait
    take a keyword besides the request: `wait_ns`, after which they answer empty.

    Attributes:
        local: The callers are in this process too. Else a task leaves only once it is on disk, and an attempt
            outlives this process.
    """

    def __init__(self, engine: Engine, *, local: bool = True) -> None:
        self._engine = engine
        self.local = local
        lifecycle, reading, visibility = Lifecycle(engine), HistoryReading(engine), Visibility(engine)
        streams, logs = Streams(engine), Logs(engine)
        queries, updates = Queries(engine, streams, logs), Updates(engine)
        namespaces = NamespaceRpcs(engine)
        activity_tasks = ActivityTasks(engine, streams, logs, local=local)
        workflow_tasks = WorkflowTasks(engine, activity_tasks, queries, updates, local=local)
        self._take_back: Mapping[type[Message], Callable[[Any], None]] = {
            PollWorkflowTaskQueueResponse: workflow_tasks.take_back,
            PollActivityTaskQueueResponse: activity_tasks.take_back,
        }

        self.start_workflow_execution = lifecycle.start
        self.signal_workflow_execution = lifecycle.signal
        self.signal_with_start_workflow_execution = SignalWithStart(engine, lifecycle).signal_with_start
        self.request_cancel_workflow_execution = lifecycle.request_cancel
        self.terminate_workflow_execution = lifecycle.terminate
        self.reset_workflow_execution = Reset(engine).reset
        self.delete_workflow_execution = Deletion(engine).delete

        self.get_workflow_execution_history = reading.get
        self.get_workflow_execution_history_reverse = reading.get_reverse
        self.describe_workflow_execution = visibility.describe

        self._lists_aside = ListsAside(engine)
        listing = Listing(engine, self._lists_aside)
        self.list_workflow_executions = listing.list_runs
        self.scan_workflow_executions = listing.scan
        self.list_open_workflow_executions = listing.list_open
        self.list_closed_workflow_executions = listing.list_closed
        self.list_archived_workflow_executions = listing.list_archived
        self.count_workflow_executions = listing.count

        self._scheduler = Scheduler(engine)
        schedules = Schedules(engine, self._scheduler)
        self.create_schedule = schedules.create
        self.describe_schedule = schedules.describe
        self.update_schedule = schedules.update
        self.patch_schedule = schedules.patch
        self.delete_schedule = schedules.delete
        self.list_schedules = schedules.list_all
        self.count_schedules = schedules.count
        self.list_schedule_matching_times = schedules.matching_times

        self._batches = BatchOperations(engine, self._lists_aside)
        self.start_batch_operation = self._batches.start
        self.stop_batch_operation = self._batches.stop
        self.describe_batch_operation = self._batches.describe
        self.list_batch_operations = self._batches.list

        registering = SearchAttributeRegistration(engine)
        self.add_search_attributes = registering.add
        self.remove_search_attributes = registering.remove
        self.list_search_attributes = registering.list
        self.get_search_attributes = registering.get

        self.register_namespace = namespaces.register
        self.describe_namespace = namespaces.describe
        self.list_namespaces = namespaces.list_namespaces
        self.update_namespace = namespaces.update
        self.deprecate_namespace = namespaces.deprecate
        self.delete_namespace = namespaces.delete

        task_queues, workers = TaskQueues(engine), Workers(engine)
        self.describe_task_queue = task_queues.describe
        self.list_task_queue_partitions = task_queues.list_partitions
        self.task_queue_names = task_queues.names  # not an RPC: no client asks for it, the web page does
        self.record_worker_heartbeat = workers.record_heartbeat
        self.list_workers = workers.list
        self.describe_worker = workers.describe
        self.shutdown_worker = workers.shut_down

        self.query_workflow = queries.query
        self.respond_query_task_completed = queries.respond

        self.update_workflow_execution = updates.update
        self.poll_workflow_execution_update = updates.poll
        self.execute_multi_operation = UpdateWithStart(engine, lifecycle, updates).execute

        self.poll_workflow_task_queue = workflow_tasks.poll
        self.respond_workflow_task_completed = workflow_tasks.respond_completed
        self.respond_workflow_task_failed = workflow_tasks.respond_failed

        self.poll_activity_task_queue = activity_tasks.poll
        self.record_activity_task_heartbeat = activity_tasks.heartbeat
        self.record_activity_task_heartbeat_by_id = activity_tasks.heartbeat_by_id
        self.respond_activity_task_completed = activity_tasks.respond_completed
        self.respond_activity_task_completed_by_id = activity_tasks.respond_completed_by_id
        self.respond_activity_task_failed = activity_tasks.respond_failed
        self.respond_activity_task_failed_by_id = activity_tasks.respond_failed_by_id
        self.respond_activity_task_canceled = activity_tasks.respond_canceled
        self.respond_activity_task_canceled_by_id = activity_tasks.respond_canceled_by_id

        runs = WorkflowControl(engine)
        self.pause_workflow_execution = runs.pause
        self.unpause_workflow_execution = runs.unpause
        self.update_workflow_execution_options = runs.update_options

        control = ActivityControl(engine, lifecycle)
        self.pause_activity = control.pause
        self.unpause_activity = control.unpause
        self.reset_activity = control.reset
        self.update_activity_options = control.update_options

        single = ActivityExecutionControl(engine, control)
        self.pause_activity_execution = single.pause
        self.unpause_activity_execution = single.unpause
        self.reset_activity_execution = single.reset
        self.update_activity_execution_options = single.update_options

    def watch_activity(self, task_token: bytes, on_cancel: Callable[[], None]) -> Callable[[], None]:
        return self._engine.cancel_watches.watch(parse_watched(task_token), on_cancel)

    def take_back_task(self, task: Message) -> None:
        """Offer a polled task again that its worker cannot have seen. Not an RPC; nothing if the answer was empty."""
        self._take_back[type(task)](task)

    async def get_system_info(self, request: GetSystemInfoRequest) -> GetSystemInfoResponse:
        return GetSystemInfoResponse(server_version=f"tsuzuki-{__version__}")

    def end_polls(self) -> None:
        """Answer all polls that wait for a task empty; of a server that is about to stop."""
        self._engine.matching.end_polls()

    async def drain(self) -> None:
        """Return when nothing waits for the disk any more."""
        await self._engine.drain()

    async def close(self) -> None:
        """Stop the engine once everything acknowledged is on disk. Killing the process instead loses nothing."""
        self._batches.close()
        self._scheduler.close()
        self._lists_aside.close()
        await self._engine.drain()
        self._engine.close()


async def open_embedded(
    path: str | os.PathLike[str] | None,
    *,
    namespaces: Sequence[str] = ("default",),
    clock: Clock | None = None,
    new_id: Callable[[], str] = _new_uuid,
    store: Store | None = None,
    limits: Limits | None = None,
    namespace_limits: Mapping[str, Limits] | None = None,
    cached_runs_max: int = 10_000,
    local: bool = True,
) -> EmbeddedService:
    """Open a store and run an engine over it on the current event loop.

    Args:
        path: The SQLite file, created if missing; None keeps everything in memory.
        namespaces: Those that are made if the store has not got them; all that it has are served.
        clock: Time; the machine's by default.
        new_id: Makes run ids; random UUIDs by default.
        store: Instead of `path`: a store to use, which the engine closes.
        limits: Bounds on executions; Temporal's defaults.
        namespace_limits: Those of certain namespaces, by name; they count there instead.
        cached_runs_max: Runs kept in memory; colder ones are read again when needed.
        local: The workers live in this process; False for a server, whose workers do not.

    Raises:
        StoreError: The store cannot be used; the class and message say why and what to do.
    """
    opened = SqliteStore.open(path) if store is None else store
    engine = Engine(
        opened,
        SystemClock() if clock is None else clock,
        new_id=new_id,
        limits=Limits() if limits is None else limits,
        namespace_limits=namespace_limits,
        cached_runs_max=cached_runs_max,
    )
    service = EmbeddedService(engine, local=local)
    for namespace in namespaces:
        engine.namespaces.ensure(namespace)
    engine.recovery.recover()
    return service
