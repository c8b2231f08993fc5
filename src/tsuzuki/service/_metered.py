"""Requests counted and timed, under the names of Temporal's SDKs; only in front of a client that has a meter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from typing import Any, Final, cast

from tsuzuki.common import MetricMeter

from ._errors import ServiceError
from ._protocol import WorkflowService

_POLLS: Final = frozenset({"poll_workflow_task_queue", "poll_activity_task_queue", "poll_workflow_execution_update"})


def metered(service: WorkflowService, meter: MetricMeter, now: Callable[[], float] = monotonic) -> WorkflowService:
    """Return the service with its requests measured.

    Args:
        service: Where requests go.
        meter: Takes `temporal_request`, `temporal_request_failure`, `temporal_request_latency`, and the same with
            `temporal_long_request` for polls, each with `operation` and `namespace`.
        now: Monotonic time in seconds.
    """
    return cast("WorkflowService", _Metered(service, meter, now))


class _Metered:
    def __init__(self, service: WorkflowService, meter: MetricMeter, now: Callable[[], float]) -> None:
        self._service = service
        self._now = now
        self._short = _Requests(meter, "temporal_request")
        self._long = _Requests(meter, "temporal_long_request")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._service, name)
        if name.startswith("_") or not callable(found) or name in ("close", "watch_activity"):
            return found
        measured = self._measured(name, found)
        self.__dict__[name] = measured
        return measured

    def _measured(self, name: str, rpc: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        operation = "".join(word.capitalize() for word in name.split("_"))
        is_poll = name in _POLLS

        async def call(request: Any) -> Any:
            requests = self._long if is_poll or getattr(request, "wait_new_event", False) else self._short
            attributes = {"operation": operation}
            if namespace := getattr(request, "namespace", ""):
                attributes["namespace"] = namespace
            began_s = self._now()
            try:
                answer = await rpc(request)
            except ServiceError as error:
                requests.failures.add(1, {**attributes, "status_code": error.status.name})
                requests.latency.record(timedelta(seconds=self._now() - began_s), attributes)
                raise
            requests.count.add(1, attributes)
            requests.latency.record(timedelta(seconds=self._now() - began_s), attributes)
            return answer

        return call


class _Requests:
    """The instruments of one kind of request."""

    def __init__(self, meter: MetricMeter, name: str) -> None:
        self.count = meter.create_counter(name, "Requests that succeeded")
        self.failures = meter.create_counter(f"{name}_failure", "Requests that failed")
        self.latency = meter.create_histogram_timedelta(f"{name}_latency", "How long requests took")
