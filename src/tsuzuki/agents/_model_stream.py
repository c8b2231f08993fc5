"""What a model writes, into the run's event stream while it writes it.

Text goes as text. Everything else is an object with one telling key: `thinking`, `tool_call`, `tool_result`,
`tool_error`; a small vocabulary of our own, so that readers need not know the model library.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Any, Final

from pydantic_ai.messages import (
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)

from tsuzuki.activity import EventStream

PARTIAL_CHARACTERS_MAX: Final = 2_000


async def publish_answer(events: AsyncIterable[Any], stream: EventStream, beat: Callable[..., None]) -> None:
    """Publish the events of a model's streamed answer; heartbeats carry the end of what has been written so far.

    Args:
        events: As the library streams them.
        stream: Open for writing.
        beat: Sends a heartbeat with these details, and has those that follow carry them too.
    """
    written = ""
    async for event in events:
        said = _said(event)
        if isinstance(said, str):
            written = (written + said)[-PARTIAL_CHARACTERS_MAX:]
        beat(written)
        if said:
            await stream.publish(said)


def _said(event: Any) -> Any:
    match event:
        case PartStartEvent(part=TextPart(content=text)):
            return text
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case PartStartEvent(part=ThinkingPart(content=text)) if text:
            return {"thinking": text}
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)) if text:
            return {"thinking": text}
        case PartEndEvent(part=ToolCallPart() as call):
            return {"tool_call": call.tool_name, "id": call.tool_call_id, "arguments": call.args_as_dict()}
    return None
