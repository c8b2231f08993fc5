"""The RPCs by which people act on pending activities: pause, unpause, reset, update options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PauseActivityResponse,
    ResetActivityRequest,
    ResetActivityResponse,
    UnpauseActivityRequest,
    UnpauseActivityResponse,
    UpdateActivityOptionsRequest,
    UpdateActivityOptionsResponse,
)

from tsuzuki.core import activity_control as control
from tsuzuki.core import activity_options
from tsuzuki.core.activity import Activity
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id, check_text
from tsuzuki.core.refusal import InvalidInput, NotFound, WrongState
from tsuzuki.core.signal import closed_message, note_request_id
from tsuzuki.core.times import duration_ns

from ._engine import Engine
from ._lifecycle import Lifecycle, not_found_message
from ._refusals import refusals_as_errors

OfActivities: TypeAlias = (
    PauseActivityRequest | UnpauseActivityRequest | ResetActivityRequest | UpdateActivityOptionsRequest
)


class ActivityControl:
    def __init__(self, engine: Engine, lifecycle: Lifecycle) -> None:
        self._engine = engine
        self._lifecycle = lifecycle

    async def pause(self, request: PauseActivityRequest, *, once: bool = False) -> PauseActivityResponse:
        """Pause them; `once` refuses if that has been done before, but for a request that comes again."""
        limits = self._engine.limits_of(request.namespace)
        with refusals_as_errors():
            run = self._open_run(request)
            check_text("the reason", request.reason, limits)
            check_text("the identity", request.identity, limits)
            check_text("the request id", request.request_id, limits)
            chosen = _chosen(run, request)
            again = self._lifecycle.answered_before(run, request.request_id)
            if once and not again and any(activity.pause is not None for activity in chosen):
                raise WrongState(f"activity is already paused: '{request.id}' of workflow '{run.workflow_id}'.")
            now_ns = self._engine.clock.now_ns()
            with self._engine.changing(run):
                if not again:
                    note_request_id(run, request.request_id)
                    control.pause(run, chosen, request.identity, request.reason, now_ns)
        await self._engine.durable()
        return PauseActivityResponse()

    async def unpause(self, request: UnpauseActivityRequest) -> UnpauseActivityResponse:
        with refusals_as_errors():
            run = self._open_run(request)
            chosen = _chosen(run, request)
            now_ns = self._engine.clock.now_ns()
            with self._engine.changing(run):
                control.unpause(
                    run,
                    chosen,
                    now_ns,
                    reset_attempts=request.reset_attempts,
                    reset_heartbeat=request.reset_heartbeat,
                    jitter_ns=duration_ns(request.jitter),
                )
        await self._engine.durable()
        return UnpauseActivityResponse()

    async def reset(self, request: ResetActivityRequest) -> ResetActivityResponse:
        with refusals_as_errors():
            run = self._open_run(request)
            chosen = _chosen(run, request)
            now_ns = self._engine.clock.now_ns()
            with self._engine.changing(run):
                control.reset(
                    run,
                    chosen,
                    now_ns,
                    reset_heartbeat=request.reset_heartbeat,
                    keep_paused=request.keep_paused,
                    restore_options=request.restore_original_options,
                    jitter_ns=duration_ns(request.jitter),
                )
        await self._engine.durable()
        return ResetActivityResponse()

    async def update_options(self, request: UpdateActivityOptionsRequest) -> UpdateActivityOptionsResponse:
        """All activities that are meant are changed, or none. The answer shows the options of the last one."""
        limits = self._engine.limits_of(request.namespace)
        with refusals_as_errors():
            run = self._open_run(request)
            activity_options.check(request)
            chosen = _chosen(run, request)
            original, given, paths = request.restore_original, request.activity_options, activity_options.named(request)
            changes = [
                (each, None if original else activity_options.merged(each, given, paths, limits)) for each in chosen
            ]
            now_ns = self._engine.clock.now_ns()
            with self._engine.changing(run):
                for activity, options in changes:
                    control.change_options(run, activity, options, now_ns)
            answer = UpdateActivityOptionsResponse(activity_options=activity_options.in_force(chosen[-1]))
        await self._engine.durable()
        return answer

    def _open_run(self, request: OfActivities) -> Execution:
        engine, execution = self._engine, request.execution
        engine.check_writable()
        engine.check_namespace(request.namespace)
        check_id("the workflow id", execution.workflow_id, engine.limits)
        if request.WhichOneof("activity") is None:
            raise InvalidInput("either the id or the type of the activity must be set on the request, or all be meant.")
        run = engine.runs.find(request.namespace, execution.workflow_id, execution.run_id)
        if run is None:
            raise NotFound(not_found_message(execution))
        if not run.is_open:
            raise NotFound(closed_message(run))
        return run


def _chosen(run: Execution, request: OfActivities) -> Sequence[Activity]:
    by = request.WhichOneof("activity")
    assert by is not None, "a request that means no activity has been refused"
    return control.choose(run, by, getattr(request, by))
