"""The replayer: recorded histories against the code at hand, without a service.

What a replay compares is every command that the code produces with the event that records it, in order. A
history replays if no command differs and the code raises nothing that would fail a workflow task.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tsuzuki.client import WorkflowHistory
from tsuzuki.converter import DataConverter
from tsuzuki.worker import Interceptor
from tsuzuki.worker.past import Rebuilder

from ._histories import decoded_events

NAMESPACE: Final = "ReplayNamespace"


@dataclass(frozen=True)
class WorkflowReplayResult:
    """What came of one replay.

    Attributes:
        history: What was replayed.
        replay_failure: Why it does not replay; None if it does.
    """

    history: WorkflowHistory
    replay_failure: Exception | None


@dataclass(frozen=True)
class WorkflowReplayResults:
    """What came of several replays.

    Attributes:
        replay_failures: Why histories do not replay, by run id.
    """

    replay_failures: Mapping[str, Exception] = field(default_factory=dict)


class Replayer:
    """Replays histories against workflow code, as `temporalio.worker.Replayer` does.

    Args:
        workflows: Classes and functions marked with `@workflow.defn`.
        namespace: What `workflow.info()` says.
        data_converter: How the histories were encoded.
        workflow_failure_exception_types: As of the worker: exceptions that fail the workflow.
        determinism_guard: As of the worker: refuse calls that a replay could not repeat.
        interceptors: Of the worker and its client: what they make workflow code do is part of the history.

    Raises:
        TypeError: Something among `workflows` is not a workflow.
        ValueError: Two workflows have the same name.
    """

    def __init__(
        self,
        *,
        workflows: Sequence[Any],
        namespace: str = NAMESPACE,
        data_converter: DataConverter = DataConverter.default,
        workflow_failure_exception_types: Sequence[type[BaseException]] = (),
        determinism_guard: bool = True,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        self._data_converter = data_converter
        self._rebuilder = Rebuilder(
            workflows,
            namespace=namespace,
            data_converter=data_converter,
            failure_exception_types=workflow_failure_exception_types,
            determinism_guard=determinism_guard,
            interceptors=interceptors,
        )

    async def replay_workflow(
        self, history: WorkflowHistory, *, raise_on_replay_failure: bool = True
    ) -> WorkflowReplayResult:
        """Replay one history.

        Args:
            history: From a client, or from JSON by `WorkflowHistory.from_json`.
            raise_on_replay_failure: False to find the error in the result instead.

        Raises:
            NondeterminismError: The code takes another path than the history records; it says where.
            UnsupportedVersionError: A recorded version that the code does not support.
            UnknownWorkflowError: The code at hand has no workflow of this type.
            ValueError: The history is empty or does not begin with the start of a workflow.
            Exception: What the code raised and what does not fail the workflow.
        """
        failure = await self._replay(history)
        if failure is not None and raise_on_replay_failure:
            raise failure
        return WorkflowReplayResult(history, failure)

    async def replay_workflows(
        self,
        histories: AsyncIterable[WorkflowHistory] | Iterable[WorkflowHistory],
        *,
        raise_on_replay_failure: bool = False,
    ) -> WorkflowReplayResults:
        """Replay histories one after the other and collect what fails.

        Args:
            histories: Such as `client.list_workflows(...)` mapped to their histories.
            raise_on_replay_failure: True to stop at the first failure.

        Raises:
            Exception: As `replay_workflow`, if `raise_on_replay_failure`.
        """
        failures: dict[str, Exception] = {}
        async with self.workflow_replay_iterator(histories) as results:
            async for result in results:
                if result.replay_failure is None:
                    continue
                if raise_on_replay_failure:
                    raise result.replay_failure
                failures[result.history.run_id] = result.replay_failure
        return WorkflowReplayResults(failures)

    @asynccontextmanager
    async def workflow_replay_iterator(
        self, histories: AsyncIterable[WorkflowHistory] | Iterable[WorkflowHistory]
    ) -> AsyncIterator[AsyncIterator[WorkflowReplayResult]]:
        """Replay histories as they are asked for: `async with ... as results: async for result in results`."""

        async def results() -> AsyncIterator[WorkflowReplayResult]:
            if isinstance(histories, AsyncIterable):
                async for history in histories:
                    yield WorkflowReplayResult(history, await self._replay(history))
            else:
                for history in histories:
                    yield WorkflowReplayResult(history, await self._replay(history))

        iterator = results()
        try:
            yield iterator
        finally:
            await iterator.aclose()  # type: ignore[attr-defined]  # an async generator

    async def _replay(self, history: WorkflowHistory) -> Exception | None:
        run_id = history.run_id
        try:
            events = await decoded_events(history, self._data_converter)
            run = self._rebuilder.rebuild(events, workflow_id=history.workflow_id, run_id=run_id)
        except Exception as error:
            return error
        run.evict()
        return None
