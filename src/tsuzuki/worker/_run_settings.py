"""What all runs of a worker share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsuzuki.common import MetricMeter
from tsuzuki.converter import DataConverter

from ._local_calls import no_local_activities
from ._watchdog import Watch

if TYPE_CHECKING:
    from ._run_logs import RunLogs
    from ._workflow_run import WorkflowRun


@dataclass(frozen=True)
class RunSettings:
    """What all runs of a worker share.

    Attributes:
        namespace: Of the worker.
        task_queue: Of the worker.
        data_converter: How arguments, results and failures are encoded.
        failure_exception_types: Exceptions that fail a workflow instead of its workflow task.
        determinism_guard: Refuse calls that a replay could not repeat while workflow code runs.
        watch: Breaks workflow code off that does not yield; None to let it.
        intercept: Puts the chain of interceptors around a run; None without interceptors.
        metric_meter: For workflow code; None without one.
        logs: Takes what workflow code logs; None to leave it at `logging`.
        check_local_activity: Refuses a local activity that the worker does not have.
    """

    namespace: str
    task_queue: str
    data_converter: DataConverter
    failure_exception_types: tuple[type[BaseException], ...] = ()
    determinism_guard: bool = True
    watch: Watch | None = None
    intercept: Callable[[WorkflowRun], None] | None = None
    metric_meter: MetricMeter | None = None
    logs: RunLogs | None = None
    check_local_activity: Callable[[str], None] = no_local_activities
