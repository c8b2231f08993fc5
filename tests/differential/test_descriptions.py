"""DescribeWorkflowExecution says what the real server says, field by field, in a dozen situations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

from differential.test_resets import WAIT_S, Side, activity, child, continue_as_new, done, ours, timer

__all__ = ["ours"]

_RUN_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT.*Z|\d+\.\d+s")
NOT_SAID: Final = (
    "stateTransitionCount",  # of the real server's own bookkeeping
    "historySizeBytes",
    "searchAttributes.indexedFields.BuildIds",
    "searchAttributes.indexedFields.BinaryChecksums",
    "expireTime",
)
_NEVER: Final = "0001-01-01T00:00:00Z"
"""How the real server says that a run has no timeout."""


class Described(Side):
    """A server that is asked what it knows."""

    def described(self, workflow_id: str = "w", run_id: str = "") -> dict[str, str]:
        request = rpc.DescribeWorkflowExecutionRequest(namespace="default")
        request.execution.workflow_id, request.execution.run_id = self.name(workflow_id), run_id
        answer = MessageToDict(self._stub.DescribeWorkflowExecution(request))
        return dict(self._facts("", answer))

    def _facts(self, path: str, value: Any) -> Iterator[tuple[str, str]]:
        """Every field with its value; ids by the order in which they came up, times not at all."""
        if isinstance(value, dict):
            for name, inner in value.items():
                told = _RUN_ID.sub("<an id>", name.replace(self._prefix, ""))  # of a request that a server made itself
                yield from self._facts(f"{path}.{told}", inner)
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                yield from self._facts(f"{path}[{number}]", inner)
        elif not any(name in path for name in NOT_SAID) and value != _NEVER:
            text = str(value).replace(self._prefix, "")
            yield path, self.run(text) if _RUN_ID.fullmatch(text) else _TIME.sub("a time", text)

    def build(self, **fields: Any) -> None:
        """Complete a workflow task as a certain build."""
        self._stub.RespondWorkflowTaskCompleted(
            rpc.RespondWorkflowTaskCompletedRequest(
                namespace="default", task_token=self.take().task_token, identity="worker", **fields
            )
        )

    def signal_and_build(self, signal_name: str, **fields: Any) -> None:
        self.signal(signal_name)
        self.build(**fields)


def just_started(side: Described) -> list[dict[str, str]]:
    side.start()
    return [side.described()]


def with_all_options(side: Described) -> list[dict[str, str]]:
    side.start(
        workflow_run_timeout={"seconds": 100},
        workflow_execution_timeout={"seconds": 500},
        workflow_task_timeout={"seconds": 7},
        memo={"fields": {"a": {"data": b"1"}}},
        user_metadata={"summary": {"data": b"x", "metadata": {"encoding": b"json/plain"}}},
        retry_policy={"maximum_attempts": 3},
        workflow_start_delay={"seconds": 50},
        priority={"priority_key": 2},
    )
    return [side.described()]


def of_several_builds(side: Described) -> list[dict[str, str]]:
    side.start()
    side.build(worker_version_stamp={"build_id": "b1"})
    side.signal_and_build("s", worker_version_stamp={"build_id": "b2"})
    side.signal_and_build("t", worker_version_stamp={"build_id": "b1"})
    return [side.described()]


def of_old_workers(side: Described) -> list[dict[str, str]]:
    side.start()
    side.build(binary_checksum="c1", worker_version_stamp={"build_id": "c1"})
    side.signal_and_build("s", binary_checksum="c2")
    side.signal_and_build("t")
    return [side.described()]


def closed(side: Described) -> list[dict[str, str]]:
    run = side.start(workflow_run_timeout={"seconds": 100})
    side.build(worker_version_stamp={"build_id": "b1"})
    side.signal("s")
    side.task(done())
    return [side.described(run_id=run)]


def with_a_task_that_runs(side: Described) -> list[dict[str, str]]:
    side.start()
    side.take()
    return [side.described()]


def with_a_task_that_failed(side: Described) -> list[dict[str, str]]:
    side.start()
    side._stub.RespondWorkflowTaskFailed(
        rpc.RespondWorkflowTaskFailedRequest(namespace="default", task_token=side.take().task_token)
    )
    return [side.described()]


def cancel_requested(side: Described) -> list[dict[str, str]]:
    side.start()
    side.cancel()
    return [side.described()]


def with_an_activity(side: Described) -> list[dict[str, str]]:
    side.start()
    side.task(activity(side, "a"))
    waiting = side.described()
    request = rpc.PollActivityTaskQueueRequest(namespace="default", identity="worker")
    request.task_queue.name = side.name("activities")
    side._stub.PollActivityTaskQueue(request, timeout=WAIT_S)
    return [waiting, side.described()]


def parent_and_child(side: Described) -> list[dict[str, str]]:
    side.start()
    side.task(child(side, "c"))
    side.wait_for("CHILD_WORKFLOW_EXECUTION_STARTED")
    side.wait_for("WORKFLOW_TASK_SCHEDULED", workflow_id="c")  # on the real server after that
    return [side.described(), side.described("c")]


def reset(side: Described) -> list[dict[str, str]]:
    run = side.start()
    side.task(timer("t"))
    side.signal("s")
    side.task()
    new = side.reset(9)
    facts = [side.described(run_id=new), side.described(run_id=run)]
    side.task()
    again = side.reset(9, new)
    return [*facts, *(side.described(run_id=each) for each in (run, new, again))]


def reset_more_than_once(side: Described) -> list[dict[str, str]]:
    """From one run to two others, the later of which continued as new."""
    run = side.start()
    side.task(timer("t"))
    side.signal("s")
    side.task()
    side.reset(9, run)
    side.task()
    later = side.reset(9, run)
    side.task(continue_as_new(side))
    return [side.described(run_id=run), _without_points(side.described(run_id=later))]


def met_by_other_starts(side: Described) -> list[dict[str, str]]:
    """With their request ids: of events in history, and of one that waits for its place there."""
    run = side.start()
    side.meet("second")
    side.meet("second")
    task = side.take()
    side.meet("third")
    waiting = side.described()
    side.answer(task)
    told = side.described()
    side.task(timer("t"))
    side.meet("fourth")
    new = side.reset(5)
    return [waiting, told, side.described(run_id=run), side.described(run_id=new)]


def met_by_another_start_and_closed(side: Described) -> list[dict[str, str]]:
    run = side.start()
    side.meet("second")
    side.task(done())
    return [side.described(run_id=run)]


def continued(side: Described) -> list[dict[str, str]]:
    run = side.start()
    side.task(continue_as_new(side))
    side.task()
    return [side.described(run_id=run), _without_points(side.described())]


def by_cron(side: Described) -> list[dict[str, str]]:
    side.start(cron_schedule="0 0 1 1 *")
    return [side.described()]


def _without_points(facts: dict[str, str]) -> dict[str, str]:
    """Here a run shows its own builds, there those of the runs before it too."""
    return {path: value for path, value in facts.items() if "autoResetPoints" not in path}


SITUATIONS: Final[tuple[Callable[[Described], list[dict[str, str]]], ...]] = (
    just_started,
    with_all_options,
    of_several_builds,
    of_old_workers,
    closed,
    with_a_task_that_runs,
    with_a_task_that_failed,
    cancel_requested,
    with_an_activity,
    parent_and_child,
    reset,
    reset_more_than_once,
    met_by_other_starts,
    met_by_another_start_and_closed,
    continued,
    by_cron,
)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_description(real_server: str, ours: str, situation: Callable[[Described], list[dict[str, str]]]) -> None:
    for found, expected in zip(situation(Described(ours)), situation(Described(real_server)), strict=True):
        assert dict(found.items() - expected.items()) == {}, "said here alone"
        assert dict(expected.items() - found.items()) == {}, "said there alone"
