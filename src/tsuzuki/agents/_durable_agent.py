"""An agent whose every model request and every tool call is an activity of its own.

Owns the loop between model and tools, as plain workflow code: what was answered before a crash is not asked again. The
model library (`pydantic-ai`) is used only inside activities, so the loop does not depend on its version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tsuzuki import workflow
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError

from ._approvals import Approvals
from ._budget import Budget
from ._control import Control
from ._conversation import AgentResult, Entry, EntryKind, ModelCall, ModelReply, ToolCall, ToolOutcome
from ._ledger import Ledger
from ._usage import NOTHING, Usage

if TYPE_CHECKING:
    from pydantic_ai.models import Model

Result = TypeVar("Result")

MODEL_OPTIONS: Final = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=3),
)
ESTIMATE: Final = Usage(tokens=4000)
TOOL_OPTIONS: Final = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(seconds=60), retry_policy=RetryPolicy(maximum_attempts=3)
)


@dataclass(frozen=True)
class AgentTool:
    """A tool with what is special about it.

    Attributes:
        function: The function, sync or async; its docstring and hints describe it to the model.
        options: Of its activity, on top of a minute and three attempts.
        needs_approval: True to ask people before each call.
        approval_timeout: How long they have; then the call is refused. None for ever.
    """

    function: Callable[..., Any]
    options: workflow.ActivityConfig | None = None
    needs_approval: bool = False
    approval_timeout: timedelta | None = None

    @property
    def name(self) -> str:
        """Its name, for the model and in the activity's type."""
        return self.function.__name__


