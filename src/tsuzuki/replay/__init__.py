"""Judging workflow code without running it for real: replays of recorded histories, and the lint."""

from ._debug import Breakpoint, RunDebugger, StoppedRun, WaitingTask, stop_at_event
from ._deploy_check import BrokenRun, DeployVerdict, TypeVerdict, deploy_check, describe_failure, suggested_gate
from ._deploy_report import FORMATS
from ._gates import Gate, GateUse, gate_inventory
from ._modules import Definitions, ModuleLoadError, load_definitions, load_module, load_workflows
from ._query import query_history
from ._replayer import Replayer, WorkflowReplayResult, WorkflowReplayResults
from ._state import state_at_event

__all__ = [
    "FORMATS",
    "Breakpoint",
    "BrokenRun",
    "Definitions",
    "DeployVerdict",
    "Gate",
    "GateUse",
    "ModuleLoadError",
    "Replayer",
    "RunDebugger",
    "StoppedRun",
    "TypeVerdict",
    "WaitingTask",
    "WorkflowReplayResult",
    "WorkflowReplayResults",
    "deploy_check",
    "describe_failure",
    "gate_inventory",
    "load_definitions",
    "load_module",
    "load_workflows",
    "query_history",
    "state_at_event",
    "stop_at_event",
    "suggested_gate",
]
