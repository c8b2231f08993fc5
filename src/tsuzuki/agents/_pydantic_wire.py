"""What passes between a `pydantic-ai` agent in a workflow and its activities, in a form that histories can keep.

The library's own messages go as the library itself writes them to JSON, so one version of it can read what an earlier
one has written as far as the library promises that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import PydanticSchemaGenerationError, TypeAdapter
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ToolReturn,
    ToolReturnPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.usage import RunUsage
from pydantic_core import to_jsonable_python

PARAMETERS: Final = TypeAdapter(ModelRequestParameters)
TOOL_DEFINITION: Final = TypeAdapter(ToolDefinition)
GET_TOOLS: Final = "get_tools"
CALL_TOOL: Final = "call_tool"
"""The activities of a toolset that asks the outside."""
_TOOL_RETURN: Final = TypeAdapter(ToolReturn)


@dataclass(frozen=True)
class Context:
    """What an activity knows of the agent's run, besides its own arguments.

    Attributes:
        deps: As JSON.
        run_id: The agent's.
        conversation_id: The agent's.
        run_step: Number of the model request.
        tool_name: Of the tool that is called.
        tool_call_id: Of the call.
        retry: How often this tool was called in vain.
        max_retries: How often it may be.
        tool_call_approved: Whether people have approved the call.
    """

    deps: Any = None
    run_id: str | None = None
    conversation_id: str | None = None
    run_step: int = 0
    tool_name: str | None = None
    tool_call_id: str | None = None
    retry: int = 0
    max_retries: int = 0
    tool_call_approved: bool = False


@dataclass(frozen=True)
class ModelCall:
    """The argument of the activity that asks the model: messages, settings, parameters as the library writes them."""

    messages: list[Any]
    settings: dict[str, Any] | None
    parameters: dict[str, Any]
    context: Context = Context()


@dataclass(frozen=True)
class ModelAnswer:
    """What the model said, as the library writes it."""

    response: dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """The argument of the activity that calls a tool: the arguments as the model gave them."""

    tool: str
    arguments: dict[str, Any]
    context: Context


@dataclass(frozen=True)
class ToolOffer:
    """A tool that a toolset has found outside: its definition as the library writes it, and how often it may fail."""

    definition: dict[str, Any]
    max_retries: int


@dataclass(frozen=True)
class ToolAnswer:
    """What came of a call.

    Attributes:
        content: The result, as the library writes a tool's return.
        raised: Name of the library's exception that the tool raised instead; empty when it returned.
        message: Its words.
        metadata: Its metadata.
        is_tool_return: The tool returned a `ToolReturn`.
    """

    content: Any = None
    raised: str = ""
    message: str = ""
    metadata: dict[str, Any] | None = field(default=None)
    is_tool_return: bool = False


def write_messages(messages: list[ModelMessage]) -> list[Any]:
    """Messages as JSON."""
    written: list[Any] = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    return written


def read_messages(written: list[Any]) -> list[ModelMessage]:
    """What `write_messages` wrote."""
    return ModelMessagesTypeAdapter.validate_json(json.dumps(written))


def read_response(answer: ModelAnswer) -> ModelResponse:
    """The model's response."""
    (response,) = read_messages([answer.response])
    assert isinstance(response, ModelResponse)
    return response


def write_settings(settings: Any) -> dict[str, Any] | None:
    """Settings of a model as JSON."""
    return None if settings is None else to_jsonable_python(dict(settings))


def write_result(result: Any) -> ToolAnswer:
    """What a tool returned."""
    if isinstance(result, ToolReturn):
        return ToolAnswer(_TOOL_RETURN.dump_python(result, mode="json"), is_tool_return=True)
    part = ToolReturnPart(tool_name="", content=result, tool_call_id="")
    (message,) = write_messages([ModelRequest(parts=[part])])
    return ToolAnswer(message["parts"][0]["content"])


def write_raised(error: ModelRetry | ApprovalRequired | CallDeferred) -> ToolAnswer:
    """What a tool told the library by raising it."""
    metadata = getattr(error, "metadata", None)
    return ToolAnswer(
        raised=type(error).__name__,
        message=getattr(error, "message", ""),
        metadata=None if metadata is None else to_jsonable_python(metadata),
    )


def read_result(answer: ToolAnswer) -> Any:
    """What the tool returned.

    Raises:
        ModelRetry: As the tool did.
        ApprovalRequired: As the tool did.
        CallDeferred: As the tool did.
    """
    match answer.raised:
        case "ModelRetry":
            raise ModelRetry(answer.message)
        case "ApprovalRequired":
            raise ApprovalRequired(metadata=answer.metadata)
        case "CallDeferred":
            raise CallDeferred(metadata=answer.metadata)
    if answer.is_tool_return:
        return _TOOL_RETURN.validate_python(answer.content)
    part = {"part_kind": "tool-return", "tool_name": "", "tool_call_id": "", "content": answer.content}
    (message,) = read_messages([{"kind": "request", "parts": [part]}])
    found: Any = message.parts[0]
    return found.content


class Deps:
    """The dependencies of a run as JSON and back.

    Args:
        deps_type: The agent's.
    """

    def __init__(self, deps_type: Any) -> None:
        self._type = deps_type
        self._adapter: TypeAdapter[Any] | None = None

    def write(self, deps: Any) -> Any:
        """Dependencies as JSON.

        Raises:
            TypeError: They cannot be.
        """
        return None if deps is None else self._known().dump_python(deps, mode="json")

    def read(self, written: Any) -> Any:
        """What `write` wrote."""
        return None if written is None else self._known().validate_json(json.dumps(written))

    def _known(self) -> TypeAdapter[Any]:
        if self._adapter is None:
            try:
                self._adapter = TypeAdapter(self._type)
            except PydanticSchemaGenerationError as error:
                raise TypeError(
                    f"the agent's deps_type {self._type!r} cannot be sent to its activities: make it a dataclass or a "
                    "pydantic model of plain data, and open clients and files on the worker, with make_deps"
                ) from error
        return self._adapter


def write_context(ctx: RunContext[Any], deps: Deps) -> Context:
    """What an activity is to know."""
    return Context(
        deps=deps.write(ctx.deps),
        run_id=ctx.run_id,
        conversation_id=ctx.conversation_id,
        run_step=ctx.run_step,
        tool_name=ctx.tool_name,
        tool_call_id=ctx.tool_call_id,
        retry=ctx.retry,
        max_retries=ctx.max_retries,
        tool_call_approved=ctx.tool_call_approved,
    )


def read_context(context: Context, deps: Any, model: Any) -> RunContext[Any]:
    """The context for code in an activity: without the conversation, and with a usage of its own."""
    return RunContext(
        deps=deps,
        model=model,
        usage=RunUsage(),
        run_id=context.run_id,
        conversation_id=context.conversation_id,
        run_step=context.run_step,
        tool_name=context.tool_name,
        tool_call_id=context.tool_call_id,
        retry=context.retry,
        max_retries=context.max_retries,
        tool_call_approved=context.tool_call_approved,
    )
