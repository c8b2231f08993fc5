"""What a scenario drives its workflows with: starting, waiting for a named moment, noting what a caller sees."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import temporalio.exceptions
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

import tsuzuki.client
import tsuzuki.exceptions
from differential._notation import Notation

PATIENCE_S = 120.0


class Driver:
    """One run of one scenario. `client` is the official one or ours; both have the same methods."""

    def __init__(
        self,
        client: Any,
        *,
        pause: Callable[[], Awaitable[None]],
        worker: Callable[..., AbstractAsyncContextManager[None]],
    ) -> None:
        self.client = client
        self.queue = f"queue-{uuid.uuid4().hex}"
        self.other_queue = f"{self.queue}-other"
        self._worker = worker
        self._ids: dict[str, str] = {}
        self._watched: list[Any] = []
        self._notes: list[str] = []
        self.pause = pause

    def workflow_id(self, name: str = "workflow") -> str:
        """A unique id that transcripts show as `<name>`."""
        for unique, shown in self._ids.items():
            if shown == f"<{name}>":
                return unique
        unique = f"{name}-{uuid.uuid4().hex}"
        self._ids[unique] = f"<{name}>"
        return unique

    async def start(self, run: Any, *args: Any, name: str = "workflow", **options: Any) -> Any:
        """Start a workflow on this scenario's queue; its history becomes part of the transcript."""
        options.setdefault("task_queue", self.queue)
        handle = await self.client.start_workflow(run, args=args, id=self.workflow_id(name), **options)
        self.watch(handle)
        return handle

    def watch(self, handle: Any) -> None:
        """Make the history of this run part of the transcript."""
        run_id = handle.run_id or handle.result_run_id or handle.first_execution_run_id
        self._watched.append(self.client.get_workflow_handle(handle.id, run_id=run_id))

    def other_worker(self, **options: Any) -> AbstractAsyncContextManager[None]:
        """A second worker, with the same program, on the other queue."""
        return self._worker(self.other_queue, **options)

    def note(self, text: object) -> None:
        """Add what a caller saw to the transcript."""
        self._notes.append(str(text))

    async def watch_next_run(self, handle: Any) -> Any:
        """Make the run that followed this one part of the transcript; gives its handle."""
        history = await self.client.get_workflow_handle(
            handle.id, run_id=handle.run_id or handle.first_execution_run_id
        ).fetch_history()
        last = history.events[-1]
        closed = getattr(last, last.WhichOneof("attributes"))
        following = self.client.get_workflow_handle(handle.id, run_id=closed.new_execution_run_id)
        self.watch(following)
        return following

    async def outcome(self, handle: Any, **options: Any) -> None:
        """Wait for the result and note it, or the chain of errors in its place."""
        await self.attempt("result", handle.result(**options))

    async def attempt(self, what: str, call: Awaitable[Any]) -> Any:
        """Await a call and note its answer, or the chain of errors in its place."""
        answering = asyncio.ensure_future(call)
        done, _ = await asyncio.wait([answering], timeout=PATIENCE_S)
        if not done:
            answering.cancel()
            raise RuntimeError(f"no answer within {PATIENCE_S:g} s: {what}")
        try:
            answer = await answering
        except Exception as error:
            self.note(f"{what}: {chain(error)}")
            return None
        if isinstance(answer, (str, int, float, bool, list, dict, type(None))):
            self.note(f"{what}: {answer!r}")
        else:
            self.note(f"{what}: answered")
        return answer

    async def operate(self, method: str, handle: Any, activity_id: str = "") -> None:
        """Do to a run or its pending activity what people do: `pause_activity` and the like."""
        service = getattr(self.client, "workflow_service", None) or self.client.service
        kind = getattr(rpc, "".join(word.capitalize() for word in method.split("_")) + "Request")
        which: dict[str, Any] = {"workflow_id": handle.id}
        if activity_id:
            which = {"execution": which, "id": activity_id}
        await getattr(service, method)(kind(namespace="default", identity="operator", **which))

    async def until(self, handle: Any, event: str, count: int = 1) -> HistoryEvent:
        """Wait until the history has `count` events of this kind; gives the last of these."""
        kind = EventType.Value(f"EVENT_TYPE_{event}")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                before = time.monotonic()
                history = await handle.fetch_history()
                took_s = time.monotonic() - before
                found: list[HistoryEvent] = [recorded for recorded in history.events if recorded.event_type == kind]
                if len(found) >= count:
                    return found[count - 1]
                await self.pause()
                await asyncio.sleep(took_s)  # the worker is in this process too, and a large history takes long

    async def until_pending(
        self, handle: Any, reached: Callable[[Any], bool], *, patience: timedelta | None = None
    ) -> None:
        """Wait until one of the run's pending activities, as described by the server, is as asked."""
        async with asyncio.timeout(PATIENCE_S if patience is None else patience.total_seconds()):
            while True:
                description = await handle.describe()
                if any(reached(pending) for pending in description.raw_description.pending_activities):
                    return
                await self.pause()

    async def histories(self) -> list[list[HistoryEvent]]:
        """The events of each watched run."""
        return [list((await handle.fetch_history()).events) for handle in self._watched]

    async def transcript(self) -> list[str]:
        """Notes first, then each watched history."""
        notation = Notation(self._ids, self.queue)
        histories: list[str] = []
        for handle in self._watched:
            history = await handle.fetch_history()
            histories.append(f"history of {self._ids[handle.id]}")
            histories += notation.lines(history.events)
        return [*map(notation.mask, self._notes), *histories]


def chain(error: BaseException | None) -> str:
    """What a caller could tell from an error: its class, and of recorded failures also message and facts.

    The wording of the client itself is left out, as is the class of a service's refusal: its status counts.
    """
    parts: list[str] = []
    while error is not None:
        status = getattr(error, "status", None)
        if status is not None:
            parts.append(f"refused: {status.name}")
            break
        parts.append(f"{type(error).__name__}({', '.join(_facts(error))})")
        error = None if isinstance(error, _OWN_CAUSE) else error.__cause__
    return " <- ".join(parts)


_OWN_CAUSE = (
    temporalio.exceptions.WorkflowAlreadyStartedError,
    tsuzuki.exceptions.WorkflowAlreadyStartedError,
    tsuzuki.client.WorkflowQueryFailedError,
)
"""Their cause is the refusal, which is theirs to show or not; of a failed query, what its handler raised."""

_FAILURE = (temporalio.exceptions.FailureError, tsuzuki.exceptions.FailureError)
_FACTS = ("type", "non_retryable", "retry_state", "details", "last_heartbeat_details")


def _facts(error: BaseException) -> Iterator[str]:
    if isinstance(error, _FAILURE) and not isinstance(error, _OWN_CAUSE):
        yield repr(getattr(error, "message", None))
        for name in _FACTS:
            value = getattr(error, name, None)
            if value not in (None, (), [], False):
                yield f"{name}={value!r}"
