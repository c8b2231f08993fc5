"""What an agent product needs on top of workflows: control of a run by people, budgets of tokens and money.

Plain workflow code over the public API, so it runs wherever workflows run: in your process, on the server, on a
Temporal cluster. Nothing here is loaded by `import tsuzuki`.
"""

from ._approvals import ApprovalDecision, ApprovalRequest, Approvals
from ._budget import Budget, BudgetActivities, BudgetIncrease, BudgetView
from ._budget_interceptor import Allowance, BudgetInterceptor
from ._control import Control
from ._control_state import ControlAction, ControlRequest, ControlState, ControlStatus
from ._conversation import AgentResult, Entry, EntryKind, ModelCall, ModelReply, ToolCall, ToolOutcome
from ._deadline import Deadline, WhilePaused
from ._durable_agent import AgentTool, DurableAgent
from ._executions import AgentExecution, ExecutionLog, ExecutionTotals, RecordedExecution, persist_agent_execution
from ._keyed_limit import ConcurrencyLimitError, DisplacedError, KeyedLimit, KeyedRate, WhenFull
from ._ledger import Ledger
from ._ledger_records import CallRecord, Grant, RateLimit
from ._memory import MemoryStore, compress, recall, remember, summarize_by_beginnings
from ._metering import Meter, metered, spend
from ._priority_queues import PRIORITY_SLOTS, Level, PriorityQueues, Slots, queue_of
from ._pydantic_agent import PydanticAgent
from ._remote_approvals import RemoteApprovals
from ._remote_control import RemoteControl
from ._usage import BudgetExhaustedError, BudgetState, Exhausted, Limit, RateLimitedError, Usage

__all__ = [
    "PRIORITY_SLOTS",
    "AgentExecution",
    "AgentResult",
    "AgentTool",
    "Allowance",
    "ApprovalDecision",
    "ApprovalRequest",
    "Approvals",
    "Budget",
    "BudgetActivities",
    "BudgetExhaustedError",
    "BudgetIncrease",
    "BudgetInterceptor",
    "BudgetState",
    "BudgetView",
    "CallRecord",
    "ConcurrencyLimitError",
    "Control",
    "ControlAction",
    "ControlRequest",
    "ControlState",
    "ControlStatus",
    "Deadline",
    "DisplacedError",
    "DurableAgent",
    "Entry",
    "EntryKind",
    "ExecutionLog",
    "ExecutionTotals",
    "Exhausted",
    "Grant",
    "KeyedLimit",
    "KeyedRate",
    "Ledger",
    "Level",
    "Limit",
    "MemoryStore",
    "Meter",
    "ModelCall",
    "ModelReply",
    "PriorityQueues",
    "PydanticAgent",
    "RateLimit",
    "RateLimitedError",
    "RecordedExecution",
    "RemoteApprovals",
    "RemoteControl",
    "Slots",
    "ToolCall",
    "ToolOutcome",
    "Usage",
    "WhenFull",
    "WhilePaused",
    "compress",
    "metered",
    "persist_agent_execution",
    "queue_of",
    "recall",
    "remember",
    "spend",
    "summarize_by_beginnings",
]
