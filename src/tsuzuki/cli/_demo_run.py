"""One process's share of a research run: start it or go on with it, watch it, and account for it at the end.

The engine, the worker and the watcher run in this process. Killing it anywhere loses nothing that was
recorded: the next process finds the run by its id, which is made of the question and the corpus.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowNotFoundError
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.demo import (
    SEARCHES,
    Question,
    Report,
    Research,
    check_documents,
    make_plan,
    read_executions,
    search,
    write_report,
)
from tsuzuki.worker import Worker

from ._demo_proof import prove
from ._demo_state import RunState, State
from ._demo_view import View

PARALLEL: Final = 4
REFRESH_S: Final = 0.1

_ResearchHandle = WorkflowHandle[Research, Report]


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    question: str
    db: Path
    corpus: str
    crash_after: int | None
    new: bool
    search_seconds: float

    @property
    def workflow_id(self) -> str:
        """The same for the same question about the same corpus."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.question.lower()).strip("-")[:40]
        digest = hashlib.sha256(f"{self.question}\0{self.corpus}".encode()).hexdigest()[:8]
        return f"research-{slug}-{digest}"


@dataclass(frozen=True)
class Outcome:
    """A finished run: its report, lines that account for it, and whether a search ran that should not have."""

    report: Report
    closing: Sequence[str]
    repeated: bool = False


async def research(order: Order, view: View) -> Outcome:
    """Answer a question from the database, or by a run that is new or goes on from where it stopped.

    Raises:
        StoreError: The database cannot be used.
        CorpusError: The corpus cannot be read.
        RPCError: The engine stopped answering, as when the disk is full.
        WorkflowFailureError: The run failed.
    """
    if not order.db.exists():
        check_documents(order.corpus)  # rather than leave a new database behind
    async with await Client.connect(f"sqlite:///{order.db.absolute()}") as client:
        handle = client.get_workflow_handle_for(Research.run, order.workflow_id)
        status = None if order.new else await _status(handle)
        if status is WorkflowExecutionStatus.COMPLETED:
            line = f"This question was answered before: the report comes from {order.db}. --new starts again."
            return Outcome(await handle.result(), [line])
        check_documents(order.corpus)
        with view:
            if status is WorkflowExecutionStatus.RUNNING:
                view.say(f"Resuming from {order.db}: {order.question}")
            else:
                view.say(f"Starting: {order.question}")
                await _start(client, order)
            return await _attend(client, handle, order, view)


async def _status(handle: _ResearchHandle) -> WorkflowExecutionStatus | None:
    try:
        return (await handle.describe()).status
    except WorkflowNotFoundError:
        return None


async def _start(client: Client, order: Order) -> None:
    question = Question(
        text=order.question,
        corpus=order.corpus,
        log=f"{order.db.absolute()}.searches.log",
        seconds=order.search_seconds,
    )
    # A task queue of its own: this process attends to this run and leaves others in the file as they are.
    await client.start_workflow(
        Research.run,
        question,
        id=order.workflow_id,
        task_queue=order.workflow_id,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        static_summary=order.question[:200],
    )


async def _attend(client: Client, handle: _ResearchHandle, order: Order, view: View) -> Outcome:
    """Work on the run and show it until it is finished."""
    run = RunState(client.data_converter)
    before = (await handle.fetch_history()).events  # no worker yet: this is what earlier processes recorded
    for event in before:
        run.apply(event, restored=True)
    if restored := run.recorded():
        view.say(f"{restored} of {SEARCHES} searches are recorded and will not run again.")
    async with Worker(
        client,
        task_queue=order.workflow_id,
        workflows=[Research],
        activities=[make_plan, search, write_report],
        max_concurrent_activities=PARALLEL,
    ):
        events = await _watch(handle, run, view, len(before), order.crash_after)
        report = await handle.result()
    proof = prove(events, read_executions(_question(client, events).log, await _run_id(handle)))
    ran = run.recorded(State.DONE)
    summary = f"{SEARCHES} searches: {restored} restored from {order.db}, {ran} ran in this process ({os.getpid()})."
    closing = [f"The report was written by the {report.written_by}.", summary, proof.line]
    return Outcome(report, closing, proof.repeated)


async def _watch(
    handle: _ResearchHandle, run: RunState, view: View, known: int, crash_after: int | None
) -> list[HistoryEvent]:
    """Follow the history until the run closes, and draw in between. Gives the whole history."""
    events = []
    drawing = asyncio.create_task(_draw(handle, run, view), name="draw the run")
    try:
        already = run.recorded()
        async for event in handle.fetch_history_events(wait_new_event=True):
            events.append(event)
            if event.event_id > known:
                run.apply(event, restored=False)
            if crash_after is not None and already < crash_after <= run.recorded():
                _crash(run, view)
            if drawing.done():
                drawing.result()  # it only ends with an error
    finally:
        drawing.cancel()
    view.show(run)
    return events


async def _draw(handle: _ResearchHandle, run: RunState, view: View) -> NoReturn:
    while True:
        description = await handle.describe()
        task = description.pending_workflow_task
        run.stuck = str(task.last_failure) if task is not None and task.last_failure is not None else ""
        run.observe(description.pending_activities, datetime.now(UTC))
        view.show(run)
        await asyncio.sleep(REFRESH_S)


def _crash(run: RunState, view: View) -> NoReturn:
    """What --crash-after asks for: no clean-up, no farewell to the engine, as the power failing would."""
    view.show(run)
    view.__exit__(None, None, None)  # SIGKILL would leave the terminal without a cursor
    view.say(f"{run.recorded()} searches are recorded. kill -9 {os.getpid()}")
    sys.stderr.flush()
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive after SIGKILL")


async def _run_id(handle: _ResearchHandle) -> str:
    return (await handle.describe()).run_id


def _question(client: Client, events: Sequence[HistoryEvent]) -> Question:
    """What the run was started with; its log may lie elsewhere than this command line would put it."""
    started = events[0]
    assert started.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    payloads = started.workflow_execution_started_event_attributes.input.payloads
    question: Question = client.data_converter.payload_converter.from_payloads(payloads, [Question])[0]
    return question
