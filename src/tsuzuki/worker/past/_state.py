"""The state of a run: what its code waits for, line by line with variables, and what it answers.

Looking changes nothing: frames of suspended coroutines are read, queries run as queries do.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import linecache
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from types import CodeType, FrameType
from typing import Any, Final

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery

from tsuzuki.workflow import HandlerDefinition

from .. import _queries
from .._source import is_user_code
from .._variables import Variable, variables
from .._workflow_run import WorkflowRun
from ._work import PendingWork, pending_work

TASKS_MAX: Final = 200
"""Waiting tasks shown of one run."""
FRAMES_MAX: Final = 50
"""Frames shown of one task."""
CHARACTERS_MAX: Final = 500_000
"""Characters of variables and source shown of one run: an answer to a query is at most 2 MiB."""
FUNCTION_CHARACTERS_MAX: Final = 20_000


@dataclass(frozen=True)
class FrameState:
    """One frame of a waiting task.

    Attributes:
        file: Path of the source.
        line: The line that waits.
        function: Qualified name of the function.
        source: Text of the line; empty where the source is not at hand.
        user: True for the user's code, False for asyncio's and this package's.
        variables: Its local variables.
        function_line: Number of the first line of `function_source`.
        function_source: Text of the whole function, of the user's code; empty where it is not at hand or is long.
    """

    file: str
    line: int
    function: str
    source: str
    user: bool
    variables: tuple[Variable, ...]
    function_line: int = 0
    function_source: str = ""


@dataclass(frozen=True)
class TaskState:
    """One task of the run that has not ended, from the outermost frame to the one that waits."""

    name: str
    frames: tuple[FrameState, ...]


@dataclass(frozen=True)
class RunState:
    """A run at one of its events.

    Attributes:
        workflow_id: Which workflow.
        run_id: Which run.
        workflow_type: Its type.
        event_id: The event that was asked for.
        code_event_id: The event up to which the code had run by then, the start of a workflow task; 0 for not at all.
        time: The workflow's clock then, as `workflow.now()` gives it, in ISO format; empty before the first task.
        finished: True when the code has returned, failed or continued as new.
        cancel_requested: True when the workflow was asked to cancel.
        tasks: What the code waits for, oldest first.
        instance: Attributes of the workflow object.
        pending: What history says is pending at the event.
        queries: The answers of the queries that take no arguments, as JSON text or as `! error`.
        versions: What `get_version` answered, by change id.
        patches: Patches that apply.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    event_id: int
    code_event_id: int
    time: str
    finished: bool
    cancel_requested: bool
    tasks: tuple[TaskState, ...]
    instance: tuple[Variable, ...]
    pending: tuple[PendingWork, ...]
    queries: Mapping[str, str]
    versions: Mapping[str, int]
    patches: tuple[str, ...]


def look_at(
    run: WorkflowRun, events: Sequence[HistoryEvent], event_id: int, masks: Sequence[re.Pattern[str]] = ()
) -> RunState:
    """Describe a run that stands at an event.

    Args:
        run: As `Rebuilder.rebuild` gives it, or a live one between two activations.
        events: Its history, at least up to the event.
        event_id: The event.
        masks: Names of variables, beside the common ones for secrets, whose values are not shown.
    """
    viewer = _Viewer(masks)
    return RunState(
        workflow_id=run.workflow_id,
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        event_id=event_id,
        code_event_id=run.history_length if run.facts.first_task_started_ns else 0,
        time=_iso(run.time_ns),
        finished=run.finished,
        cancel_requested=run.cancel_reason is not None,
        tasks=tuple(viewer.task(task) for task in run.loop.waiting_tasks()[:TASKS_MAX]),
        instance=viewer.variables(getattr(run.workflow, "__dict__", {})),
        pending=pending_work(event for event in events if event.event_id <= event_id),
        queries=_answers(run),
        versions=dict(run.markers.versions),
        patches=tuple(sorted(run.markers.patches)),
    )


def _iso(time_ns: int) -> str:
    if not time_ns:
        return ""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()


class _Viewer:
    """Shows variables until their characters are used up, then only where the code stands."""

    def __init__(self, masks: Sequence[re.Pattern[str]]) -> None:
        self._masks = masks
        self._characters_left = CHARACTERS_MAX

    def variables(self, values: Mapping[str, Any]) -> tuple[Variable, ...]:
        if self._characters_left <= 0:
            return ()
        shown = variables(values, self._masks)
        self._characters_left -= sum(len(variable.text) for variable in shown)
        return shown

    def task(self, task: asyncio.Task[Any]) -> TaskState:
        frames = list(islice(_queries.frames_of(task), FRAMES_MAX))
        return TaskState(task.get_name(), tuple(self._frame(frame) for frame in frames))

    def _frame(self, frame: FrameType) -> FrameState:
        code = frame.f_code
        user = is_user_code(code.co_filename)
        return FrameState(
            file=code.co_filename,
            line=frame.f_lineno,
            function=code.co_qualname,
            source=linecache.getline(code.co_filename, frame.f_lineno).strip(),
            user=user,
            variables=self.variables(_locals(frame)) if user else (),
            function_line=code.co_firstlineno,
            function_source=self._function_source(code) if user else "",
        )

    def _function_source(self, code: CodeType) -> str:
        source = _function_source(code)
        if len(source) > min(FUNCTION_CHARACTERS_MAX, self._characters_left):
            return ""
        self._characters_left -= len(source)
        return source


def _function_source(code: CodeType) -> str:
    """The lines of a function, from its decorators on; empty where they are not at hand."""
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    try:
        return "".join(inspect.getblock(lines))
    except (SyntaxError, IndentationError, tokenize.TokenError):
        return ""


def _locals(frame: FrameType) -> dict[str, Any]:
    """The local variables in the order of the code; that of `f_locals` depends on who looked before."""
    code, values = frame.f_code, frame.f_locals
    names = dict.fromkeys((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
    return {name: values[name] for name in names if name in values}


def _answers(run: WorkflowRun) -> dict[str, str]:
    """Ask what can be asked without arguments; a query that fails is told from one that answers by a `!`."""
    answers: dict[str, str] = {}
    for name, handler in sorted((n, h) for n, h in run.query_handlers.items() if n is not None):
        if _takes_arguments(handler):
            continue
        try:
            result = _queries.answer(run, WorkflowQuery(query_type=name))
        except _queries.SpoiledByQueryError as error:
            answers[name] = f"! {error}"
            break
        if result.HasField("answer"):
            value = run.payload_converter.from_payloads(result.answer.payloads)[0] if result.answer.payloads else None
            answers[name] = json.dumps(value, ensure_ascii=False, default=str)
        else:
            answers[name] = f"! {result.error_message}"
    return answers


def _takes_arguments(handler: HandlerDefinition) -> bool:
    needed = [
        parameter
        for parameter in inspect.signature(handler.fn).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return len(needed) > int(handler.bound)
