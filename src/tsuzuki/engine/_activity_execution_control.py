"""The same RPCs under the names by which newer clients call them: for one activity, by its id alone.

They know activities without a workflow too, which are not offered here: there are none to be found.
"""

from __future__ import annotations

from typing import TypeAlias

from temporalio.api.workflowservice.v1 import (
    PauseActivityExecutionRequest,
    PauseActivityExecutionResponse,
    PauseActivityRequest,
    ResetActivityExecutionRequest,
    ResetActivityExecutionResponse,
    ResetActivityRequest,
    UnpauseActivityExecutionRequest,
    UnpauseActivityExecutionResponse,
    UnpauseActivityRequest,
    UpdateActivityExecutionOptionsRequest,
    UpdateActivityExecutionOptionsResponse,
    UpdateActivityOptionsRequest,
)

from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import NotFound

from ._activity_control import ActivityControl, OfActivities
from ._engine import Engine
from ._refusals import refusals_as_errors

OfActivity: TypeAlias = (
    PauseActivityExecutionRequest
    | UnpauseActivityExecutionRequest
    | ResetActivityExecutionRequest
    | UpdateActivityExecutionOptionsRequest
)


class ActivityExecutionControl:
    def __init__(self, engine: Engine, control: ActivityControl) -> None:
        self._engine = engine
        self._control = control

    async def pause(self, request: PauseActivityExecutionRequest) -> PauseActivityExecutionResponse:
        """Unlike `PauseActivity` it refuses a pause of what another request has paused."""
        asked = PauseActivityRequest(reason=request.reason, request_id=request.request_id)
        self._name(request, asked)
        await self._control.pause(asked, once=True)
        return PauseActivityExecutionResponse()

    async def unpause(self, request: UnpauseActivityExecutionRequest) -> UnpauseActivityExecutionResponse:
        asked = UnpauseActivityRequest(jitter=request.jitter)
        self._name(request, asked)
        await self._control.unpause(asked)
        return UnpauseActivityExecutionResponse()

    async def reset(self, request: ResetActivityExecutionRequest) -> ResetActivityExecutionResponse:
        asked = ResetActivityRequest(
            keep_paused=request.keep_paused,
            reset_heartbeat=request.reset_heartbeat,
            restore_original_options=request.restore_original_options,
            jitter=request.jitter,
        )
        self._name(request, asked)
        await self._control.reset(asked)
        return ResetActivityExecutionResponse()

    async def update_options(
        self, request: UpdateActivityExecutionOptionsRequest
    ) -> UpdateActivityExecutionOptionsResponse:
        asked = UpdateActivityOptionsRequest(update_mask=request.update_mask, restore_original=request.restore_original)
        if request.HasField("activity_options"):
            asked.activity_options.CopyFrom(request.activity_options)
        self._name(request, asked)
        answer = await self._control.update_options(asked)
        return UpdateActivityExecutionOptionsResponse(activity_options=answer.activity_options)

    def _name(self, request: OfActivity, asked: OfActivities) -> None:
        with refusals_as_errors():
            check_id("the activity id", request.activity_id, self._engine.limits)
            if not request.workflow_id:
                raise NotFound(
                    f"there is no activity '{request.activity_id}' without a workflow: those are not offered here. "
                    "Name the workflow that it belongs to."
                )
        asked.namespace = request.namespace
        asked.execution.workflow_id = request.workflow_id
        asked.execution.run_id = request.run_id
        asked.id = request.activity_id
        asked.identity = request.identity
