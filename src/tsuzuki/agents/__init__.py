"""What an agent product needs on top of workflows: control of a run by people, budgets of tokens and money.

Plain workflow code over the public API, so it runs wherever workflows run: in your process, on the server, on a
Temporal cluster. Nothing here is loaded by `import tsuzuki`.
"""

from ._budget import Budget, BudgetActivities, BudgetIncrease, BudgetView
from ._control import Control
from ._control_state import ControlAction, ControlRequest, ControlState, ControlStatus
from ._deadline import Deadline, WhilePaused
from ._ledger import Ledger
from ._ledger_records import CallRecord, Grant, RateLimit
from ._metering import metered, spend
from ._remote_control import RemoteControl
from ._usage import BudgetExhaustedError, BudgetState, Exhausted, Limit, RateLimitedError, Usage

__all__ = [
    "Budget",
    "BudgetActivities",
    "BudgetExhaustedError",
    "BudgetIncrease",
    "BudgetState",
    "BudgetView",
    "CallRecord",
    "Control",
    "ControlAction",
    "ControlRequest",
    "ControlState",
    "ControlStatus",
    "Deadline",
    "Exhausted",
    "Grant",
    "Ledger",
    "Limit",
    "RateLimit",
    "RateLimitedError",
    "RemoteControl",
    "Usage",
    "WhilePaused",
    "metered",
    "spend",
]
