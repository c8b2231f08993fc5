"""Activation: history moves a run along, and its code runs as far as that leads.

Events are taken chunk by chunk, a chunk for each time that the code ran; what they lead to is put down as jobs, and
then run inside the run's event loop. Synchronous from the first event to the last command.

Invariant: once the events of a workflow task are applied, the run's `commands` is empty: every command was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message

from ._chunks import COMPLETED, next_chunk, uses_version_2
from ._handling import warn_of_unfinished
from ._machines import COMMAND_EVENTS, EVENTS, _close, _marker, _update
from ._machines._execution import prepare
from ._machines._marker import MARKER_RECORDED
from ._machines._workflow_task import note_flags
from ._matching import drop_optional, match, put_closing_command_last, refuse_command

if TYPE_CHECKING:
    from ._workflow_run import WorkflowRun


def activate(
    run: WorkflowRun,
    events: Sequence[HistoryEvent],
    *,
    messages: Sequence[Message] = (),
    replay_only: bool = False,
    until_event_id: int | None = None,
) -> None:
    """Apply new events and run the code as far as they lead; what to send is then in `commands`.

    Args:
        run: The run.
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
    if run.history_length == 0:
        run.version_2 = uses_version_2(events)
    start, count = 0, len(types)
    has_markers, has_updates = MARKER_RECORDED in types, _update.ACCEPTED in types
    while start < count:
        end, runs_code = next_chunk(types, start, version_2=run.version_2)
        if until_event_id is not None and events[end - 1].event_id > until_event_id:
            return
        run.replaying = replay_only or end < count
        for index in range(start, end):
            handle = EVENTS.get(types[index])
            if handle is not None:
                handle(run, events[index])
            else:
                match(run, events[index])
        run.history_length = events[end - 1].event_id
        run.between_tasks = not runs_code
        start = end
        if run.commands and (runs_code or run.closed):
            drop_optional(run)
            if run.commands:
                refuse_command(run, run.commands[0])
        if runs_code and not run.closed:
            if end < count:
                if types[end] == COMPLETED:  # its flags are about the code that runs now
                    note_flags(run, events[end])
                    if has_markers:
                        _show_markers(run, events, types, end)
                if has_updates:
                    _look_ahead(run, events, types, end)
            else:
                if run.admitted_updates and not replay_only:
                    _take_in(run, _update.take_admitted(run))
                _take_in(run, (_update.from_message(message) for message in messages))
            run.activations = 0
            if run.local is not None:
                run.local.begin_task(run)
            _run_code(run)
            if run.local is not None:
                run.local.replay(run, go_on)


def _show_markers(run: WorkflowRun, events: Sequence[HistoryEvent], types: Sequence[int], start: int) -> None:
    """Show the code ahead what it recorded in the workflow task that it runs now."""
    for index in range(start, next_chunk(types, start, version_2=run.version_2)[0]):
        if types[index] == MARKER_RECORDED:
            _marker.peek(run, events[index])


def _look_ahead(run: WorkflowRun, events: Sequence[HistoryEvent], types: Sequence[int], end: int) -> None:
    """Take in the updates that were accepted in the workflow task that follows."""
    accepted = []
    for index in range(end + 1, len(types)):
        if types[index] == _update.ACCEPTED:
            accepted.append(_update.from_event(run, events[index]))
        elif types[index] not in COMMAND_EVENTS:
            break
    _take_in(run, accepted)


def _take_in(run: WorkflowRun, arrivals: Iterable[_update.Arrival | None]) -> None:
    for arrival in arrivals:
        if arrival is not None:
            run.signal_jobs.append((_update.arrive, run, arrival))


def go_on(run: WorkflowRun, *jobs: tuple[Any, ...]) -> None:
    """Run further code in the same workflow task: what the worker ran itself has ended."""
    run.jobs.extend(jobs)
    _run_code(run)


def _run_code(run: WorkflowRun) -> None:
    if run.facts.first_task_started_ns == 0:
        run.facts.first_task_started_ns = run.time_ns
    watch = run.settings.watch
    entered = run.loop.enter()
    try:
        if watch is None:
            _run_jobs(run)
        else:
            watch.call(run, partial(_run_jobs, run))
    finally:
        run.loop.leave(entered)
    if run.finished and run.running_handlers and not run.replaying:
        warn_of_unfinished(run.running_handlers, run.workflow_type, run.workflow_id)


def _run_jobs(run: WorkflowRun) -> None:
    if run.jobs or run.signal_jobs:
        run.activations += 1
    try:
        signals, run.signal_jobs = run.signal_jobs, []
        if signals:
            prepare(run)
            rejectable = not run.jobs and all(job[0] is _update.arrive for job in signals)
            _apply(run, signals, rejectable=rejectable)
        if run.jobs:
            jobs, run.jobs = run.jobs, []
            _apply(run, jobs)
        while run.follow_up_jobs and not run.finished:
            jobs, run.follow_up_jobs = run.follow_up_jobs, []
            if run.local is not None:
                jobs += run.local.told_along(run)
            run.activations += 1
            _apply(run, jobs)
    except Exception as error:
        if run.finished or error is run.failed_by or not run.is_failure(error):
            raise
        _close.fail(run, error)
    if run.finished:
        put_closing_command_last(run)


def _apply(run: WorkflowRun, jobs: list[tuple[Any, ...]], *, rejectable: bool = False) -> None:
    """Run jobs and what follows from them.

    Args:
        run: The run.
        jobs: Functions with their arguments.
        rejectable: True when they are updates only. If all are rejected history will not show that the code ran,
            so that no condition must be looked at, which might let code through that a replay would hold.
    """
    for job, *arguments in jobs:
        job(*arguments)
    if rejectable:
        run.loop.run_ready(check_conditions=False)
        if not any(command.event_type == _update.ACCEPTED for command in run.commands):
            return
    run.loop.run_ready(check_conditions=True)
