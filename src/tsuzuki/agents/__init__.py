"""What an agent product needs on top of workflows: control of a run by people.

Plain workflow code over the public API, so it runs wherever workflows run: in your process, on the server, on a
Temporal cluster. Nothing here is loaded by `import tsuzuki`.
"""

from ._control import Control
from ._control_state import ControlAction, ControlRequest, ControlState, ControlStatus
from ._deadline import Deadline, WhilePaused
from ._remote_control import RemoteControl

__all__ = [
    "Control",
    "ControlAction",
    "ControlRequest",
    "ControlState",
    "ControlStatus",
    "Deadline",
    "RemoteControl",
    "WhilePaused",
]
