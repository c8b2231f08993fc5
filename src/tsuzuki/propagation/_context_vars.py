"""Context variables into headers where a call goes out, and back where it comes in.

Invariant: in a workflow the values come from the headers in its history, so they are the same after a crash, on another
machine and on every replay. Nothing is left behind: each handler, query and attempt has a context of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, NoReturn

from temporalio.api.common.v1 import Payload

from tsuzuki import client, worker
from tsuzuki.converter import DataConverter, PayloadConverter

_UNSET: Final = object()


class ContextVarPropagation(client.Interceptor, worker.Interceptor):
    """Sends context variables along with starts, signals, queries, updates, activities, children and next runs.

    Give it to the client; its workers take it from there. A variable that is not set where a call goes out is not sent,
    and then has its default at the other end. Values are in histories: no secrets.

    Args:
        variables: Header name -> the variable that it carries.
        types: Header name -> type to decode its value as; plain values for the others.
        payload_converter: For the values. Codecs (encryption, ...) do not apply to headers.
    """

    def __init__(
        self,
        variables: Mapping[str, ContextVar[Any]],
        *,
        types: Mapping[str, Any] | None = None,
        payload_converter: PayloadConverter = DataConverter.default.payload_converter,
    ) -> None:
        self._variables = dict(variables)
        self._types = dict(types or {})
        self._converter = payload_converter

    def headers(self) -> dict[str, Payload]:
        """Encode the variables that are set here and now."""
        found = {}
        for name, variable in self._variables.items():
            value = variable.get(_UNSET)
            if value is not _UNSET:
                found[name] = self._converter.to_payload(value)
        return found

    def add_to(self, input: Any) -> None:
        """Put them beside the headers of a call that goes out."""
        if found := self.headers():
            input.headers = {**input.headers, **found}

    def set_from(self, headers: Mapping[str, Payload]) -> None:
        """Set the variables to what came in, for the rest of the current context.

        Raises:
            PayloadDecodeError: A value does not fit its type.
        """
        for name, variable in self._variables.items():
            if name in headers:
                variable.set(self._converter.from_payload(headers[name], self._types.get(name)))

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """Stand before the calls that have headers."""
        return _ClientOutbound(next, self)

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        """Stand before the activities."""
        return _ActivityInbound(next, self)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Stand around the workflows."""
        propagation = self

        class Inbound(_WorkflowInbound):
            def __init__(self, next: worker.WorkflowInboundInterceptor) -> None:
                super().__init__(next, propagation)

        return Inbound


class _ClientOutbound(client.OutboundInterceptor):
    def __init__(self, next: client.OutboundInterceptor, propagation: ContextVarPropagation) -> None:
        super().__init__(next)
        self._propagation = propagation

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        self._propagation.add_to(input)
        return await super().start_workflow(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        self._propagation.add_to(input.start_workflow_input)
        self._propagation.add_to(input.update_workflow_input)
        return await super().start_update_with_start_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        self._propagation.add_to(input)
        await super().signal_workflow(input)

    async def query_workflow(self, input: client.QueryWorkflowInput) -> Any:
        self._propagation.add_to(input)
        return await super().query_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        self._propagation.add_to(input)
        return await super().start_workflow_update(input)


class _ActivityInbound(worker.ActivityInboundInterceptor):
    def __init__(self, next: worker.ActivityInboundInterceptor, propagation: ContextVarPropagation) -> None:
        super().__init__(next)
        self._propagation = propagation

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        self._propagation.set_from(input.headers)
        return await super().execute_activity(input)


class _WorkflowInbound(worker.WorkflowInboundInterceptor):
    def __init__(self, next: worker.WorkflowInboundInterceptor, propagation: ContextVarPropagation) -> None:
        super().__init__(next)
        self._propagation = propagation

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound, self._propagation))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        self._propagation.set_from(input.headers)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        self._propagation.set_from(input.headers)
        await super().handle_signal(input)

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:
        self._propagation.set_from(input.headers)
        return await super().handle_query(input)

    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:
        self._propagation.set_from(input.headers)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        self._propagation.set_from(input.headers)
        return await super().handle_update_handler(input)


class _WorkflowOutbound(worker.WorkflowOutboundInterceptor):
    def __init__(self, next: worker.WorkflowOutboundInterceptor, propagation: ContextVarPropagation) -> None:
        super().__init__(next)
        self._propagation = propagation

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        self._propagation.add_to(input)
        super().continue_as_new(input)

    async def signal_child_workflow(self, input: worker.SignalChildWorkflowInput) -> None:
        self._propagation.add_to(input)
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: worker.SignalExternalWorkflowInput) -> None:
        self._propagation.add_to(input)
        await super().signal_external_workflow(input)

    def start_activity(self, input: worker.StartActivityInput) -> Any:
        self._propagation.add_to(input)
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> Any:
        self._propagation.add_to(input)
        return super().start_local_activity(input)

    async def start_child_workflow(self, input: worker.StartChildWorkflowInput) -> Any:
        self._propagation.add_to(input)
        return await super().start_child_workflow(input)
