"""The local activities of one run: which run, which ended, and what history says of those that ended before.

Made when a run's code first calls one. The worker takes from here what to run and leaves here how it ended; the code
is told only while a workflow task is in work, one outcome at a time, so that a replay can do the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from tsuzuki.activity import ActivityCancellationDetails

if TYPE_CHECKING:
    from ._machines._local_activity import LocalActivityMachine
    from ._machines._local_activity_marker import LocalOutcome, RecordedOutcome
    from ._workflow_run import WorkflowRun

GoOn: TypeAlias = Callable[..., None]
"""Runs further code of a run: `_activation.go_on`."""

_EVICTED: Final = ActivityCancellationDetails(not_found=True)


class LocalCalls:
    """See the module.

    Attributes:
        running: Calls whose outcome the code was not told, by number.
        to_start: Those of them that the worker has not taken up.
        arrived: Outcomes that the code is still to be told of, in their order.
        waiter: Done when something arrives; whoever holds the workflow task open waits for it.
    """

    __slots__ = ("_calls", "_shown", "arrived", "running", "to_start", "waiter")

    def __init__(self) -> None:
        self.running: dict[int, LocalActivityMachine] = {}
        self.to_start: list[LocalActivityMachine] = []
        self.arrived: deque[tuple[LocalActivityMachine, LocalOutcome]] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self._calls: dict[int, LocalActivityMachine] = {}  # up to the event of their marker
        self._shown: dict[int, RecordedOutcome] = {}  # markers of this workflow task that nobody was told of

    # ---- asked by the machines -----------------------------------------------------------------------------

    def add(self, machine: LocalActivityMachine) -> None:
        """Take in a call."""
        self._calls[machine.seq] = machine

    def request(self, machine: LocalActivityMachine) -> None:
        """Have the worker run a call."""
        self.running[machine.seq] = machine
        self.to_start.append(machine)

    def ended(self, machine: LocalActivityMachine) -> None:
        """Its outcome is known."""
        del self.running[machine.seq]
        if machine in self.to_start:
            self.to_start.remove(machine)

    def forget(self, machine: LocalActivityMachine) -> None:
        """Its marker is in history."""
        del self._calls[machine.seq]

    def find(self, seq: int) -> LocalActivityMachine | None:
        """Return a call whose marker is not in history yet."""
        return self._calls.get(seq)

    def first_replaying(self) -> LocalActivityMachine | None:
        """Return the first call that the code waits for and history has no marker of, as far as it is known."""
        return next((machine for machine in self._calls.values() if machine.is_replaying), None)

    # ---- replay --------------------------------------------------------------------------------------------

    def show(self, recorded: RecordedOutcome) -> None:
        """Take note of a marker of the workflow task whose code runs next."""
        self._shown[recorded.seq] = recorded

    def take_shown(self, seq: int) -> RecordedOutcome | None:
        """Use a marker before its turn."""
        return self._shown.pop(seq, None)

    def begin_task(self, run: WorkflowRun) -> None:
        """Prepare for the code of a workflow task.

        With nothing left to replay, calls that history has no marker of are run. Otherwise what the code was told
        when the workflow task began is told then.
        """
        if run.replaying:
            run.jobs[:0] = self.told_along(run)
            return
        self._shown.clear()
        for machine in tuple(self._calls.values()):
            machine.go_live(run)

    def replay(self, run: WorkflowRun, go_on: GoOn) -> None:
        """Tell the code what it was told in this workflow task, in the same order and the same steps."""
        if not run.replaying:
            return
        while self._shown and not run.finished and run.failed_by is None:
            jobs = list(self._next_step(run))
            if not jobs:
                return
            go_on(run, *jobs)
        if run.finished:  # the code that cancelled it, perhaps, did not stay to hear of it
            list(self._take(run, lambda recorded: True))

    def told_along(self, run: WorkflowRun) -> list[tuple[Any, ...]]:
        """On replay, the outcomes that the code was told of together with what else it is told of next.

        That is, what begins a workflow task, or what follows from commands of the code.
        """
        if not run.replaying:
            return []
        return list(self._take(run, lambda recorded: recorded.activation == run.activations))

    def _next_step(self, run: WorkflowRun) -> Iterator[tuple[Any, ...]]:
        """The outcomes that the code was told of together; those of old SDKs count as told one by one."""
        first = next((recorded for recorded in self._shown.values() if recorded.seq in self._calls), None)
        if first is None:
            return iter(())
        together = first.activation
        return self._take(run, lambda recorded: recorded is first or (together and recorded.activation == together))

    def _take(self, run: WorkflowRun, wanted: Callable[[RecordedOutcome], object]) -> Iterator[tuple[Any, ...]]:
        for recorded in tuple(self._shown.values()):
            machine = self._calls.get(recorded.seq)
            if machine is not None and wanted(recorded):
                del self._shown[recorded.seq]
                yield machine.tell, run, machine.replay(run, recorded)

    # ---- asked by the worker -------------------------------------------------------------------------------

    def arrive(self, machine: LocalActivityMachine, outcome: LocalOutcome) -> None:
        """Leave an outcome for the code."""
        self.arrived.append((machine, outcome))
        self.wake()

    def wake(self) -> None:
        """Have whoever holds the workflow task look again."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def tell_next(self, run: WorkflowRun, go_on: GoOn) -> None:
        """Run the code with the outcome that arrived first."""
        machine, outcome = self.arrived.popleft()
        if self.running.get(machine.seq) is machine:  # not cancelled meanwhile
            machine.end(run, outcome)
            go_on(run, (machine.tell, run, outcome))

    def close(self, details: ActivityCancellationDetails = _EVICTED) -> None:
        """Stop what runs; nobody will be told how it ends."""
        for machine in self.running.values():
            if machine.execution is not None:
                machine.execution.drop(details)
        for machine in self._calls.values():
            machine.forget()
        for kept in (self.running, self.to_start, self.arrived, self._calls, self._shown):
            kept.clear()
        self.wake()


def no_local_activities(name: str) -> NoReturn:
    """Refuse any local activity: the worker runs none.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f"local activity {name!r} cannot run: this worker has no activities; a local activity is run by the worker "
        "that runs the workflow, so give it to that one: Worker(..., activities=[...])"
    )
