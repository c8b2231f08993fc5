"""A `pydantic-ai` agent's model and tools as workflow code sees them: activities.

Owns what stands in their place while the library's own loop runs in a workflow. Left to itself that loop cannot: it
stamps messages by the machine's clock and draws ids, which the guard refuses, and sends synchronous functions to
threads, whose answers never arrive on a workflow's event loop. It has doors for all of it: the executor and the sleep
that it uses can be chosen, ids can be given, and the clock is the workflow's in `workflow.unsafe.workflow_clock`. The
rest is plain asyncio, which replays. The wrappers here do nothing but start activities.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import CompletedStreamedResponse, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, WrapperToolset
from pydantic_ai.toolsets.abstract import ToolsetTool
from pydantic_core import SchemaValidator, core_schema, to_json, to_jsonable_python

from tsuzuki import workflow
from tsuzuki.exceptions import ApplicationError

from ._approvals import Approvals
from ._budget import Budget
from ._control import Control
from ._pydantic_wire import (
    CALL_TOOL,
    GET_TOOLS,
    PARAMETERS,
    TOOL_DEFINITION,
    Context,
    ModelAnswer,
    ModelCall,
    ToolAnswer,
    ToolCall,
    ToolOffer,
    read_response,
    read_result,
    write_context,
    write_messages,
    write_settings,
)

if TYPE_CHECKING:
    from ._pydantic_agent import PydanticAgent


@dataclass(frozen=True)
class Run:
    """What one run of an agent was given by its workflow."""

    agent: PydanticAgent[Any, Any]
    context: Context
    control: Control | None
    approvals: Approvals | None
    budget: Budget | None
    wait_for_budget: bool
    asking: set[tuple[str | None, str]] = field(default_factory=set)
    """Toolset and name of the tools about which people are asked."""


@contextmanager
def in_workflow(run: Run) -> Iterator[None]:
    """Have the agent run as workflow code in this block."""
    agent = run.agent.agent
    with (
        workflow.unsafe.workflow_clock(),
        Agent.using_thread_executor(workflow.InlineExecutor()),
        Agent.using_sleep(workflow.sleep),
        agent.override(
            model=ModelInWorkflow(run),
            toolsets=[toolset.visit_and_replace(lambda leaf: _replaced(run, leaf)) for toolset in agent.toolsets],
            tools=[],
        ),
    ):
        yield


async def look_away(ctx: RunContext[Any], events: AsyncIterable[Any]) -> None:
    """Stands for the agent's own handler of events, which is called in the model's activity."""
    async for _ in events:
        pass


class ModelInWorkflow(WrapperModel):
    """Asks the model in an activity."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.agent.model)
        self._run = run
        self._requests = 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask, once the run's control and budget let it."""
        run = self._run
        self._requests += 1
        if run.control is not None:
            await run.control.checkpoint(f"{run.agent.name} request {self._requests}")
        call = ModelCall(
            write_messages(messages),
            write_settings(model_settings),
            PARAMETERS.dump_python(model_request_parameters, mode="json"),
            replace(run.context, run_step=self._requests),
        )

        def ask() -> Awaitable[ModelAnswer]:
            return workflow.execute_activity(
                f"{run.agent.name}.model", call, result_type=ModelAnswer, **run.agent.model_options
            )

        budget = run.budget
        return read_response(await (ask() if budget is None else budget.run(ask, wait=run.wait_for_budget)))

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        """The whole answer: what is streamed of it is streamed by the activity."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters)


def _replaced(run: Run, leaf: AbstractToolset[Any]) -> AbstractToolset[Any]:
    return FunctionsInActivities(leaf, run) if isinstance(leaf, FunctionToolset) else ToolsFromOutside(leaf, run)


@dataclass
class _InActivities(WrapperToolset[Any]):
    """Calls the tools of one toolset in activities, once people let it where they are to be asked."""

    run: Run

    async def list_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The tools as the toolset has them."""
        raise NotImplementedError

    def activity_of(self, tool: str) -> str:
        """The activity that calls a tool."""
        raise NotImplementedError

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The tools; those that need approval look like others to the library when the run has `Approvals`."""
        tools = await self.list_tools(ctx)
        if self.run.approvals is not None:
            for name, tool in tools.items():
                if tool.tool_def.kind == "unapproved":
                    self.run.asking.add((self.wrapped.id, name))
                    tools[name] = replace(tool, tool_def=replace(tool.tool_def, kind="function"))
        return tools

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call one."""
        run, agent = self.run, self.run.agent
        arguments, approved = _as_asked(ctx, tool_args), ctx.tool_call_approved
        if run.approvals is not None and (self.wrapped.id, name) in run.asking:
            decision = await run.approvals.ask(
                f"May {agent.name} call {name}?", subject=arguments, timeout=agent.approval_timeout
            )
            if not decision.approved:
                by = f" by {decision.by}" if decision.by else ""
                return f"The call was refused{by}: {decision.reason or 'no reason given'}"
            approved = True
            if decision.edited is not None:
                arguments = decision.edited
                tool_args = tool.args_validator.validate_json(to_json(arguments))
        if name in agent.in_workflow:
            return await super().call_tool(name, tool_args, ctx, tool)
        context = write_context(replace(ctx, tool_call_approved=approved), agent.deps)
        answer: ToolAnswer = await workflow.execute_activity(
            self.activity_of(name),
            ToolCall(name, arguments, context),
            result_type=ToolAnswer,
            **agent.options_of(name),
        )
        return read_result(answer)


