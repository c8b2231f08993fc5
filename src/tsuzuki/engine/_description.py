"""What a description says of a run's past: the builds of its workers, its reset, its request ids.

An open run knows these; of a closed one only the start is in memory, and as much of its history is read as is cheap.
"""

from __future__ import annotations

from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflow.v1 import WorkflowExecutionExtendedInfo, WorkflowExecutionInfo

from tsuzuki.core.builds import Builds, builds_of
from tsuzuki.core.execution import Execution
from tsuzuki.core.times import set_time, time_ns
from tsuzuki.store import Store

from ._history_pages import read_backwards, read_page

READ_EVENTS_MAX: Final = 1_000
"""Of the history of a closed run, from each end."""
_TASK_FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


def fill_past(
    info: WorkflowExecutionInfo, extended: WorkflowExecutionExtendedInfo, store: Store, run: Execution
) -> None:
    """Builds, the time of the reset that the run came from, and the request that started it."""
    builds, reset_ns = (run.builds, run.reset_ns) if run.is_open else _of_closed(store, run)
    for build in builds.known:
        point = info.auto_reset_points.points.add(
            build_id=build.build_id,
            binary_checksum=build.checksum,
            run_id=run.run_id,
            first_workflow_task_completed_id=build.completed_event_id,
            resettable=True,
        )
        set_time(point.create_time, build.completed_ns)
    if builds.latest is not None:
        info.most_recent_worker_version_stamp.CopyFrom(builds.latest)
    if reset_ns:
        set_time(extended.last_reset_time, reset_ns)
    elif run.start_request_id:
        started = extended.request_id_infos[run.start_request_id]
        started.event_id, started.event_type = 1, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED


def _of_closed(store: Store, run: Execution) -> tuple[Builds, int]:
    frames, _ = read_page(store, run, 1, run.durable_event_id, READ_EVENTS_MAX)
    events = History.FromString(frames).events
    builds = builds_of(events)
    least = max(1, run.durable_event_id - READ_EVENTS_MAX + 1)
    for event in read_backwards(store, run, run.durable_event_id, least):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            builds.latest = builds_of([event]).latest
            break
    return builds, max(map(_reset_ns, events), default=0)


def _reset_ns(event: HistoryEvent) -> int:
    failed = event.event_type == _TASK_FAILED and event.workflow_task_failed_event_attributes.new_run_id
    return time_ns(event.event_time) if failed else 0