class DurableAgent:
    """A model with tools.

        researcher = DurableAgent("researcher", "anthropic:claude-haiku-5-5", tools=[search])

        @workflow.run
        async def run(self, question: str) -> str:
            return (await researcher.run(question)).output

        Worker(client, task_queue="agents", workflows=[...], activities=researcher.activities)

    Its activities are `<name>.model` and `<name>.<tool>`. A tool that raises `pydantic_ai.ModelRetry`, or is given
    arguments that do not fit, tells the model so; any other error is tried again under the activity's policy, and then
    ends the run with `ActivityError`.

    Args:
        name: Its name; open runs know it.
        model: What `pydantic-ai` takes: a name such as `openai:gpt-6-luna`, or a model object.
        instructions: What the model is told to be.
        tools: Functions, or `AgentTool`s.
        model_options: Of the activity that asks the model, on top of two minutes, a heartbeat every 30 s, and three
            attempts.
        stream: Have the answer streamed into the run's event stream: `handle.read_stream()`.
        settings: The model's settings, such as `{"temperature": 0}`.
        ledger: Book the model's calls there, on the budget of the workflow.
        estimate: What a model call may use, for the ledger.
        price: What a call costs, in millionths, by its input and output tokens.

    Raises:
        ValueError: Two tools have one name, or a tool is called `model`.
    """

    def __init__(
        self,
        name: str,
        model: Model | str,
        *,
        instructions: str = "",
        tools: Sequence[Callable[..., Any] | AgentTool] = (),
        model_options: workflow.ActivityConfig | None = None,
        stream: bool = False,
        settings: Mapping[str, Any] | None = None,
        ledger: Ledger | None = None,
        estimate: Usage = ESTIMATE,
        price: Callable[[int, int], int] | None = None,
    ) -> None:
        self.name: Final = name
        self.model: Final = model
        self.instructions: Final = instructions
        self.tools: Final[Mapping[str, AgentTool]] = _by_name(tools)
        self.stream: Final = stream
        self.settings: Final = settings
        self.ledger: Final = ledger
        self.estimate: Final = estimate
        self.price: Final = price
        self._model_options = workflow.ActivityConfig(**{**MODEL_OPTIONS, **(model_options or {})})

    @cached_property
    def activities(self) -> list[Callable[..., Any]]:
        """What a worker must know. Needs the extra `agents`."""
        from ._model_calls import activities_of

        return activities_of(self)

    async def run(
        self,
        prompt: str,
        *,
        conversation: Sequence[Entry] = (),
        instructions: str = "",
        control: Control | None = None,
        approvals: Approvals | None = None,
        budget: Budget | None = None,
        wait_for_budget: bool = False,
        turns_max: int = 20,
    ) -> AgentResult:
        """Have the model answer, with its tools; for workflow code.

        Args:
            prompt: What to do.
            conversation: What was said before.
            instructions: What the model is told on top of the agent's own instructions.
            control: Pass its checkpoint `<name> turn <number>` before each model call.
            approvals: Where people are asked; needed for tools that need approval.
            budget: Name refusals by it, see `Budget.run`.
            wait_for_budget: Wait for an increase when it is exhausted.
            turns_max: Most model calls.

        Raises:
            ActivityError: The model or a tool could not be reached.
            BudgetExhaustedError: There is no room for a model call.
            ApplicationError: It has not finished after `turns_max` model calls (type `TurnsExceeded`), or a tool
                needs approval and there are no `approvals`.
        """
        said = [*conversation, Entry(EntryKind.USER, prompt)]
        used = NOTHING
        for turn in range(1, turns_max + 1):
            if control is not None:
                await control.checkpoint(f"{self.name} turn {turn}")
            reply = await self._ask(ModelCall(list(said), instructions), budget, wait_for_budget)
            said.append(reply.entry)
            used += reply.used
            if not reply.tool_calls:
                return AgentResult(reply.entry.text, said, used, turn)
            said += await asyncio.gather(*(self._use(call, approvals) for call in reply.tool_calls))
        raise ApplicationError(
            f"agent {self.name!r} has not finished after {turns_max} model calls", type="TurnsExceeded"
        )

    async def _ask(self, call: ModelCall, budget: Budget | None, wait: bool) -> ModelReply:
        def ask() -> Awaitable[ModelReply]:
            return workflow.execute_activity(f"{self.name}.model", call, result_type=ModelReply, **self._model_options)

        return await (ask() if budget is None else budget.run(ask, wait=wait))

    async def _use(self, call: ToolCall, approvals: Approvals | None) -> Entry:
        outcome = await self._outcome(call, approvals)
        return Entry(EntryKind.TOOL, outcome.text, tool=call.tool, call_id=call.id, failed=outcome.failed)

    async def _outcome(self, call: ToolCall, approvals: Approvals | None) -> ToolOutcome:
        tool = self.tools.get(call.tool)
        if tool is None:
            return ToolOutcome(f"there is no tool {call.tool!r}; there are: {', '.join(self.tools)}", failed=True)
        arguments = call.arguments
        if tool.needs_approval:
            if approvals is None:
                raise ApplicationError(f"tool {call.tool!r} needs approval: give run(...) the run's Approvals")
            decision = await approvals.ask(
                f"May {self.name} call {call.tool}?", subject=arguments, timeout=tool.approval_timeout
            )
            if not decision.approved:
                by = f" by {decision.by}" if decision.by else ""
                return ToolOutcome(f"the call was refused{by}: {decision.reason or 'no reason given'}", failed=True)
            arguments = arguments if decision.edited is None else decision.edited
        options: Any = {**TOOL_OPTIONS, **(tool.options or {})}
        outcome: ToolOutcome = await workflow.execute_activity(
            f"{self.name}.{call.tool}", arguments, result_type=ToolOutcome, **options
        )
        return outcome


def _by_name(tools: Sequence[Callable[..., Any] | AgentTool]) -> dict[str, AgentTool]:
    found: dict[str, AgentTool] = {}
    for given in tools:
        tool = given if isinstance(given, AgentTool) else AgentTool(given)
        if tool.name in found or tool.name == "model":
            raise ValueError(f"tool {tool.name!r}: the name is taken; give the function another one")
        found[tool.name] = tool
    return found
