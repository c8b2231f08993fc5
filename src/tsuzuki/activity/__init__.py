"""What activity code may call, in the names and shapes of `temporalio.activity`.

An activity is ordinary code that acts: it may block, use the network and fail. It is run again when an
attempt is lost or fails, so it should be safe to repeat.
"""

from ._context import (
    ActivityContext,
    CompleteAsyncSignal,
    cancellation_details,
    current_context,
    heartbeat,
    in_activity,
    info,
    is_cancelled,
    is_worker_shutdown,
    metric_meter,
    payload_converter,
    raise_complete_async,
    shield_thread_cancel_exception,
    wait_for_cancelled,
    wait_for_cancelled_sync,
    wait_for_worker_shutdown,
    wait_for_worker_shutdown_sync,
)
from ._definition import ActivityDefinition, definition_of, defn, name_and_result_type
from ._info import ActivityCancellationDetails, Info
from ._logger import LoggerAdapter, logger
from ._stream import EventStream, open_stream

__all__ = [
    "ActivityCancellationDetails",
    "ActivityContext",
    "ActivityDefinition",
    "CompleteAsyncSignal",
    "EventStream",
    "Info",
    "LoggerAdapter",
    "cancellation_details",
    "current_context",
    "definition_of",
    "defn",
    "heartbeat",
    "in_activity",
    "info",
    "is_cancelled",
    "is_worker_shutdown",
    "logger",
    "metric_meter",
    "name_and_result_type",
    "open_stream",
    "payload_converter",
    "raise_complete_async",
    "shield_thread_cancel_exception",
    "wait_for_cancelled",
    "wait_for_cancelled_sync",
    "wait_for_worker_shutdown",
    "wait_for_worker_shutdown_sync",
]
