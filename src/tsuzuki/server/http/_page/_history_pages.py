"""Pages of a history for the browser: rows, or one event whole.

A page begins where its token says. The last page of an open run has a token too: asked with it again, it waits for
more.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from google.protobuf import json_format
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
)

from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from .._payload_json import to_json
from ._event_facts import facts
from ._event_rows import row
from ._run import Run
from ._tokens import read_token, token_text

PAGE_EVENTS: Final = 2000
FIRST_PAGE_EVENTS: Final = 200
"""Fewer, so that there is something to see at once."""
_SHORTEST_WAIT_S: Final = 0.001
WAIT_S_MAX: Final = 15.0


async def history_page(
    caller: Caller, run: Run, token: str, *, wait_s: float = 0, size: int = PAGE_EVENTS
) -> GetWorkflowExecutionHistoryResponse:
    """Events from where a token says, or from the first; without any when nothing new came in time."""
    asked = GetWorkflowExecutionHistoryRequest(
        namespace=run.namespace, execution=run.execution, maximum_page_size=size, wait_new_event=True
    )
    asked.next_page_token = read_token(token)
    wait_s = max(_SHORTEST_WAIT_S, min(wait_s, WAIT_S_MAX))
    return await caller.ask(asked, GetWorkflowExecutionHistoryResponse, wait_s=wait_s)


async def rows(caller: Caller, run: Run, token: str, wait_s: float) -> dict[str, Any]:
    """A page as rows, whether it is full, and the token of the next; that is empty after the end of a closed run."""
    size = PAGE_EVENTS if token else FIRST_PAGE_EVENTS
    page = await history_page(caller, run, token, wait_s=wait_s, size=size)
    shown = [row(event) for event in page.history.events]
    return {"rows": shown, "full": len(shown) >= size, "next": token_text(page.next_page_token)}


async def one_event(caller: Caller, run: Run, token: str, event_id: int) -> dict[str, Any]:
    """An event of the page that a token begins: as indented JSON with its payloads in shorthand, and its facts."""
    page = await history_page(caller, run, token)
    for event in page.history.events:
        if event.event_id == event_id:
            return {"text": json.dumps(to_json(event), indent=2, ensure_ascii=False), "facts": facts(event)}
    raise ServiceError(StatusCode.NOT_FOUND, f"there is no event {event_id} on that page of the history.")


async def exported(caller: Caller, run: Run) -> AsyncIterator[str]:
    """The whole history in the format of the official command line, piece by piece."""
    asked = GetWorkflowExecutionHistoryRequest(
        namespace=run.namespace, execution=run.execution, maximum_page_size=PAGE_EVENTS
    )
    separator = ""
    yield '{"events": ['
    while True:
        page = await caller.ask(asked, GetWorkflowExecutionHistoryResponse)
        for event in page.history.events:
            yield separator + json.dumps(json_format.MessageToDict(event))
            separator = ",\n"
        if not page.next_page_token:
            break
        asked.next_page_token = page.next_page_token
    yield "]}\n"
