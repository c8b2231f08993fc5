"""A run as it was: rebuilt from its history up to an event, and looked at.

Nothing here polls or answers. What is rebuilt is thrown away by whoever asked for it.
"""

from .._queries import answer, frames_of
from .._source import is_user_code
from .._variables import MASKED, Variable
from .._workflows import UnknownWorkflowError
from ._query import STATE_QUERY
from ._rebuild import Rebuilder
from ._state import FrameState, RunState, TaskState, look_at
from ._work import PendingWork, WorkKind

__all__ = [
    "MASKED",
    "STATE_QUERY",
    "FrameState",
    "PendingWork",
    "Rebuilder",
    "RunState",
    "TaskState",
    "UnknownWorkflowError",
    "Variable",
    "WorkKind",
    "answer",
    "frames_of",
    "is_user_code",
    "look_at",
]
