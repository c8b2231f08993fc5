"""What is said between a durable agent and its model, in a form that histories can keep.

The workflow knows only these few classes. What a model library says in detail stays opaque in `Entry.message`, so that
a new version of the library does not change what an open run decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ._usage import NOTHING, Usage


class EntryKind(StrEnum):
    """Who says something."""

    USER = "user"
    REPLY = "reply"
    """The model."""
    TOOL = "tool"
    """A tool, with what came of a call."""
    SUMMARY = "summary"
    """What stands for entries that were left out."""


@dataclass(frozen=True)
class Entry:
    """One thing that was said.

    Attributes:
        kind: By whom.
        text: The words.
        message: The model's reply as its library wrote it; opaque. None for others.
        tool: Name of the tool.
        call_id: Id of the tool call that this answers.
        failed: True when the tool refused the call; the text says why.
    """

    kind: EntryKind
    text: str
    message: Any = None
    tool: str = ""
    call_id: str = ""
    failed: bool = False


@dataclass(frozen=True)
class ToolCall:
    """What a model asks a tool.

    Attributes:
        id: Id of the call, from the model.
        tool: Name of the tool.
        arguments: Its arguments by name.
    """

    id: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class ModelCall:
    """The argument of the activity that asks the model.

    Attributes:
        conversation: All that was said.
        instructions: What the model is told on top of the agent's own instructions.
    """

    conversation: list[Entry]
    instructions: str = ""


@dataclass(frozen=True)
class ModelReply:
    """What the model said.

    Attributes:
        entry: For the conversation.
        tool_calls: What it asks of tools; empty when it has finished.
        used: Tokens and money.
        model: Name of the model that answered.
    """

    entry: Entry
    tool_calls: list[ToolCall] = field(default_factory=list)
    used: Usage = NOTHING
    model: str = ""


@dataclass(frozen=True)
class ToolOutcome:
    """What came of a tool call.

    Attributes:
        text: The result, as the model is shown it.
        failed: True when the tool refused the call.
    """

    text: str
    failed: bool = False


@dataclass(frozen=True)
class AgentResult:
    """What a durable agent gives.

    Attributes:
        output: The model's last words.
        conversation: All that was said; goes on with `run(..., conversation=...)`.
        used: Tokens and money of all its model calls.
        turns: Number of model calls.
    """

    output: str
    conversation: list[Entry]
    used: Usage
    turns: int
