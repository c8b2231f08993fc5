"""The activities of a `pydantic-ai` agent that runs in a workflow: its model is asked and its tools are called here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import AbstractToolset
from pydantic_core import to_json

from tsuzuki import activity

from ._metering import metered, spend
from ._model_activity import beating, final_errors
from ._model_stream import publish_answer
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
    read_context,
    read_messages,
    write_messages,
    write_raised,
    write_result,
)
from ._usage import Usage

if TYPE_CHECKING:
    from ._pydantic_agent import PydanticAgent

SHOWN_BYTES_MAX: Final = 8 * 1024
"""Of a tool's result, in the event stream."""


def activities_of(agent: PydanticAgent[Any, Any]) -> list[Callable[..., Any]]:
    """Make the activities of an agent."""
    functions = [
        _tool_activity(agent, agent.activity_of(toolset, name), toolset)
        for toolset in agent.function_toolsets
        for name in toolset.tools
        if name not in agent.in_workflow
    ]
    outside = [
        made
        for toolset in agent.outside_toolsets
        for made in (
            _listing_activity(agent, agent.activity_of(toolset, GET_TOOLS), toolset),
            _tool_activity(agent, agent.activity_of(toolset, CALL_TOOL), toolset),
        )
    ]
    return [_model_activity(agent), *functions, *outside]


def _model_activity(agent: PydanticAgent[Any, Any]) -> Callable[..., Any]:
    async def ask(call: ModelCall) -> ModelAnswer:
        """Ask the model."""
        with final_errors():
            response = await (_streamed if agent.streams else _whole)(agent, call)
        read, written = response.usage.input_tokens or 0, response.usage.output_tokens or 0
        spend(Usage(read + written, 0 if agent.price is None else agent.price(read, written)))
        return ModelAnswer(write_messages([response])[0])

    booked = ask
    if agent.ledger is not None:
        booked = metered(agent.ledger, estimate=agent.estimate, provider=agent.model.system)(ask)
    return activity.defn(name=f"{agent.name}.model")(booked)


async def _whole(agent: PydanticAgent[Any, Any], call: ModelCall) -> ModelResponse:
    messages, settings, parameters = _read(call)
    async with beating():
        return await model_request(agent.model, messages, model_settings=settings, model_request_parameters=parameters)


async def _streamed(agent: PydanticAgent[Any, Any], call: ModelCall) -> ModelResponse:
    """Have the answer streamed, into the run's event stream or to the agent's handler."""
    messages, settings, parameters = _read(call)
    async with (
        beating() as beat,
        model_request_stream(
            agent.model, messages, model_settings=settings, model_request_parameters=parameters
        ) as stream,
    ):
        if agent.handler is None:
            async with activity.open_stream() as said:
                await publish_answer(stream, said, beat)
        else:
            await agent.handler(read_context(call.context, await _deps(agent, call.context), agent.model), stream)
            async for _ in stream:  # what the handler did not wait for
                pass
        return stream.get()


def _read(call: ModelCall) -> tuple[list[ModelMessage], Any, ModelRequestParameters]:
    return read_messages(call.messages), call.settings, PARAMETERS.validate_python(call.parameters)


def _listing_activity(
    agent: PydanticAgent[Any, Any], activity_name: str, toolset: AbstractToolset[Any]
) -> Callable[..., Any]:
    async def offers(context: Context) -> list[ToolOffer]:
        ctx = read_context(context, await _deps(agent, context), agent.model)
        async with beating(), await toolset.for_run(ctx) as opened:
            tools = await opened.get_tools(ctx)
        return [
            ToolOffer(TOOL_DEFINITION.dump_python(it.tool_def, mode="json"), it.max_retries) for it in tools.values()
        ]

    return activity.defn(name=activity_name)(offers)


def _tool_activity(
    agent: PydanticAgent[Any, Any], activity_name: str, toolset: AbstractToolset[Any]
) -> Callable[..., Any]:
    async def use(call: ToolCall) -> ToolAnswer:
        ctx = read_context(call.context, await _deps(agent, call.context), agent.model)
        async with beating(), await toolset.for_run(ctx) as opened:
            return await use_of(opened, call, ctx)

    async def use_of(toolset: AbstractToolset[Any], call: ToolCall, ctx: RunContext[Any]) -> ToolAnswer:
        tool = (await toolset.get_tools(ctx)).get(call.tool)
        if tool is None:
            return write_raised(ModelRetry(f"there is no tool {call.tool!r} any more"))
        try:
            arguments = tool.args_validator.validate_json(to_json(call.arguments))
        except ValidationError as error:  # people who approved the call may have edited it
            return write_raised(ModelRetry(str(error)))
        try:
            with final_errors():
                return write_result(await toolset.call_tool(call.tool, arguments, ctx, tool))
        except (ModelRetry, ApprovalRequired, CallDeferred) as error:
            return write_raised(error)

    async def use_and_tell(call: ToolCall) -> ToolAnswer:
        async with activity.open_stream() as said:
            answer = await use(call)
            key = "tool_error" if answer.raised else "tool_result"
            await said.publish({key: call.tool, "id": call.context.tool_call_id, "content": _short(answer)})
        return answer

    return activity.defn(name=activity_name)(use_and_tell if agent.streams else use)


def _short(answer: ToolAnswer) -> Any:
    """A result for the stream; of a long one the beginning, as text."""
    content = answer.message if answer.raised else answer.content
    written = to_json(content)
    return content if len(written) <= SHOWN_BYTES_MAX else written[:SHOWN_BYTES_MAX].decode(errors="replace") + "…"


async def _deps(agent: PydanticAgent[Any, Any], context: Context) -> Any:
    deps = agent.deps.read(context.deps)
    if agent.make_deps is None:
        return deps
    made = agent.make_deps(deps)
    return await made if isinstance(made, Awaitable) else made
