"""Rebuilding a run from its history, wholly or up to an event."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Sequence
from typing import Any, Final

from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import DataConverter

from .. import _guard
from .._activation import activate
from .._interceptor import Interceptor, workflow_interceptors
from .._run_settings import RunSettings
from .._workflow_arguments import decode_arguments
from .._workflow_chain import chain_of
from .._workflow_run import WorkflowRun
from .._workflows import Workflows

TASK_QUEUE: Final = "ReplayTaskQueue"
_WHERE: Final = "the code at hand"


class Rebuilder:
    """Runs the code at hand over recorded histories; nothing is new to it, and nothing it asks for is sent.

    Args:
        workflows: Classes and functions marked with `@workflow.defn`.
        namespace: What `workflow.info()` says.
        data_converter: How the histories were encoded.
        failure_exception_types: As of the worker: exceptions that fail the workflow.
        determinism_guard: As of the worker: refuse calls that a replay could not repeat.
        interceptors: Of the worker and its client.

    Raises:
        TypeError: Something among `workflows` is not a workflow.
        ValueError: Two workflows have the same name.
    """

    def __init__(
        self,
        workflows: Sequence[Any],
        *,
        namespace: str,
        data_converter: DataConverter = DataConverter.default,
        failure_exception_types: Sequence[type[BaseException]] = (),
        determinism_guard: bool = True,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        classes = workflow_interceptors(interceptors)
        self._workflows = Workflows(workflows)
        self._settings = RunSettings(
            namespace=namespace,
            task_queue=TASK_QUEUE,
            data_converter=data_converter,
            failure_exception_types=tuple(failure_exception_types),
            determinism_guard=determinism_guard,
            intercept=chain_of(classes) if classes else None,
        )
        if determinism_guard:
            _guard.install(self._workflows.guarded_modules())

    @property
    def workflow_types(self) -> list[str]:
        """Names of the workflows, without the dynamic one."""
        return sorted(name for name in self._workflows.definitions if name is not None)

    def line_of(self, workflow_type: str) -> tuple[str, int]:
        """The file and line where the code of a workflow begins; an empty name and 0 where it has none of its own."""
        code = getattr(inspect.unwrap(self._workflows.find(workflow_type, _WHERE).run), "__code__", None)
        if code is None:
            return "", 0
        file, first = code.co_filename, code.co_firstlineno  # that of a decorator, if it has one
        for line, text in enumerate(linecache.getlines(file)[first - 1 :], first):
            if text.lstrip().startswith(("async def", "def")):
                return file, line
        return file, first

    def check_beginning(self, run: WorkflowRun) -> None:
        """Check that a run whose code has not begun can be given its arguments.

        Raises:
            PayloadDecodeError: One does not fit its parameter.
            TypeError: Too few, or too many.
        """
        if run.arguments is None:
            decode_arguments(run.definition, run.facts.started.input.payloads, run.payload_converter)

    def rebuild(
        self, events: Sequence[HistoryEvent], *, workflow_id: str, run_id: str, until_event_id: int | None = None
    ) -> WorkflowRun:
        """Run the code over a history.

        Args:
            events: The history, from the first event on.
            workflow_id: Which workflow.
            run_id: Which run.
            until_event_id: Code runs no further than it had run when this event was recorded; None for all of it.

        Returns:
            The run; whoever has looked at it calls its `evict`.

        Raises:
            NondeterminismError: The code does not fit the history.
            UnknownWorkflowError: The code at hand has no such workflow.
            Exception: What the code raised and what does not fail the workflow.
        """
        name = events[0].workflow_execution_started_event_attributes.workflow_type.name
        definition = self._workflows.find(name, _WHERE)
        run = WorkflowRun(self._settings, definition, events[0], workflow_id, run_id)
        try:
            activate(run, events, replay_only=True, until_event_id=until_event_id)
            if run.failed_by is not None:
                raise run.failed_by
        except BaseException:
            run.evict()
            raise
        return run