@dataclass
class FunctionsInActivities(_InActivities):
    """Functions: what tools there are is known in the workflow."""

    async def list_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The tools, after their `prepare` functions."""
        return await self.wrapped.get_tools(ctx)

    def activity_of(self, tool: str) -> str:
        """One activity for each function."""
        return self.run.agent.activity_of(self.wrapped, tool)


@dataclass
class ToolsFromOutside(_InActivities):
    """Tools that somebody else has, such as an MCP server: what there is is asked once in a run, in an activity."""

    found: list[ToolOffer] | None = field(default=None)

    async def for_run(self, ctx: RunContext[Any]) -> ToolsFromOutside:
        """Itself: what a toolset makes for a run it makes in the activities."""
        return self

    async def for_run_step(self, ctx: RunContext[Any]) -> ToolsFromOutside:
        """Itself."""
        return self

    async def __aenter__(self) -> ToolsFromOutside:
        return self

    async def __aexit__(self, *args: Any) -> bool | None:
        return None

    async def get_instructions(self, ctx: RunContext[Any]) -> None:
        """None: they would have to be asked for."""

    async def list_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The tools, as the activity found them."""
        agent = self.run.agent
        if self.found is None:
            self.found = await workflow.execute_activity(
                agent.activity_of(self.wrapped, GET_TOOLS),
                write_context(ctx, agent.deps),
                result_type=list[ToolOffer],
                **agent.options_of(GET_TOOLS),
            )
        return {
            offer.definition["name"]: ToolsetTool(
                toolset=self,
                tool_def=TOOL_DEFINITION.validate_python(offer.definition),
                max_retries=offer.max_retries,
                args_validator=_ANY_ARGUMENTS,
            )
            for offer in self.found
        }

    def activity_of(self, tool: str) -> str:
        """One activity for all of them."""
        return self.run.agent.activity_of(self.wrapped, CALL_TOOL)


_ANY_ARGUMENTS: Final = SchemaValidator(core_schema.dict_schema(core_schema.str_schema()))
"""They are checked where they are used."""


def _as_asked(ctx: RunContext[Any], checked: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the model gave them: checking them made objects, which the activity makes anew."""
    for message in reversed(ctx.messages):
        if isinstance(message, ModelResponse):
            for part in message.parts:
                if isinstance(part, ToolCallPart) and part.tool_call_id == ctx.tool_call_id:
                    try:
                        return part.args_as_dict()
                    except ValueError as error:
                        raise ModelRetry(f"the arguments are no JSON: {error}") from None
            break
    arguments: dict[str, Any] = to_jsonable_python(checked)
    return arguments


def ended(error: Exception) -> ApplicationError:
    """How a run ends by an error of the library, which would else be taken for one of the code and be tried again."""
    return ApplicationError(str(error), type=type(error).__name__, non_retryable=True)
