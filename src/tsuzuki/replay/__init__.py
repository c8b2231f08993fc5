"""Judging workflow code without running it for real: replays of recorded histories, and the lint.

Names are imported when they are asked for: the lint, which reads source and runs nothing, needs no worker.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

_PLACES: Final = {
    "_debug": "Breakpoint RunDebugger StoppedRun WaitingTask stop_at_event",
    "_deploy_check": "BrokenRun DeployVerdict TypeVerdict deploy_check describe_failure suggested_gate",
    "_deploy_report": "FORMATS",
    "_gates": "Gate GateUse gate_inventory",
    "_modules": "Definitions ModuleLoadError load_definitions load_module load_workflows",
    "_query": "query_history",
    "_replayer": "Replayer WorkflowReplayResult WorkflowReplayResults",
    "_state": "state_at_event",
}
_MODULE_OF: Final = {name: module for module, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = found
    return found
