"""Holds a database against the log of what its scenario was told and did: the judge of the kill sweep.

Reads both files as they lie there, between two processes, and shares no code with the engine.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import kill_scenario as scenario
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import History, HistoryEvent

from tsuzuki.store import check_store

Fact = dict[str, Any]

RESULTS: Final[dict[str, Any]] = {
    "steps": 12,
    "retries": [1, "in time"],
    "counting": 5,
    "second_run": "run 2",
    "cleaning": "CancelledError",
    "answered": "from outside",
    "overdue": "TerminatedError",
    "timers": "rang",
    "family": 6,
    "account": scenario.DEPOSITS,
    "held": 2 * scenario.SPOKEN,
}
"""What each workflow ends with, however often it was killed; `at_most_once` tells what was lost."""
CHILDREN: Final = [f"{child}-{run}" for child in ("adder", "listener") for run in (0, 1)]
RUNS: Final = dict.fromkeys([*RESULTS, *CHILDREN, "at_most_once"], 1) | {"second_run": 2, "family": 2}
ENDED: Final = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
    }
)


class Run(NamedTuple):
    workflow_id: str
    run_id: str
    status: int
    events: list[HistoryEvent]
    """History, and behind it what waits for a workflow task to end."""
    shown: int
    """How many of the events are in history."""


def read_log(path: Path) -> list[Fact]:
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]  # the last one is empty, or was cut off by the kill


def read_runs(database: Path) -> list[Run]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT run_key, workflow_id, run_id, status, buffered FROM runs").fetchall()
        runs = []
        for run_key, workflow_id, run_id, status, buffered in rows:
            batches = connection.execute(
                "SELECT events FROM history WHERE run_key = ? ORDER BY first_event_id", (run_key,)
            ).fetchall()
            events = list(History.FromString(b"".join(batch for (batch,) in batches)).events)
            shown = len(events)
            events += History.FromString(buffered or b"").events
            runs.append(Run(workflow_id, run_id, status, events, shown))
        return runs


def findings(database: Path, log: Path, *, finished: bool) -> list[str]:
    """Every broken promise; `finished` says that the scenario has come to its end."""
    facts = read_log(log)
    if not database.exists() or database.stat().st_size == 0 or _has_no_tables(database):
        return [
            f"told, but the database is empty: {fact}" for fact in facts if fact["fact"] not in ("process", "begin")
        ]
    found = [str(problem) for problem in check_store(database)]
    runs = {run.run_id: run for run in read_runs(database)}
    found += _told(facts, runs)
    found += _executions(facts, runs)
    found += _pauses(facts)
    found += _streams(facts, database)
    if finished:
        found += _ends(facts, list(runs.values()))
    return found


def _has_no_tables(database: Path) -> bool:
    if database.with_name(f"{database.name}-journal").exists():
        return True  # killed while it was being created: the next opening undoes what there is
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        return not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchall()


# ---- what somebody was told --------------------------------------------------------------------------


def _told(facts: list[Fact], runs: dict[str, Run]) -> Iterator[str]:
    by_workflow = {run.workflow_id: run for run in runs.values()}
    first_runs: dict[str, str] = {}
    for fact in facts:
        match fact["fact"]:
            case "started":
                if fact["run"] not in runs:
                    yield f"invariant 1: the start was acknowledged, the run is not there: {fact}"
                if first_runs.setdefault(fact["workflow"], fact["run"]) != fact["run"]:
                    yield f"invariant 35: the same start gave another run: {fact}"
            case "signalled":
                names = [
                    event.workflow_execution_signaled_event_attributes.signal_name
                    for event in by_workflow[fact["workflow"]].events
                ]
                if names.count(fact["name"]) != 1:
                    yield f"invariant 2: an acknowledged signal is there {names.count(fact['name'])} times: {fact}"
            case "updated":
                yield from _update_answer(fact, by_workflow[fact["workflow"]])
            case "paused" | "unpaused":
                kinds = {event.event_type for event in by_workflow[fact["workflow"]].events}
                if EventType.Value(f"EVENT_TYPE_WORKFLOW_EXECUTION_{fact['fact'].upper()}") not in kinds:
                    yield f"invariant 3: it was acknowledged that the run is {fact['fact']}, and it is not: {fact}"
            case "answered":
                yield from _activity_answer(fact, runs[fact["run"]])
            case "decided":
                started = [
                    event.workflow_task_completed_event_attributes.started_event_id
                    for event in runs[fact["run"]].events
                ]
                if fact["started_event"] not in started:
                    yield f"invariant 3: an acknowledged workflow task completion is lost: {fact}"
            case "cancelled":
                kinds = {event.event_type for event in by_workflow[fact["workflow"]].events}
                # A run that was already closed takes the request without an effect.
                if EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED not in kinds:
                    yield f"invariant 37: an acknowledged cancel request is lost: {fact}"
            case "terminated" | "result":
                if all(
                    run.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
                    for run in runs.values()
                    if run.workflow_id == fact["workflow"]
                ):
                    yield f"invariant 1: the end of the run was told, and it is open: {fact}"
            case "shown":
                run = runs[fact["run"]]
                if fact["event"] > run.shown:
                    yield f"invariant 6: an event was shown and is gone: {fact}"
                elif zlib.crc32(run.events[fact["event"] - 1].SerializeToString(deterministic=True)) != fact["crc"]:
                    yield f"invariant 6: an event was shown and has changed: {fact}"
    last: dict[str, Any] = {}
    for fact in facts:
        if fact["fact"] == "result" and last.setdefault(fact["workflow"], fact["result"]) != fact["result"]:
            yield f"invariant 6: the same run had another result before: {fact}"


def _update_answer(fact: Fact, run: Run) -> Iterator[str]:
    """An acknowledged update was accepted once and completed once, with the answer that was given."""
    accepted, answers = 0, []
    for event in run.events[: run.shown]:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            attributes = event.workflow_execution_update_accepted_event_attributes
            accepted += attributes.protocol_instance_id == fact["update"]
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
            completed = event.workflow_execution_update_completed_event_attributes
            if completed.meta.update_id == fact["update"]:
                answers.append(json.loads(completed.outcome.success.payloads[0].data))
    if accepted != 1 or answers != [fact["answer"]]:
        yield f"an acknowledged update was accepted {accepted} times, with the answers {answers}: {fact}"


def _activity_answer(fact: Fact, run: Run) -> Iterator[str]:
    """An acknowledged completion is in history; an acknowledged failure ended the attempt or is counted."""
    scheduled = _scheduled(run).get(fact["activity"])
    ends = [] if scheduled is None else [event for event in run.events if _ends_activity(event) == scheduled]
    if fact["outcome"] == "completed" and (
        len(ends) != 1 or ends[0].event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    ):
        yield f"invariant 3: an acknowledged activity completion is lost: {fact}"
    if fact["outcome"] == "canceled" and len(ends) != 1:
        yield f"invariant 3: an acknowledged activity cancellation is lost: {fact}"


def _scheduled(run: Run) -> dict[str, int]:
    return {
        event.activity_task_scheduled_event_attributes.activity_id: event.event_id
        for event in run.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    }


def _ends_activity(event: HistoryEvent) -> int | None:
    if event.event_type not in ENDED:
        return None
    return int(getattr(event, str(event.WhichOneof("attributes"))).scheduled_event_id)


# ---- what was done -----------------------------------------------------------------------------------


def _executions(facts: list[Fact], runs: dict[str, Run]) -> Iterator[str]:
    """Go through the log in its order, and hold each execution against what was known before it."""
    answered: dict[tuple[str, str], Fact] = {}
    begun: dict[tuple[str, str], int] = {}
    reported: dict[tuple[str, str], int] = {}
    began_at: dict[tuple[str, str, int], int] = {}
    failed: set[tuple[str, str, int]] = set()
    for fact in facts:
        if fact["fact"] not in ("begin", "answered", "reported"):
            continue
        key = (fact["run"], fact["activity"])
        if fact["fact"] == "answered":
            if fact["outcome"] == "failed":
                failed.add((*key, fact["attempt"]))
            elif key in answered and fact["attempt"] and answered[key]["attempt"]:
                yield f"invariant 26: two outcomes of one activity were acknowledged: {answered[key]} and {fact}"
            else:
                answered[key] = fact
        elif fact["fact"] == "reported":
            reported[key] = fact["number"]
        else:
            if key in answered:
                yield f"invariant 3: executed again after its completion was acknowledged: {fact}"
            if fact["attempt"] <= begun.get(key, 0):
                yield f"invariant 29: attempt {begun[key]} began before: {fact}"
            begun[key] = fact["attempt"]
            if "reached" in fact and fact["reached"] < reported.get(key, 0):
                yield f"invariant 29: acknowledged heartbeat {reported[key]} is lost: {fact}"
            before = (*key, fact["attempt"] - 1)
            yield from _fits_its_schedule(fact, runs.get(fact["run"]), began_at[before] if before in failed else None)
            began_at[*key, fact["attempt"]] = fact["at"]


def _pauses(facts: list[Fact]) -> Iterator[str]:
    """No attempt starts between the acknowledgement of a pause and the wish that the run goes on."""
    paused_ns = None
    for fact in facts:
        match fact["fact"]:
            case "paused":
                paused_ns = paused_ns or fact["at"]
            case "unpausing":
                paused_ns = None
            case "begin" if "started" in fact and paused_ns is not None and fact["started"] > paused_ns:
                yield f"it began while its run was paused: {fact}"


def _streams(facts: list[Fact], database: Path) -> Iterator[str]:
    """What was acknowledged is there, and each attempt's numbers once and in order."""
    acknowledged = [fact for fact in facts if fact["fact"] == "said"]
    if not acknowledged:
        return  # perhaps it was killed before there was a place for streams
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT run_id, activity_id, attempt, start, streams.events FROM streams JOIN runs USING (run_key) "
            "ORDER BY last_offset"
        ).fetchall()
    said: dict[tuple[str, str, int, str], list[int]] = {}
    for run_id, activity_id, attempt, start, events in rows:
        numbers = [each for each in json.loads(Payload.FromString(events).data) if isinstance(each, int)]
        said.setdefault((run_id, activity_id, attempt, start), []).extend(numbers)
    for key, numbers in said.items():
        if numbers != list(range(len(numbers))):
            yield f"an attempt's stream tells twice, or not in order: {key}: {numbers}"
    for fact in acknowledged:
        of = (fact["run"], fact["activity"], fact["attempt"])
        if not any(key[:3] == of and fact["number"] in numbers for key, numbers in said.items()):
            yield f"an acknowledged event of a stream is lost: {fact}"


