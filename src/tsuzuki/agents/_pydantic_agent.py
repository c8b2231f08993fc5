"""A `pydantic_ai.Agent` that runs inside a workflow, with the library's own loop.

Owns the settings; the loop's surroundings are `_pydantic_workflow`, the activities `_pydantic_activities`. The library
is imported when an agent of it is given, so this module does not need it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from tsuzuki import workflow

from ._approvals import Approvals
from ._budget import Budget
from ._control import Control
from ._durable_agent import ESTIMATE, MODEL_OPTIONS, TOOL_OPTIONS
from ._ledger import Ledger
from ._usage import Usage

if TYPE_CHECKING:
    from pydantic_ai import Agent, AgentRunResult
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.toolsets import AbstractToolset

DepsT = TypeVar("DepsT")
OutputT = TypeVar("OutputT")

Handler = Callable[[Any, Any], Awaitable[None]]
_OWN_TOOLS: Final = "<agent>"


class PydanticAgent(Generic[DepsT, OutputT]):
    """Runs a `pydantic_ai.Agent` in workflows: each model request and each tool call is an activity of its own.

        agent = Agent("anthropic:claude-haiku-5-5", name="researcher", output_type=Report, deps_type=Corpus)

        @agent.tool
        async def search(ctx: RunContext[Corpus], topic: str) -> list[str]: ...

        researcher = PydanticAgent(agent)

        @workflow.run
        async def run(self, question: str) -> Report:
            return (await researcher.run(question, deps=Corpus("owls"))).output

        Worker(client, task_queue="agents", workflows=[...], activities=researcher.activities)

    What was answered before a crash is not asked again. The library's loop is workflow code: instructions, output types
    and validators, usage limits, history processors and `prepare` functions run in the workflow, synchronous ones
    inline, and must be deterministic. Clock, chance and ids of the library are the workflow's.

    Tools run in activities `<name>.<tool>` (`<name>.<toolset id>.<tool>` for toolsets besides the agent's own), the
    model in `<name>.model`. Toolsets that ask somebody else for their tools, such as an MCP server, do so in
    `<name>.<toolset id>.get_tools`, once in a run, and call them in `<name>.<toolset id>.call_tool`. A tool's context
    has `deps`, the ids and the counts of retries, not the conversation; what it changes in `deps` stays in the
    activity. An error that a tool or the model raises is tried again under the activity's policy, and then ends the run
    with `ActivityError`; `ModelRetry` and arguments that do not fit go back to the model.

    Args:
        agent: The agent, with a model.
        name: The default is the agent's; open runs know it.
        model_options: Of the activity that asks the model, on top of two minutes, a heartbeat every 30 s, and three
            attempts.
        tool_options: Of all tools' activities, on top of a minute and three attempts.
        options: Of the activities of single tools, by the tool's name, on top of that.
        in_workflow: Names of tools that run in the workflow, because they are workflow code: wait, ask people, start
            activities and children.
        make_deps: Makes what tools get as `ctx.deps`, on the worker, from what the run was given, which must be plain
            data; a function or a coroutine function.
        stream: Have answers streamed into the run's event stream (`handle.read_stream()`), and what tools return.
            The default is to do so if there is a handler.
        event_stream_handler: Called in the model's activity with what is streamed, instead; the default is the agent's.
            `activity.open_stream()` works in it.
        approval_timeout: How long people have who are asked about a tool that `requires_approval`; then the call is
            refused. None for ever.
        ledger: Book the model's calls there, on the budget of the workflow.
        estimate: What a model call may use, for the ledger.
        price: What a call costs, in millionths, by its input and output tokens.

    Raises:
        ValueError: The agent has no name or no model, or a toolset has no id of its own.
    """

    def __init__(
        self,
        agent: Agent[DepsT, OutputT],
        *,
        name: str | None = None,
        model_options: workflow.ActivityConfig | None = None,
        tool_options: workflow.ActivityConfig | None = None,
        options: Mapping[str, workflow.ActivityConfig] | None = None,
        in_workflow: Collection[str] = (),
        make_deps: Callable[[Any], Any] | None = None,
        stream: bool | None = None,
        event_stream_handler: Handler | None = None,
        approval_timeout: timedelta | None = None,
        ledger: Ledger | None = None,
        estimate: Usage = ESTIMATE,
        price: Callable[[int, int], int] | None = None,
    ) -> None:
        from pydantic_ai.models import infer_model
        from pydantic_ai.toolsets import FunctionToolset

        from ._pydantic_wire import Deps

        known = name or agent.name
        if not known:
            raise ValueError("the agent has no name: give it one, by which open runs will know its activities")
        if agent.model is None:
            raise ValueError(f"agent {known!r} has no model: give it one, or pydantic_ai's test model in tests")
        self.agent: Final = agent
        self.name: Final = known
        self.model: Final = infer_model(agent.model)
        self.deps: Final = Deps(agent.deps_type)
        self.make_deps: Final = make_deps
        self.handler: Final[Handler | None] = event_stream_handler or agent.event_stream_handler
        self.streams: Final = self.handler is not None if stream is None else stream
        self.in_workflow: Final = frozenset(in_workflow)
        self.approval_timeout: Final = approval_timeout
        self.ledger: Final = ledger
        self.estimate: Final = estimate
        self.price: Final = price
        self.model_options: Final = workflow.ActivityConfig(**{**MODEL_OPTIONS, **(model_options or {})})
        self._tool_options: Final[dict[str, Any]] = {**TOOL_OPTIONS, **(tool_options or {})}
        self._options: Final = dict(options or {})
        leaves = _leaves(known, agent)
        self.function_toolsets: Final = [leaf for leaf in leaves if isinstance(leaf, FunctionToolset)]
        self.outside_toolsets: Final = [leaf for leaf in leaves if not isinstance(leaf, FunctionToolset)]

    @cached_property
    def activities(self) -> list[Callable[..., Any]]:
        """What a worker must know."""
        from ._pydantic_activities import activities_of

        return activities_of(self)

    def activity_of(self, toolset: AbstractToolset[Any], tool: str) -> str:
        """The activity that calls a tool."""
        own = toolset.id in (None, _OWN_TOOLS)
        return f"{self.name}.{tool}" if own else f"{self.name}.{toolset.id}.{tool}"

    def options_of(self, tool: str) -> dict[str, Any]:
        """The options of a tool's activity."""
        return {**self._tool_options, **self._options.get(tool, {})}

    async def run(
        self,
        prompt: Any = None,
        *,
        deps: DepsT | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        control: Control | None = None,
        approvals: Approvals | None = None,
        budget: Budget | None = None,
        wait_for_budget: bool = False,
        **more: Any,
    ) -> AgentRunResult[OutputT]:
        """Run the agent to its end; for workflow code.

        Args:
            prompt: What to do, as `Agent.run` takes it.
            deps: For instructions and tools; plain data, of the agent's `deps_type`.
            message_history: What was said before: `result.all_messages()`.
            control: Pass its checkpoint `<name> request <number>` before each model request.
            approvals: Where people are asked before tools that `requires_approval` are called. Without it the library
                ends the run with `DeferredToolRequests`.
            budget: Name refusals by it, see `Budget.run`.
            wait_for_budget: Wait for an increase when it is exhausted.
            more: What else `Agent.run` takes: `output_type`, `usage_limits`, `model_settings`, ...

        Raises:
            ActivityError: The model or a tool could not be reached.
            BudgetExhaustedError: There is no room for a model call.
            ApplicationError: The library gave up; its type is the name of the library's error, such as
                `UsageLimitExceeded` or `UnexpectedModelBehavior`.
        """
        from pydantic_ai.exceptions import AgentRunError

        from ._pydantic_wire import Context
        from ._pydantic_workflow import Run, ended, in_workflow, look_away

        more.setdefault("run_id", str(workflow.uuid4()))
        more.setdefault("conversation_id", str(workflow.uuid4()))
        if self.agent.event_stream_handler is not None:
            more["event_stream_handler"] = look_away
        context = Context(self.deps.write(deps), more["run_id"], more["conversation_id"])
        given: Any = deps
        try:
            with in_workflow(Run(self, context, control, approvals, budget, wait_for_budget)):
                return await self.agent.run(prompt, deps=given, message_history=message_history, **more)
        except AgentRunError as error:
            raise ended(error) from error


def _leaves(name: str, agent: Agent[Any, Any]) -> list[AbstractToolset[Any]]:
    """The toolsets below all wrappers."""
    found: list[AbstractToolset[Any]] = []

    def look(leaf: AbstractToolset[Any]) -> None:
        if leaf.id is None:
            raise ValueError(f"agent {name!r}: {leaf.label} has no id; give it one, by which open runs know its tools")
        found.append(leaf)

    for toolset in agent.toolsets:
        toolset.apply(look)
    ids = [leaf.id for leaf in found]
    if len(set(ids)) < len(ids):
        raise ValueError(f"agent {name!r}: two toolsets have one id, of {', '.join(map(str, ids))}; give each its own")
    return found
