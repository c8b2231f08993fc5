"""Metrics of workflow code: each thing counted once, not again on every replay."""

from __future__ import annotations

from tsuzuki.common import MetricMeter

from ._runtime import current_runtime, find_runtime


def metric_meter() -> MetricMeter:
    """Return the meter of the client, with namespace, task queue and workflow type on every measurement.

    Silent while history is replayed. Without a meter at the client it takes everything and sends nothing. A workflow
    task that fails and is tried again measures again.

    Raises:
        NotInWorkflowError: Called outside workflow code.
    """
    return current_runtime().metric_meter.silent_while(_is_replaying)


def _is_replaying() -> bool:
    runtime = find_runtime()
    return runtime is not None and runtime.replaying