def _fits_its_schedule(fact: Fact, run: Run | None, failed_after_ns: int | None) -> Iterator[str]:
    """`failed_after_ns`: when the attempt before began, if it is known to have failed (and not to be lost)."""
    scheduled = None if run is None else _scheduled(run).get(fact["activity"])
    if run is None or scheduled is None:
        yield f"invariant 14: executed, but the store does not know of it: {fact}"
        return
    attributes = run.events[scheduled - 1].activity_task_scheduled_event_attributes
    most = attributes.retry_policy.maximum_attempts
    if most and fact["attempt"] > most:
        yield f"invariant 27: attempt {fact['attempt']} of at most {most}: {fact}"
    if failed_after_ns is not None and attributes.activity_type.name == "flaky":
        backoff_ns = attributes.retry_policy.initial_interval.ToNanoseconds()
        if fact["at"] < failed_after_ns + backoff_ns:
            yield f"invariant 29: it began before its back-off of {backoff_ns} ns ended: {fact}"


# ---- how it ends -------------------------------------------------------------------------------------


def _ends(facts: list[Fact], runs: list[Run]) -> Iterator[str]:
    results = {fact["workflow"]: fact["result"] for fact in facts if fact["fact"] == "result"}
    for workflow_id, expected in RESULTS.items():
        if results.get(workflow_id) != expected:
            yield f"workflow {workflow_id} ended with {results.get(workflow_id)!r}, expected {expected!r}"
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.workflow_id] = counts.get(run.workflow_id, 0) + 1
        if run.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
            yield f"workflow {run.workflow_id} run {run.run_id} is still open"
    if counts != RUNS:
        yield f"invariant 34: runs of each workflow: {counts}, expected {RUNS}"
    kills = sum(fact["fact"] == "process" for fact in facts) - 1
    yield from _nothing_lost_without_reason(facts, runs, results, kills)
    signals = [
        event.workflow_execution_signaled_event_attributes.signal_name
        for run in runs
        for event in run.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]
    if sorted(signals) != [*(f"signal-{number}" for number in range(scenario.SIGNALS)), "word", "word"]:
        yield f"invariants 2, 21: signals in history: {signals}"
    told = [name for name in signals if name != "word"]
    if told != sorted(told):
        yield f"invariant 21: signals out of order: {told}"
    yield from _local_activities(facts, runs)


