"""The RPC that signals an open run or starts one with the signal in it: never the one without the other."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from tsuzuki.core import signal, start
from tsuzuki.core.execution import Execution
from tsuzuki.core.refusal import InvalidInput

from ._answers import signal_with_start_answer
from ._engine import Engine
from ._lifecycle import Lifecycle
from ._refusals import refusals_as_errors

_FAIL: Final = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL
_USE_EXISTING: Final = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
_TERMINATE_IF_RUNNING: Final = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
_OF_THE_START: Final = tuple(
    field.name
    for field in SignalWithStartWorkflowExecutionRequest.DESCRIPTOR.fields
    if field.name in StartWorkflowExecutionRequest.DESCRIPTOR.fields_by_name
)


class SignalWithStart:
    def __init__(self, engine: Engine, lifecycle: Lifecycle) -> None:
        self._engine = engine
        self._lifecycle = lifecycle

    async def signal_with_start(
        self, request: SignalWithStartWorkflowExecutionRequest
    ) -> SignalWithStartWorkflowExecutionResponse:
        engine = self._engine
        engine.check_writable()
        engine.namespaces.check_start(request.namespace)
        asked, signalled = _start_of(request), _signal_of(request)
        with refusals_as_errors():
            if request.workflow_id_conflict_policy == _FAIL:
                raise InvalidInput(
                    "WORKFLOW_ID_CONFLICT_POLICY_FAIL makes no sense for signal-with-start, which is to reach the run "
                    "that is open; leave the policy out, or choose TERMINATE_EXISTING."
                )
            signal.check_signal(signalled, engine.limits_of(request.namespace))
            existing = self._lifecycle.existing_for(asked)
            if existing is None:
                run = engine.runs.create(request.namespace, request.workflow_id, engine.new_id(), request.request_id)
                with engine.asked_to_change(run):
                    start.start(run, asked, engine.clock.now_ns(), engine.limits_of(run.namespace), signalled)
            else:
                run = existing
                self._signal(run, signalled)
        await engine.durable()
        return signal_with_start_answer(run, request.request_id, started=existing is None)

    def _signal(self, run: Execution, signalled: SignalWorkflowExecutionRequest) -> None:
        request_id = signalled.request_id
        if (request_id and run.start_request_id == request_id) or self._lifecycle.answered_before(run, request_id):
            return
        with self._engine.asked_to_change(run):
            signal.signal(
                run, signalled, self._engine.clock.now_ns(), self._engine.limits_of(run.namespace), cuts_delay=True
            )


def _start_of(request: SignalWithStartWorkflowExecutionRequest) -> StartWorkflowExecutionRequest:
    asked = StartWorkflowExecutionRequest()
    for descriptor, value in request.ListFields():
        name = descriptor.name
        if name not in _OF_THE_START:
            continue
        if descriptor.message_type is None:
            setattr(asked, name, value)
        else:
            getattr(asked, name).MergeFrom(value)
    if not asked.workflow_id_conflict_policy and asked.workflow_id_reuse_policy != _TERMINATE_IF_RUNNING:
        asked.workflow_id_conflict_policy = _USE_EXISTING
    return asked


def _signal_of(request: SignalWithStartWorkflowExecutionRequest) -> SignalWorkflowExecutionRequest:
    return SignalWorkflowExecutionRequest(
        namespace=request.namespace,
        workflow_execution=WorkflowExecution(workflow_id=request.workflow_id),
        signal_name=request.signal_name,
        input=request.signal_input if request.HasField("signal_input") else None,
        identity=request.identity,
        request_id=request.request_id,
        header=request.header if request.HasField("header") else None,
        links=request.links,
    )
