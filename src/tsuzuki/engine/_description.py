"""What a description says of a run's past: the builds of its workers, its reset, its request ids.

An open run knows these; of a closed one only the start is in memory, and as much of its history is read as is cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflow.v1 import WorkflowExecutionExtendedInfo, WorkflowExecutionInfo

from tsuzuki.core.builds import Builds, builds_of
from tsuzuki.core.execution import Execution
from tsuzuki.core.times import set_time, time_ns
from tsuzuki.store import Store

from ._history_pages import read_backwards, read_page

if TYPE_CHECKING:
    from ._engine import Engine

READ_EVENTS_MAX: Final = 1_000
"""Of the history of a closed run, from each end."""
_RESETS_MAX: Final = 10
"""Runs that are looked at for the one that a client started, or for the one that a reset made."""
_TASK_FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


class _Past(NamedTuple):
    builds: Builds
    reset_ns: int
    base_run_id: str
    attached: Sequence[HistoryEvent]


def fill_past(
    info: WorkflowExecutionInfo, extended: WorkflowExecutionExtendedInfo, engine: Engine, run: Execution
) -> None:
    """Builds, the time of the reset that the run came from, the request that started it, and those that met it."""
    past = _past_of(engine.store, run)
    for build in past.builds.known:
        point = info.auto_reset_points.points.add(
            build_id=build.build_id,
            binary_checksum=build.checksum,
            run_id=run.run_id,
            first_workflow_task_completed_id=build.completed_event_id,
            resettable=True,
        )
        set_time(point.create_time, build.completed_ns)
    if past.builds.latest is not None:
        info.most_recent_worker_version_stamp.CopyFrom(past.builds.latest)
    if past.reset_ns:
        set_time(extended.last_reset_time, past.reset_ns)
    if not run.is_open:
        extended.reset_run_id = _reset_as(engine, run)
    if request_id := _started_by(engine, run, past.base_run_id):
        started = extended.request_id_infos[request_id]
        started.event_id, started.event_type = 1, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    for event in past.attached:
        attached = extended.request_id_infos[
            event.workflow_execution_options_updated_event_attributes.attached_request_id
        ]
        attached.event_id, attached.event_type = event.event_id, event.event_type
        attached.buffered = not event.event_id


def _past_of(store: Store, run: Execution) -> _Past:
    if run.is_open:
        return _Past(run.builds, run.reset_ns, run.base_run_id, run.attached)
    frames, _ = read_page(store, run, 1, run.durable_event_id, READ_EVENTS_MAX)
    events = History.FromString(frames).events
    builds = builds_of(events)
    least = max(1, run.durable_event_id - READ_EVENTS_MAX + 1)
    for event in read_backwards(store, run, run.durable_event_id, least):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            builds.latest = builds_of([event]).latest
            break
    reset_ns, base_run_id = 0, ""
    for event in events:
        if event.event_type == _TASK_FAILED and event.workflow_task_failed_event_attributes.new_run_id:
            reset_ns = time_ns(event.event_time)
            base_run_id = event.workflow_task_failed_event_attributes.base_run_id
    attached = [
        event for event in events if event.workflow_execution_options_updated_event_attributes.attached_request_id
    ]
    return _Past(builds, reset_ns, base_run_id, attached)


def _reset_as(engine: Engine, run: Execution) -> str:
    """The run that a reset made of a closed one; looked for from the newest run of the workflow id on backwards."""
    later = engine.runs.find(run.namespace, run.workflow_id, "")
    for _ in range(_RESETS_MAX):
        if later is None or later is run:
            break
        before = later.started.continued_execution_run_id
        if later.started.original_execution_run_id != later.run_id:  # it has the past of another one
            before = _past_of(engine.store, later).base_run_id
            if before == run.run_id:
                return later.run_id
        later = engine.runs.find(run.namespace, run.workflow_id, before) if before else None
    return ""


def _started_by(engine: Engine, run: Execution, base_run_id: str) -> str:
    """The request that started the run, or the run whose past it has; empty if that is gone."""
    for _ in range(_RESETS_MAX):
        if not base_run_id:
            return run.start_request_id
        base = engine.runs.find(run.namespace, run.workflow_id, base_run_id)
        if base is None:
            break
        run, base_run_id = base, _past_of(engine.store, base).base_run_id
    return ""
