"""Schedules and batch operations, killed with SIGKILL at one moment of the store after another, in a given folder.

Each time a forked process plays the scenario until it is killed, and another one plays it again on the same database,
to its end, and holds what it finds against what there must be. Time is virtual, so a kill costs some tens of
milliseconds. Prints a line for each finding, and last how many kills there were.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from temporalio.api.batch.v1 import BatchOperationSignal, BatchOperationTermination
from temporalio.api.enums.v1 import BatchOperationState, ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import Schedule
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DescribeBatchOperationRequest,
    DescribeScheduleRequest,
    ListWorkflowExecutionsRequest,
    StartBatchOperationRequest,
    StartWorkflowExecutionRequest,
)

from tsuzuki.engine import _batch_operations
from tsuzuki.service import ServiceError
from tsuzuki.store import SqliteStore, check_store
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point, VirtualClock
from tsuzuki.testing._local_server import NAMESPACE, QUEUE

TARGETS: Final = 5
MINUTES: Final = 4
MINUTE_NS: Final = 60 * 10**9
PLAYED: Final = timedelta(minutes=2 * MINUTES + 1)
"""Longer than one play takes, in virtual time."""
POINTS: Final = (Point.BEFORE_COMMIT, Point.AFTER_COMMIT)
COMPLETED: Final = BatchOperationState.BATCH_OPERATION_STATE_COMPLETED


def play(server: LocalServer) -> None:
    """Whatever of it was done by an earlier process is not done again."""
    schedule = Schedule()
    schedule.spec.interval.add().interval.seconds = 60
    schedule.policies.overlap_policy = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
    action = schedule.action.start_workflow
    action.workflow_id, action.workflow_type.name, action.task_queue.name = "scheduled", "Workflow", QUEUE
    request = CreateScheduleRequest(namespace=NAMESPACE, schedule_id="s", schedule=schedule, request_id="r")
    server.call(server.service.create_schedule(request))
    for number in range(TARGETS):
        start = StartWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id=f"target{number}", request_id="r")
        start.workflow_type.name, start.task_queue.name = "Target", QUEUE
        server.call(server.service.start_workflow_execution(start))
    _batch(server, StartBatchOperationRequest(job_id="signals", signal_operation=BatchOperationSignal(signal="s")))
    server.advance(timedelta(minutes=MINUTES))
    _batch(server, StartBatchOperationRequest(job_id="ends", termination_operation=BatchOperationTermination()))
    server.advance(timedelta(minutes=MINUTES))


def _batch(server: LocalServer, request: StartBatchOperationRequest) -> None:
    request.namespace, request.reason, request.visibility_query = NAMESPACE, "because", "WorkflowType = 'Target'"
    try:
        server.call(server.service.start_batch_operation(request))
    except ServiceError as error:
        if "already" not in error.message:  # else an earlier process has begun it
            raise


def findings(server: LocalServer) -> list[str]:
    found = []
    asked = DescribeScheduleRequest(namespace=NAMESPACE, schedule_id="s")
    info = server.call(server.service.describe_schedule(asked)).info
    first = info.create_time.ToNanoseconds() // MINUTE_NS + 1
    times = range(first, server.clock.now_ns() // MINUTE_NS + 1)
    started = _runs(server, "WorkflowType = 'Workflow'")
    if sorted(started.values()) != [1] * len(times) or info.action_count != len(times):
        found.append(f"{len(times)} times came, started were {dict(started)}; counted {info.action_count}")
    for job_id in ("signals", "ends"):
        batch = DescribeBatchOperationRequest(namespace=NAMESPACE, job_id=job_id)
        told = server.call(server.service.describe_batch_operation(batch))
        if (told.state, told.complete_operation_count, told.failure_operation_count) != (COMPLETED, TARGETS, 0):
            found.append(f"batch operation {job_id}: {told}")
    for number in range(TARGETS):
        words = server.notation(f"target{number}")
        if words != "Started | WorkflowTaskScheduled | Signaled s | Terminated":
            found.append(f"target{number}: {words}")
    return found


def _runs(server: LocalServer, query: str) -> Counter[str]:
    request = ListWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    listed = server.call(server.service.list_workflow_executions(request)).executions
    return Counter(info.execution.workflow_id for info in listed)


# ---- processes ---------------------------------------------------------------------------------------


def in_fork(work: Callable[[], object]) -> int:
    """Run in a process of its own: its exit code, or the negative number of the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def until_killed(database: Path, kill: Moment) -> None:
    store = FaultyStore(SqliteStore.open(database), {kill: Fault.KILLED})
    with LocalServer(store) as server:
        play(server)


def to_the_end(database: Path, where: str) -> None:
    clock = VirtualClock()
    clock.step(PLAYED)
    with LocalServer(SqliteStore.open(database), clock=clock) as server:
        play(server)
        for finding in findings(server):
            print(f"{where}: {finding}")
    for problem in check_store(database):
        print(f"{where}: {problem}")


def main(folder: Path) -> None:
    _batch_operations.STEP_RUNS_MAX = 2  # so that a batch takes several commits
    kills = 0
    for point in POINTS:
        number = 1
        while True:
            database = folder / f"{point.name}{number}.db"
            where = f"killed {point.value} {number}"
            ended = in_fork(partial(until_killed, database, Moment(point, number)))
            if ended == 0:
                break  # the scenario has no moment of this number
            if ended != -signal.SIGKILL:
                print(f"{where}: ended with {ended}")
            if in_fork(partial(to_the_end, database, where)):
                print(f"{where}: did not go on")
            kills += 1
            number += 1
            for file in folder.iterdir():
                with suppress(FileNotFoundError):
                    file.unlink()
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