def _local_activities(facts: list[Fact], runs: list[Run]) -> Iterator[str]:
    """Each is recorded once, and was run at least once."""
    ran = [fact["run"] for fact in facts if fact["fact"] == "local"]
    for run in runs:
        markers = sum(
            event.marker_recorded_event_attributes.marker_name == "core_local_activity"
            for event in run.events
            if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
        )
        if markers != (run.workflow_id == "family"):
            yield f"{run.workflow_id} has {markers} local activities in history"
        if markers and run.run_id not in ran:
            yield f"a local activity of {run.workflow_id} was recorded and did not run"


def _nothing_lost_without_reason(
    facts: list[Fact], runs: list[Run], results: dict[str, Any], kills: int
) -> Iterator[str]:
    """An activity may be begun once more for each kill, and one with a single attempt be lost for each."""
    once = results.get("at_most_once") or []
    if len(once) != 3 or once.count("lost") > kills or set(once) - {"ran", "lost"}:
        yield f"invariant 27: {once} after {kills} kills"
    expected_failures = {"flaky": 2, "count_up": 1, "slow_once": 1_000}  # a slow machine makes it time out more often
    types = {
        (
            run.run_id,
            event.activity_task_scheduled_event_attributes.activity_id,
        ): event.activity_task_scheduled_event_attributes.activity_type.name
        for run in runs
        for event in run.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    }
    begins = [(fact["run"], fact["activity"], fact["attempt"]) for fact in facts if fact["fact"] == "begin"]
    for run_id, activity_id, attempt in begins:
        most = 1 + kills + expected_failures.get(types[run_id, activity_id], 0)
        if attempt > most:
            yield f"invariant 29: attempt {attempt} of {types[run_id, activity_id]} after {kills} kills"
