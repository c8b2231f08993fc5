"""The check before a deployment: do the runs that exist replay on the code at hand?

Open runs are what a deployment can break; a sample of closed ones tells of branches that no open run has taken
yet. A type without any history is not known to be safe, so it fails the check unless it is allowed to.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import Client, RPCError, WorkflowExecution, WorkflowNotFoundError
from tsuzuki.exceptions import TsuzukiError
from tsuzuki.worker import Interceptor
from tsuzuki.worker.past import Rebuilder
from tsuzuki.workflow import NondeterminismError

from ._histories import decoded_events

OPEN: Final = "CloseTime IS NULL"
CLOSED: Final = "CloseTime IS NOT NULL"
AHEAD: Final = 8
"""Histories that are read at a time."""

Reading: TypeAlias = "asyncio.Task[Sequence[HistoryEvent]]"


@dataclass(frozen=True)
class BrokenRun:
    """A run that does not replay.

    Attributes:
        workflow_id: Which workflow.
        run_id: Which run.
        open: Whether it is open, so that the deployment would stop it.
        error: What went wrong, in one line: the first difference, where, and the way out.
        path: The file that took another way; empty where that is not known.
        line: The line in it; 0 where that is not known.
        gate: A gate that would keep the old way for old runs; empty where none helps.
    """

    workflow_id: str
    run_id: str
    open: bool
    error: str
    path: str = ""
    line: int = 0
    gate: str = ""


@dataclass(frozen=True)
class TypeVerdict:
    """What the check found for one workflow type.

    Attributes:
        workflow_type: The type.
        open_runs: Open runs that were replayed.
        closed_runs: Closed runs that were replayed.
        broken: Those of both that do not replay.
        allowed_empty: True when it may have no history.
    """

    workflow_type: str
    open_runs: int
    closed_runs: int
    broken: tuple[BrokenRun, ...]
    allowed_empty: bool = False

    @property
    def replayed(self) -> int:
        """Number of runs replayed."""
        return self.open_runs + self.closed_runs

    @property
    def ok(self) -> bool:
        """Whether the type may be deployed."""
        return not self.broken and (self.replayed > 0 or self.allowed_empty)


@dataclass(frozen=True)
class DeployVerdict:
    """What the check found, by type."""

    types: tuple[TypeVerdict, ...]

    @property
    def ok(self) -> bool:
        """Whether the code may be deployed."""
        return all(verdict.ok for verdict in self.types)


Progress = Callable[[str, int], None]
"""Called with the workflow type and the number of its runs replayed so far."""


async def deploy_check(
    client: Client,
    workflows: Sequence[Any],
    *,
    query: str = "",
    sample: int = 20,
    allow_empty: Sequence[str] = (),
    progress: Progress | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> DeployVerdict:
    """Replay the open runs of each type, and a sample of the closed ones, on the code at hand.

    Args:
        client: Where the histories are: a store, a server or a cluster. Its interceptors that are workers' too apply.
        workflows: The code at hand.
        query: A list filter that narrows the runs down.
        sample: How many closed runs of each type to replay, the newest first; 0 for none.
        allow_empty: Types that may have no history; `*` for all.
        progress: Told of each replayed run.
        interceptors: Further ones of the workers: what they make workflow code do is part of the histories.

    Raises:
        RPCError: The histories cannot be read.
        TypeError: Something among `workflows` is not a workflow.
        ValueError: Two workflows have the same name.
    """
    rebuilder = Rebuilder(
        workflows,
        namespace=client.namespace,
        data_converter=client.data_converter,
        interceptors=[*(each for each in client.interceptors if isinstance(each, Interceptor)), *interceptors],
    )
    check = _Check(client, rebuilder, query, progress or (lambda name, count: None))
    verdicts = []
    for name in rebuilder.workflow_types:
        opened, broken_open = await check.replay(name, OPEN, None)
        closed, broken_closed = await check.replay(name, CLOSED, sample)
        allowed = name in allow_empty or "*" in allow_empty
        verdicts.append(TypeVerdict(name, opened, closed, (*broken_open, *broken_closed), allowed))
    return DeployVerdict(tuple(verdicts))


class _Check:
    def __init__(self, client: Client, rebuilder: Rebuilder, query: str, progress: Progress) -> None:
        self._client = client
        self._rebuilder = rebuilder
        self._query = query
        self._progress = progress

    async def replay(self, name: str, which: str, limit: int | None) -> tuple[int, list[BrokenRun]]:
        """Replay the runs of a type that are open, or closed; how many, and which do not replay."""
        count, broken = 0, []
        query = f"WorkflowType = {_quoted(name)} AND {which}" + (f" AND ({self._query})" if self._query else "")
        async with aclosing(self._read_ahead(self._client.list_workflows(query, limit=limit))) as runs:
            async for execution, reading in runs:
                try:
                    failure = await self._replay(execution, reading, is_open=which is OPEN)
                except WorkflowNotFoundError:  # deleted since it was listed
                    continue
                count += 1
                if failure is not None:
                    broken.append(failure)
                self._progress(name, count)
        return count, broken

    async def _read_ahead(
        self, executions: AsyncIterator[WorkflowExecution]
    ) -> AsyncGenerator[tuple[WorkflowExecution, Reading], None]:
        """Runs in their order, the histories of the next ones on their way: over a network that is most of the time."""
        ahead: deque[tuple[WorkflowExecution, Reading]] = deque()
        try:
            async for execution in executions:
                ahead.append((execution, asyncio.create_task(self._read(execution))))
                if len(ahead) == AHEAD:
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:
            for _, reading in ahead:
                reading.cancel()
            await asyncio.gather(*(reading for _, reading in ahead), return_exceptions=True)

    async def _read(self, execution: WorkflowExecution) -> Sequence[HistoryEvent]:
        handle = self._client.get_workflow_handle(execution.id, run_id=execution.run_id)
        return await decoded_events(await handle.fetch_history(), self._client.data_converter)

    async def _replay(self, execution: WorkflowExecution, reading: Reading, *, is_open: bool) -> BrokenRun | None:
        try:
            events = await reading
            run = self._rebuilder.rebuild(events, workflow_id=execution.id, run_id=execution.run_id)
            try:
                if is_open:  # what waits for its first task has nothing to replay yet
                    self._rebuilder.check_beginning(run)
            finally:
                run.evict()
        except RPCError:
            raise
        except Exception as error:
            failure = describe_failure(error, execution.id, execution.run_id, is_open=is_open)
            if failure.path:
                return failure
            path, line = self._rebuilder.line_of(execution.workflow_type)  # no code of the user's was reached
            return replace(failure, path=path and _relative(path), line=line)
        return None


def describe_failure(error: Exception, workflow_id: str, run_id: str, *, is_open: bool) -> BrokenRun:
    """Say what stopped a replay, where in the code, and which gate would help."""
    message = " ".join(str(error).split())
    if not isinstance(error, TsuzukiError):
        message = f"{type(error).__name__}: {message}"
    path, line = _place(error)
    return BrokenRun(workflow_id, run_id, is_open, message, path, line, suggested_gate(error))


def suggested_gate(error: Exception) -> str:
    """A `get_version` call that keeps the recorded way for runs that took it; empty when no gate would."""
    if not isinstance(error, NondeterminismError):
        return ""
    named = re.search(r"'([^']+)'", error.command) or re.search(r"'([^']+)'", error.event)
    words = named[1] if named else error.command.partition("(")[0] or "change"
    slug = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words).lower()).strip("_") or "change"
    return f'if workflow.get_version("change_{slug}_v1", workflow.DEFAULT_VERSION, 1) >= 1:'


def _place(error: Exception) -> tuple[str, int]:
    """The file and line of user code that an error is about."""
    source = getattr(error, "source", "")
    name, _, line = source.rpartition(":")
    if name and line.isdigit():
        return _path_of(name), int(line)
    traceback = error.__traceback__
    place = ("", 0)
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if not _is_library(filename):
            place = (_relative(filename), traceback.tb_lineno)
        traceback = traceback.tb_next
    return place


def _path_of(name: str) -> str:
    """The file of a loaded module of the user's, by its bare name."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and Path(file).name == name and not _is_library(file):
            return _relative(file)
    return name


_LIBRARIES: Final = (str(Path(__file__).parents[1]), str(Path(asyncio.__file__).parents[1]), "<")


def _is_library(filename: str) -> bool:
    return filename.startswith(_LIBRARIES) or "site-packages" in filename


def _relative(filename: str) -> str:
    try:
        return str(Path(filename).resolve().relative_to(Path.cwd()))
    except ValueError:
        return filename


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
