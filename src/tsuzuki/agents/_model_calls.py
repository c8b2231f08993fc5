"""The activities of a durable agent: asking its model through `pydantic-ai`, and calling its tools.

The only module here that knows the model library. It is loaded when a worker asks for an agent's activities.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_ai import ModelRetry, Tool
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_core import to_json

from tsuzuki import activity

from ._conversation import Entry, EntryKind, ModelCall, ModelReply, ToolCall, ToolOutcome
from ._metering import metered, spend
from ._model_activity import beating, final_errors
from ._model_stream import publish_answer
from ._usage import Usage

if TYPE_CHECKING:
    from ._durable_agent import AgentTool, DurableAgent


def activities_of(agent: DurableAgent) -> list[Callable[..., Any]]:
    """Make the activities of an agent."""
    return [_model_activity(agent), *(_tool_activity(agent.name, tool) for tool in agent.tools.values())]


def _model_activity(agent: DurableAgent) -> Callable[..., Any]:
    parameters = ModelRequestParameters(
        function_tools=[Tool(tool.function, takes_ctx=False).tool_def for tool in agent.tools.values()],
        allow_text_output=True,
    )

    async def ask(call: ModelCall) -> ModelReply:
        """Ask the model."""
        messages = _messages(call, agent.instructions)
        settings: Any = None if agent.settings is None else dict(agent.settings)
        with final_errors():
            response = await (_streamed if agent.stream else _whole)(agent.model, messages, settings, parameters)
        reply = _reply(response, agent.price)
        spend(reply.used)
        return reply

    booked = ask
    if agent.ledger is not None:
        provider = agent.model if isinstance(agent.model, str) else agent.model.system
        booked = metered(agent.ledger, estimate=agent.estimate, provider=provider.partition(":")[0])(ask)
    return activity.defn(name=f"{agent.name}.model")(booked)


async def _whole(model: Any, messages: Sequence[ModelMessage], settings: Any, parameters: Any) -> ModelResponse:
    async with beating():
        return await model_request(model, messages, model_settings=settings, model_request_parameters=parameters)


async def _streamed(model: Any, messages: Sequence[ModelMessage], settings: Any, parameters: Any) -> ModelResponse:
    """Have the answer streamed, into the run's event stream."""
    async with (
        beating() as beat,
        activity.open_stream() as said,
        model_request_stream(model, messages, model_settings=settings, model_request_parameters=parameters) as stream,
    ):
        await publish_answer(stream, said, beat)
        return stream.get()


def _messages(call: ModelCall, instructions: str) -> list[ModelMessage]:
    """Write a conversation in the library's words: one request for all that was said between two replies."""
    told = "\n\n".join(filter(None, (instructions, call.instructions))) or None
    messages: list[ModelMessage] = []
    parts: list[ModelRequestPart] = []
    for entry in call.conversation:
        if entry.kind is not EntryKind.REPLY:
            parts.append(_part(entry))
            continue
        messages.append(ModelRequest(parts=parts, instructions=told))
        messages += ModelMessagesTypeAdapter.validate_python([entry.message])
        parts = []
    if parts:
        messages.append(ModelRequest(parts=parts, instructions=told))
    return messages


def _part(entry: Entry) -> ModelRequestPart:
    if entry.kind is EntryKind.TOOL:
        text = f"Error: {entry.text}" if entry.failed else entry.text
        return ToolReturnPart(tool_name=entry.tool, content=text, tool_call_id=entry.call_id)
    return UserPromptPart(content=entry.text)


def _reply(response: ModelResponse, price: Callable[[int, int], int] | None) -> ModelReply:
    calls = [ToolCall(call.tool_call_id, call.tool_name, call.args_as_dict()) for call in response.tool_calls]
    usage = response.usage
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return ModelReply(
        Entry(
            EntryKind.REPLY, _text(response), message=ModelMessagesTypeAdapter.dump_python([response], mode="json")[0]
        ),
        calls,
        Usage(read + written, 0 if price is None else price(read, written)),
        response.model_name or "",
    )


def _text(response: ModelResponse) -> str:
    return response.text or ""


def _tool_activity(agent: str, tool: AgentTool) -> Callable[..., Any]:
    check = Tool(tool.function, takes_ctx=False).function_schema.validator

    def refused(error: Exception) -> ToolOutcome:
        return ToolOutcome(str(error), failed=True)

    async def use(arguments: dict[str, Any]) -> ToolOutcome:
        try:
            checked = check.validate_python(arguments)
        except ValidationError as error:
            return refused(error)
        try:
            return _outcome(await tool.function(**checked))
        except ModelRetry as error:
            return refused(error)

    def use_in_thread(arguments: dict[str, Any]) -> ToolOutcome:
        try:
            checked = check.validate_python(arguments)
        except ValidationError as error:
            return refused(error)
        try:
            return _outcome(tool.function(**checked))
        except ModelRetry as error:
            return refused(error)

    chosen: Callable[..., Any] = use if inspect.iscoroutinefunction(tool.function) else use_in_thread
    return activity.defn(name=f"{agent}.{tool.name}")(chosen)


def _outcome(result: Any) -> ToolOutcome:
    return ToolOutcome(result if isinstance(result, str) else to_json(result).decode())
