"""Batch operations: one thing done to every run that a filter finds, a few runs a commit.

Owns: the operations of a store and how far each has come. Runs are taken in the order of their keys, up to the last one
that existed when the operation began; what is done to them and the place that was reached are in one commit, so a crash
neither repeats an effect nor leaves a run out. A run that no longer fits the filter when its turn comes is left alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Final

from temporalio.api.enums.v1 import BatchOperationState
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    DescribeBatchOperationResponse,
    ListBatchOperationsRequest,
    ListBatchOperationsResponse,
    StartBatchOperationRequest,
    StartBatchOperationResponse,
    StopBatchOperationRequest,
    StopBatchOperationResponse,
)

from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import InvalidInput, NotFound, Refusal, TooMuch
from tsuzuki.core.times import SECOND, set_time
from tsuzuki.service import ServiceError
from tsuzuki.store import Batch, Condition, Record

from ._batch_effects import EFFECTS, Effect
from ._engine import Engine
from ._listing import condition_of
from ._lists_aside import ListsAside
from ._refusals import refusals_as_errors

logger = logging.getLogger("tsuzuki.engine")

KIND: Final = "batch"
STEP_RUNS_MAX: Final = 100
"""Runs of one commit."""
STEP_LOOKED_AT_MAX: Final = 20_000
"""Runs that one step looks at to find those, as nothing else runs meanwhile."""
KEPT_MAX: Final = 1000
"""Operations of a namespace that are remembered; the oldest ended ones go."""
_PAGE_DEFAULT: Final = 100
_RUNNING: Final = int(BatchOperationState.BATCH_OPERATION_STATE_RUNNING)
_COMPLETED: Final = int(BatchOperationState.BATCH_OPERATION_STATE_COMPLETED)
_FAILED: Final = int(BatchOperationState.BATCH_OPERATION_STATE_FAILED)


@dataclass(slots=True)
class _Progress:
    """What is stored of an operation besides its request."""

    state: int
    started_ns: int
    until: int
    """The last run key that existed when it began."""
    place: int = 0
    """The last run key that was looked at; of given runs, how many were."""
    total: int = 0
    done: int = 0
    failed: int = 0
    closed_ns: int = 0


@dataclass(slots=True)
class _Operation:
    asked: StartBatchOperationRequest
    progress: _Progress
    task: asyncio.Task[None] | None = field(default=None)

    @property
    def which(self) -> str:
        """The field of the request that says what is done."""
        return str(self.asked.WhichOneof("operation"))

    @property
    def effect(self) -> Effect:
        return EFFECTS[self.which]


class BatchOperations:
    def __init__(self, engine: Engine, aside: ListsAside) -> None:
        self._engine = engine
        self._aside = aside
        self._operations: dict[tuple[str, str], _Operation] = {}
        engine.recovery.when_started_over(self._read)
        engine.when_namespace_gone(self._forget_namespace)
        self._read()

    def _read(self) -> None:
        """Know what the store knows, and go on: at opening, and after a failed commit, which may be on disk."""
        for record in self._engine.store.records(KIND):
            key = (record.namespace, record.name)
            progress = _Progress(**json.loads(record.state))
            if key not in self._operations:
                self._operations[key] = _Operation(StartBatchOperationRequest.FromString(record.asked), progress)
            self._operations[key].progress = progress
            self._go_on(self._operations[key])

    def _forget_namespace(self, namespace: str) -> None:
        """Its records go with it."""
        for operation in list(self._of(namespace)):
            if operation.task is not None:
                operation.task.cancel()
            del self._operations[namespace, operation.asked.job_id]

    def close(self) -> None:
        for operation in self._operations.values():
            if operation.task is not None:
                operation.task.cancel()

    # ---- the RPCs ----------------------------------------------------------------------------------

    async def start(self, request: StartBatchOperationRequest) -> StartBatchOperationResponse:
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        await engine.durable()
        with refusals_as_errors():
            self._check(request)
            condition = self._condition(request)
        total = len(request.executions)
        if condition is not None:
            total = await self._aside.ask(lambda lists: lists.count_runs(request.namespace, condition))
            engine.check_writable()
            with refusals_as_errors():
                self._check(request)  # another one may have begun meanwhile
        progress = _Progress(_RUNNING, engine.clock.now_ns(), engine.store.last_run_key, total=total)
        operation = _Operation(request, progress)
        self._operations[request.namespace, request.job_id] = operation
        self._put(operation)
        self._forget_oldest(request.namespace)
        try:
            await engine.durable()
        except ServiceError:
            self._operations.pop((request.namespace, request.job_id), None)
            raise
        self._go_on(operation)
        return StartBatchOperationResponse()

    def _check(self, request: StartBatchOperationRequest) -> None:
        if not request.job_id:
            raise InvalidInput("JobId is not set on request; give the operation a name of its own.")
        check_id("the job id", request.job_id, self._engine.limits)
        which = request.WhichOneof("operation")
        if not request.reason or which is None or not (request.visibility_query or request.executions):
            raise InvalidInput(
                "must provide required parameters: BatchType,Reason,Namespace, AND one of (Query OR Executions)."
            )
        if request.visibility_query and request.executions:
            raise InvalidInput("visibility query and executions are mutually exclusive; give one of them.")
        if which not in EFFECTS:
            raise InvalidInput(f"{which} is not offered by this server; expected one of {', '.join(EFFECTS)}.")
        EFFECTS[which].check(request, self._engine.limits_of(request.namespace))
        if (request.namespace, request.job_id) in self._operations:
            raise InvalidInput(f"there is a batch operation '{request.job_id}' already; give this one another job id.")
        for operation in self._of(request.namespace):
            if operation.progress.state == _RUNNING:
                raise TooMuch(
                    f"Max concurrent batch operations is reached: '{operation.asked.job_id}' still runs, and a "
                    "namespace has one at a time. Wait for it, or stop it."
                )

    def _condition(self, request: StartBatchOperationRequest) -> Condition | None:
        if request.executions:
            return None
        return condition_of(self._engine, request.namespace, request.visibility_query)

    async def stop(self, request: StopBatchOperationRequest) -> StopBatchOperationResponse:
        """What is done stays done."""
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            operation = self._find(request.namespace, request.job_id)
            if operation.progress.state != _RUNNING:
                raise NotFound(f"batch operation '{request.job_id}' has ended already.")
        self._end(operation, _FAILED)
        await engine.durable()
        return StopBatchOperationResponse()

    async def describe(self, request: DescribeBatchOperationRequest) -> DescribeBatchOperationResponse:
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        await engine.durable_if_writable()
        with refusals_as_errors():
            if not request.job_id:
                raise InvalidInput("JobId is not set on request.")
            operation = self._find(request.namespace, request.job_id)
        asked, progress = operation.asked, operation.progress
        response = DescribeBatchOperationResponse(
            operation_type=operation.effect.kind,
            job_id=asked.job_id,
            state=BatchOperationState.ValueType(progress.state),
            total_operation_count=progress.total,
            complete_operation_count=progress.done,
            failure_operation_count=progress.failed,
            identity=getattr(asked, operation.which).identity,
            reason=asked.reason,
            query=asked.visibility_query,
        )
        set_time(response.start_time, progress.started_ns)
        if progress.closed_ns:
            set_time(response.close_time, progress.closed_ns)
        return response

    async def list(self, request: ListBatchOperationsRequest) -> ListBatchOperationsResponse:
        """The newest first."""
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        await engine.durable_if_writable()
        newest = sorted(self._of(request.namespace), key=lambda each: (-each.progress.started_ns, each.asked.job_id))
        keys = [json.dumps([each.progress.started_ns, each.asked.job_id]).encode() for each in newest]
        first = 0
        if request.next_page_token:
            if request.next_page_token not in keys:
                with refusals_as_errors():
                    raise InvalidInput("next_page_token is none of this engine's; pass the token as it was received.")
            first = keys.index(request.next_page_token) + 1
        size = request.page_size if request.page_size > 0 else _PAGE_DEFAULT
        response = ListBatchOperationsResponse()
        for operation in newest[first : first + size]:
            info = response.operation_info.add(
                job_id=operation.asked.job_id,
                state=BatchOperationState.ValueType(operation.progress.state),
                operation_type=operation.effect.kind,
            )
            set_time(info.start_time, operation.progress.started_ns)
            if operation.progress.closed_ns:
                set_time(info.close_time, operation.progress.closed_ns)
        if first + size < len(newest):
            response.next_page_token = keys[first + size - 1]
        return response

    # ---- what is known -----------------------------------------------------------------------------

    def _of(self, namespace: str) -> Iterator[_Operation]:
        return (operation for (owner, _), operation in self._operations.items() if owner == namespace)

    def _find(self, namespace: str, job_id: str) -> _Operation:
        operation = self._operations.get((namespace, job_id))
        if operation is None:
            raise NotFound(f"there is no batch operation '{job_id}' in namespace '{namespace}'.")
        return operation

    def _put(self, operation: _Operation) -> None:
        asked = operation.asked
        state = json.dumps(asdict(operation.progress)).encode()
        record = Record(KIND, asked.namespace, asked.job_id, asked.SerializeToString(), state)

        def put(batch: Batch) -> None:
            batch.records.append(record)

        self._engine.journal.put(put)

    def _forget_oldest(self, namespace: str) -> None:
        ended = sorted(
            (each for each in self._of(namespace) if each.progress.state != _RUNNING),
            key=lambda each: each.progress.started_ns,
        )
        gone = [(KIND, namespace, each.asked.job_id) for each in ended[: max(0, len(ended) - KEPT_MAX)]]
        if gone:
            for _, _, job_id in gone:
                del self._operations[namespace, job_id]
            self._engine.journal.put(lambda batch: batch.records_gone.extend(gone))

    # ---- going on ----------------------------------------------------------------------------------

    def _go_on(self, operation: _Operation) -> None:
        if operation.progress.state == _RUNNING and (operation.task is None or operation.task.done()):
            name = f"batch operation {operation.asked.job_id}"
            operation.task = self._engine.loop.create_task(self._run(operation), name=name)

    async def _run(self, operation: _Operation) -> None:
        while operation.progress.state == _RUNNING:
            try:
                self._engine.check_writable()
                self._step(operation)
                await self._engine.durable()
            except ServiceError:  # nothing of this step may be on disk, or all of it: by then it is known
                await self._until_writable()
            except Exception:
                logger.exception("batch operation %s broke and is ended", operation.asked.job_id)
                self._end(operation, _FAILED)
            if operation.asked.max_operations_per_second > 0:
                await self._pause()

    def _step(self, operation: _Operation) -> None:
        """Act on the next few runs; all in one transaction, as nothing here waits."""
        asked, progress = operation.asked, operation.progress
        size = min(STEP_RUNS_MAX, operation.effect.runs_max)
        if asked.max_operations_per_second > 0:
            size = max(1, int(min(asked.max_operations_per_second, size)))
        if asked.executions:
            given = asked.executions[progress.place : progress.place + size]
            runs = [self._engine.runs.find(asked.namespace, each.workflow_id, each.run_id) for each in given]
            progress.place += len(given)
            is_last = progress.place >= len(asked.executions)
        else:
            condition = condition_of(self._engine, asked.namespace, asked.visibility_query)
            until = min(progress.until, progress.place + STEP_LOOKED_AT_MAX)
            keys = self._engine.store.matching_run_keys(asked.namespace, condition, progress.place, until, size)
            runs = [self._engine.runs.get(key) for key in keys]
            progress.place = until if len(keys) < size else keys[-1]
            is_last = progress.place >= progress.until
        for run in runs:
            if self._act(run, operation):
                progress.done += 1
            else:
                progress.failed += 1
        progress.total = max(progress.total, progress.done + progress.failed)
        if is_last:
            self._end(operation, _COMPLETED)
        else:
            self._put(operation)

    def _act(self, run: Execution | None, operation: _Operation) -> bool:
        """True if it is done, or there was nothing (any more) to do it to."""
        effect = operation.effect
        if run is None:
            return not effect.needs_run
        if run.key in self._engine.left_alone:
            return False
        try:
            effect.do(self._engine, run, operation.asked)
        except NotFound:
            return True
        except Refusal:
            return False
        except ServiceError:
            if not self._engine.writable:
                raise
            return False  # another run that it has to do with is left alone
        return True

    def _end(self, operation: _Operation, state: int) -> None:
        operation.progress.state = state
        operation.progress.closed_ns = self._engine.clock.now_ns()
        self._put(operation)

    async def _until_writable(self) -> None:
        future, wake = self._signal()
        if self._engine.recovery.when_writable(wake):
            await future

    async def _pause(self) -> None:
        future, wake = self._signal()
        self._engine.clock.call_at(self._engine.clock.now_ns() + SECOND, wake)
        await future

    def _signal(self) -> tuple[asyncio.Future[None], Callable[[], None]]:
        future: asyncio.Future[None] = self._engine.loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        return future, wake
