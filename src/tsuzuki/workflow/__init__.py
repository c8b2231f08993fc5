"""What workflow code may call, in the names and shapes of `temporalio.workflow`.

A workflow is ordinary asyncio code that decides; it is run again over its history after a crash and must
decide the same. So it asks this module, not the machine, for time, chance and the world.
"""

from ._activities import (
    ActivityHandle,
    execute_activity,
    execute_activity_class,
    execute_activity_method,
    start_activity,
    start_activity_class,
    start_activity_method,
)
from ._activity_config import ActivityCancellationType, ActivityConfig
from ._activity_options import activity_options
from ._asyncio import as_completed, wait
from ._channels import SignalChannel, signal_channel
from ._child_config import ChildWorkflowCancellationType, ChildWorkflowConfig, ParentClosePolicy
from ._children import ChildWorkflowHandle, execute_child_workflow, start_child_workflow
from ._context import (
    cancellation_reason,
    cancellation_requested,
    in_workflow,
    info,
    instance,
    is_failure_exception,
    memo,
    memo_value,
    now,
    payload_converter,
    random,
    random_seed,
    sleep,
    time,
    time_ns,
    uuid4,
    wait_condition,
)
from ._continue_as_new import ContinueAsNewError, continue_as_new
from ._current_details import get_current_details, set_current_details
from ._definition import (
    WorkflowDefinition,
    WorkflowSignature,
    definition_of,
    defn,
    init,
    name_and_result_type,
    run,
)
from ._detached import fire_and_forget, shield
from ._exceptions import (
    DeadlockError,
    DeterminismError,
    NondeterminismError,
    NotAllowedInWorkflowError,
    NotInWorkflowError,
    ReadOnlyContextError,
    UnsupportedVersionError,
)
from ._external import ExternalWorkflowHandle, get_external_workflow_handle, get_external_workflow_handle_for
from ._handlers import (
    HandlerDefinition,
    HandlerUnfinishedPolicy,
    UnfinishedSignalHandlersWarning,
    UnfinishedUpdateHandlersWarning,
)
from ._info import Info, ParentInfo, RootInfo
from ._inline_executor import InlineExecutor
from ._local_activities import (
    execute_local_activity,
    execute_local_activity_class,
    execute_local_activity_method,
    start_local_activity,
    start_local_activity_class,
    start_local_activity_method,
)
from ._local_activity_config import LocalActivityConfig
from ._logger import LoggerAdapter, logger
from ._metrics import metric_meter
from ._previous_run import get_last_completion_result, get_last_failure, has_last_completion_result
from ._properties import upsert_memo, upsert_search_attributes
from ._queries import QUERY, QueryDefinition, query, set_dynamic_query_handler, set_query_handler
from ._runtime import Runtime
from ._selector import Selector
from ._side_effects import mutable_side_effect, side_effect
from ._signals import SIGNAL, SignalDefinition, set_dynamic_signal_handler, set_signal_handler, signal
from ._unsafe import unsafe
from ._updates import (
    CURRENT_UPDATE,
    UPDATE,
    UpdateDefinition,
    UpdateInfo,
    UpdateMethod,
    all_handlers_finished,
    current_update_info,
    set_dynamic_update_handler,
    set_update_handler,
    update,
)
from ._versions import DEFAULT_VERSION, deprecate_patch, get_version, patched

__all__ = [
    "CURRENT_UPDATE",
    "DEFAULT_VERSION",
    "QUERY",
    "SIGNAL",
    "UPDATE",
    "ActivityCancellationType",
    "ActivityConfig",
    "ActivityHandle",
    "ChildWorkflowCancellationType",
    "ChildWorkflowConfig",
    "ChildWorkflowHandle",
    "ContinueAsNewError",
    "DeadlockError",
    "DeterminismError",
    "ExternalWorkflowHandle",
    "HandlerDefinition",
    "HandlerUnfinishedPolicy",
    "Info",
    "InlineExecutor",
    "LocalActivityConfig",
    "LoggerAdapter",
    "NondeterminismError",
    "NotAllowedInWorkflowError",
    "NotInWorkflowError",
    "ParentClosePolicy",
    "ParentInfo",
    "QueryDefinition",
    "ReadOnlyContextError",
    "RootInfo",
    "Runtime",
    "Selector",
    "SignalChannel",
    "SignalDefinition",
    "UnfinishedSignalHandlersWarning",
    "UnfinishedUpdateHandlersWarning",
    "UnsupportedVersionError",
    "UpdateDefinition",
    "UpdateInfo",
    "UpdateMethod",
    "WorkflowDefinition",
    "WorkflowSignature",
    "activity_options",
    "all_handlers_finished",
    "as_completed",
    "cancellation_reason",
    "cancellation_requested",
    "continue_as_new",
    "current_update_info",
    "definition_of",
    "defn",
    "deprecate_patch",
    "execute_activity",
    "execute_activity_class",
    "execute_activity_method",
    "execute_child_workflow",
    "execute_local_activity",
    "execute_local_activity_class",
    "execute_local_activity_method",
    "fire_and_forget",
    "get_current_details",
    "get_external_workflow_handle",
    "get_external_workflow_handle_for",
    "get_last_completion_result",
    "get_last_failure",
    "get_version",
    "has_last_completion_result",
    "in_workflow",
    "info",
    "init",
    "instance",
    "is_failure_exception",
    "logger",
    "memo",
    "memo_value",
    "metric_meter",
    "mutable_side_effect",
    "name_and_result_type",
    "now",
    "patched",
    "payload_converter",
    "query",
    "random",
    "random_seed",
    "run",
    "set_current_details",
    "set_dynamic_query_handler",
    "set_dynamic_signal_handler",
    "set_dynamic_update_handler",
    "set_query_handler",
    "set_signal_handler",
    "set_update_handler",
    "shield",
    "side_effect",
    "signal",
    "signal_channel",
    "sleep",
    "start_activity",
    "start_activity_class",
    "start_activity_method",
    "start_child_workflow",
    "start_local_activity",
    "start_local_activity_class",
    "start_local_activity_method",
    "time",
    "time_ns",
    "unsafe",
    "update",
    "upsert_memo",
    "upsert_search_attributes",
    "uuid4",
    "wait",
    "wait_condition",
]
