"""The seam: Temporal's WorkflowService as an async Python protocol.

Worker and client know only this. One side is the engine in this process, the other is gRPC to
`tsuzuki server` or a Temporal cluster; neither worker nor client can tell which. Messages are the
generated protobuf classes; in process they are handed over by reference and belong to whoever created
them: a receiver never changes one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from temporalio.api.operatorservice.v1 import request_response_pb2 as operator_rpc
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc


class WorkflowService(Protocol):
    """One method per RPC, in snake_case. Every failure is a `ServiceError`."""

    @property
    def local(self) -> bool:
        """True when a call costs no network round trip.

        A worker may then hold one open poll per slot, so that the engine knows each free slot and can
        record the start of an activity in the same commit as its schedule.
        """
        ...

    def watch_activity(self, task_token: bytes, on_cancel: Callable[[], None]) -> Callable[[], None]:
        """Call `on_cancel` (on the event loop) as soon as the activity attempt should stop.

        Not an RPC: a remote implementation never calls it, and cancellation arrives with the answer to
        a heartbeat. Returns a function that ends the watch.
        """
        ...

    async def get_system_info(self, request: rpc.GetSystemInfoRequest) -> rpc.GetSystemInfoResponse: ...

    async def describe_namespace(self, request: rpc.DescribeNamespaceRequest) -> rpc.DescribeNamespaceResponse: ...

    # ---- starting, stopping, looking -------------------------------------------------------------

    async def start_workflow_execution(
        self, request: rpc.StartWorkflowExecutionRequest
    ) -> rpc.StartWorkflowExecutionResponse: ...

    async def signal_workflow_execution(
        self, request: rpc.SignalWorkflowExecutionRequest
    ) -> rpc.SignalWorkflowExecutionResponse: ...

    async def signal_with_start_workflow_execution(
        self, request: rpc.SignalWithStartWorkflowExecutionRequest
    ) -> rpc.SignalWithStartWorkflowExecutionResponse: ...

    async def request_cancel_workflow_execution(
        self, request: rpc.RequestCancelWorkflowExecutionRequest
    ) -> rpc.RequestCancelWorkflowExecutionResponse: ...

    async def terminate_workflow_execution(
        self, request: rpc.TerminateWorkflowExecutionRequest
    ) -> rpc.TerminateWorkflowExecutionResponse: ...

    async def reset_workflow_execution(
        self, request: rpc.ResetWorkflowExecutionRequest
    ) -> rpc.ResetWorkflowExecutionResponse: ...

    async def delete_workflow_execution(
        self, request: rpc.DeleteWorkflowExecutionRequest
    ) -> rpc.DeleteWorkflowExecutionResponse: ...

    async def describe_workflow_execution(
        self, request: rpc.DescribeWorkflowExecutionRequest
    ) -> rpc.DescribeWorkflowExecutionResponse: ...

    async def get_workflow_execution_history(
        self, request: rpc.GetWorkflowExecutionHistoryRequest
    ) -> rpc.GetWorkflowExecutionHistoryResponse: ...

    async def list_workflow_executions(
        self, request: rpc.ListWorkflowExecutionsRequest
    ) -> rpc.ListWorkflowExecutionsResponse: ...

    async def count_workflow_executions(
        self, request: rpc.CountWorkflowExecutionsRequest
    ) -> rpc.CountWorkflowExecutionsResponse: ...

    async def add_search_attributes(
        self, request: operator_rpc.AddSearchAttributesRequest
    ) -> operator_rpc.AddSearchAttributesResponse:
        """Of the operator service, like the next two."""
        ...

    async def remove_search_attributes(
        self, request: operator_rpc.RemoveSearchAttributesRequest
    ) -> operator_rpc.RemoveSearchAttributesResponse: ...

    async def list_search_attributes(
        self, request: operator_rpc.ListSearchAttributesRequest
    ) -> operator_rpc.ListSearchAttributesResponse: ...

    async def query_workflow(self, request: rpc.QueryWorkflowRequest) -> rpc.QueryWorkflowResponse: ...

    async def update_workflow_execution(
        self, request: rpc.UpdateWorkflowExecutionRequest
    ) -> rpc.UpdateWorkflowExecutionResponse:
        """Ask for an update. An answer with an earlier stage than was waited for means: ask again."""
        ...

    async def poll_workflow_execution_update(
        self, request: rpc.PollWorkflowExecutionUpdateRequest
    ) -> rpc.PollWorkflowExecutionUpdateResponse:
        """Wait for an update. An answer without an outcome means: ask again."""
        ...

    async def execute_multi_operation(
        self, request: rpc.ExecuteMultiOperationRequest
    ) -> rpc.ExecuteMultiOperationResponse:
        """Start a run unless it is open, and update it; answers as `update_workflow_execution` does."""
        ...

    # ---- many runs, queues, workers, namespaces ----------------------------------------------------

    async def start_batch_operation(
        self, request: rpc.StartBatchOperationRequest
    ) -> rpc.StartBatchOperationResponse: ...

    async def stop_batch_operation(self, request: rpc.StopBatchOperationRequest) -> rpc.StopBatchOperationResponse: ...

    async def describe_batch_operation(
        self, request: rpc.DescribeBatchOperationRequest
    ) -> rpc.DescribeBatchOperationResponse: ...

    async def list_batch_operations(
        self, request: rpc.ListBatchOperationsRequest
    ) -> rpc.ListBatchOperationsResponse: ...

    async def describe_task_queue(self, request: rpc.DescribeTaskQueueRequest) -> rpc.DescribeTaskQueueResponse: ...

    async def list_workers(self, request: rpc.ListWorkersRequest) -> rpc.ListWorkersResponse: ...

    async def list_namespaces(self, request: rpc.ListNamespacesRequest) -> rpc.ListNamespacesResponse: ...

    async def register_namespace(self, request: rpc.RegisterNamespaceRequest) -> rpc.RegisterNamespaceResponse: ...

    async def update_namespace(self, request: rpc.UpdateNamespaceRequest) -> rpc.UpdateNamespaceResponse: ...

    async def delete_namespace(
        self, request: operator_rpc.DeleteNamespaceRequest
    ) -> operator_rpc.DeleteNamespaceResponse:
        """Of the operator service."""
        ...

    # ---- schedules -------------------------------------------------------------------------------

    async def create_schedule(self, request: rpc.CreateScheduleRequest) -> rpc.CreateScheduleResponse: ...

    async def describe_schedule(self, request: rpc.DescribeScheduleRequest) -> rpc.DescribeScheduleResponse: ...

    async def update_schedule(self, request: rpc.UpdateScheduleRequest) -> rpc.UpdateScheduleResponse: ...

    async def patch_schedule(self, request: rpc.PatchScheduleRequest) -> rpc.PatchScheduleResponse: ...

    async def delete_schedule(self, request: rpc.DeleteScheduleRequest) -> rpc.DeleteScheduleResponse: ...

    async def list_schedules(self, request: rpc.ListSchedulesRequest) -> rpc.ListSchedulesResponse: ...

    # ---- workflow tasks ----------------------------------------------------------------------------

    async def poll_workflow_task_queue(
        self, request: rpc.PollWorkflowTaskQueueRequest
    ) -> rpc.PollWorkflowTaskQueueResponse:
        """Wait for a workflow task. An empty `task_token` means: nothing came, poll again."""
        ...

    async def respond_workflow_task_completed(
        self, request: rpc.RespondWorkflowTaskCompletedRequest
    ) -> rpc.RespondWorkflowTaskCompletedResponse: ...

    async def respond_workflow_task_failed(
        self, request: rpc.RespondWorkflowTaskFailedRequest
    ) -> rpc.RespondWorkflowTaskFailedResponse: ...

    async def respond_query_task_completed(
        self, request: rpc.RespondQueryTaskCompletedRequest
    ) -> rpc.RespondQueryTaskCompletedResponse: ...

    # ---- activity tasks ----------------------------------------------------------------------------

    async def record_worker_heartbeat(
        self, request: rpc.RecordWorkerHeartbeatRequest
    ) -> rpc.RecordWorkerHeartbeatResponse: ...

    async def shutdown_worker(self, request: rpc.ShutdownWorkerRequest) -> rpc.ShutdownWorkerResponse: ...

    async def poll_activity_task_queue(
        self, request: rpc.PollActivityTaskQueueRequest
    ) -> rpc.PollActivityTaskQueueResponse:
        """Wait for an activity task. An empty `task_token` means: nothing came, poll again."""
        ...

    async def record_activity_task_heartbeat(
        self, request: rpc.RecordActivityTaskHeartbeatRequest
    ) -> rpc.RecordActivityTaskHeartbeatResponse: ...

    async def record_activity_task_heartbeat_by_id(
        self, request: rpc.RecordActivityTaskHeartbeatByIdRequest
    ) -> rpc.RecordActivityTaskHeartbeatByIdResponse: ...

    async def respond_activity_task_completed(
        self, request: rpc.RespondActivityTaskCompletedRequest
    ) -> rpc.RespondActivityTaskCompletedResponse: ...

    async def respond_activity_task_completed_by_id(
        self, request: rpc.RespondActivityTaskCompletedByIdRequest
    ) -> rpc.RespondActivityTaskCompletedByIdResponse: ...

    async def respond_activity_task_failed(
        self, request: rpc.RespondActivityTaskFailedRequest
    ) -> rpc.RespondActivityTaskFailedResponse: ...

    async def respond_activity_task_failed_by_id(
        self, request: rpc.RespondActivityTaskFailedByIdRequest
    ) -> rpc.RespondActivityTaskFailedByIdResponse: ...

    async def respond_activity_task_canceled(
        self, request: rpc.RespondActivityTaskCanceledRequest
    ) -> rpc.RespondActivityTaskCanceledResponse: ...

    async def respond_activity_task_canceled_by_id(
        self, request: rpc.RespondActivityTaskCanceledByIdRequest
    ) -> rpc.RespondActivityTaskCanceledByIdResponse: ...

    # ---- what people do to open runs and to their pending activities --------------------------------

    async def pause_workflow_execution(
        self, request: rpc.PauseWorkflowExecutionRequest
    ) -> rpc.PauseWorkflowExecutionResponse: ...

    async def unpause_workflow_execution(
        self, request: rpc.UnpauseWorkflowExecutionRequest
    ) -> rpc.UnpauseWorkflowExecutionResponse: ...

    async def update_workflow_execution_options(
        self, request: rpc.UpdateWorkflowExecutionOptionsRequest
    ) -> rpc.UpdateWorkflowExecutionOptionsResponse: ...

    async def pause_activity(self, request: rpc.PauseActivityRequest) -> rpc.PauseActivityResponse: ...

    async def unpause_activity(self, request: rpc.UnpauseActivityRequest) -> rpc.UnpauseActivityResponse: ...

    async def reset_activity(self, request: rpc.ResetActivityRequest) -> rpc.ResetActivityResponse: ...

    async def update_activity_options(
        self, request: rpc.UpdateActivityOptionsRequest
    ) -> rpc.UpdateActivityOptionsResponse: ...
