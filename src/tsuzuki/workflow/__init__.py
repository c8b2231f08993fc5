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
from ._definition import (
    WorkflowDefinition,
    WorkflowSignature,
    definition_of,
    defn,
    init,
    name_and_result_type,
    run,
)
from ._exceptions import (
    NondeterminismError,
    NotAllowedInWorkflowError,
    NotInWorkflowError,
    ReadOnlyContextError,
)
from ._handlers import (
    HandlerDefinition,
    HandlerUnfinishedPolicy,
    UnfinishedSignalHandlersWarning,
    UnfinishedUpdateHandlersWarning,
)
from ._info import Info, ParentInfo, RootInfo
from ._logger import LoggerAdapter, logger
from ._queries import QUERY, QueryDefinition, query, set_dynamic_query_handler, set_query_handler
from ._runtime import Runtime
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

__all__ = [
    "CURRENT_UPDATE",
    "QUERY",
    "SIGNAL",
    "UPDATE",
    "ActivityCancellationType",
    "ActivityConfig",
    "ActivityHandle",
    "HandlerDefinition",
    "HandlerUnfinishedPolicy",
    "Info",
    "LoggerAdapter",
    "NondeterminismError",
    "NotAllowedInWorkflowError",
    "NotInWorkflowError",
    "ParentInfo",
    "QueryDefinition",
    "ReadOnlyContextError",
    "RootInfo",
    "Runtime",
    "SignalDefinition",
    "UnfinishedSignalHandlersWarning",
    "UnfinishedUpdateHandlersWarning",
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
    "current_update_info",
    "definition_of",
    "defn",
    "execute_activity",
    "execute_activity_class",
    "execute_activity_method",
    "in_workflow",
    "info",
    "init",
    "instance",
    "is_failure_exception",
    "logger",
    "memo",
    "memo_value",
    "name_and_result_type",
    "now",
    "payload_converter",
    "query",
    "random",
    "random_seed",
    "run",
    "set_dynamic_query_handler",
    "set_dynamic_signal_handler",
    "set_dynamic_update_handler",
    "set_query_handler",
    "set_signal_handler",
    "set_update_handler",
    "signal",
    "sleep",
    "start_activity",
    "start_activity_class",
    "start_activity_method",
    "time",
    "time_ns",
    "unsafe",
    "update",
    "uuid4",
    "wait",
    "wait_condition",
]
