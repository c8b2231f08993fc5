"""The paths that are answered with server-sent events: a run's history, what its activities say, and its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.routing import Route

from tsuzuki.common.log_frames import LOG_QUERY
from tsuzuki.common.stream_frames import STREAM_QUERY

from ._answers import Answers
from ._bindings import NAMESPACED, SHORT
from ._events import EventStreams
from ._run_streams import RunStreams, log_lines, stream_events

_RUN: Final = "workflows/{workflow_id}"
_PREFIXES: Final = (NAMESPACED, SHORT)
_SUMMARIES: Final[Mapping[str, str]] = {
    "events": "A run's history as server-sent events, live until the run closes.",
    "stream": "What a run's activities say while they run, as server-sent events, live until the run closes.",
    "logs": "What a run's code and activities have logged, as server-sent events, live until the run closes.",
}
_DATA: Final[Mapping[str, str]] = {
    "events": "Each is an event of the history, as GetWorkflowExecutionHistory gives it.",
    "stream": "The data of each is JSON: offset, kind (begin, data, end, full), activityId, activityType, attempt, "
    "seq, time, and with data the value; of a batch that a codec has encoded the first has it as payload.",
    "logs": "The data of each is JSON: offset, time, level (20 is INFO), logger, message, and where there is something "
    "to say fields, exception, activityId, activityType and attempt; of a batch that a codec has encoded the first has "
    "it as payload.",
}
_TEXT: Final = {"type": "string"}


def live_routes(answers: Answers, namespace: str) -> list[Route]:
    """Make the routes.

    Args:
        answers: The service behind.
        namespace: That of the short form.
    """
    responders = {
        "events": EventStreams(answers, namespace).respond,
        "stream": RunStreams(answers, namespace, STREAM_QUERY, stream_events).respond,
        "logs": RunStreams(answers, namespace, LOG_QUERY, log_lines).respond,
    }
    return [Route(f"{prefix}{_RUN}/{name}", respond) for prefix in _PREFIXES for name, respond in responders.items()]


def describe_live_routes() -> dict[str, dict[str, Any]]:
    """The routes as paths of an OpenAPI description."""
    return {
        f"{prefix}{_RUN}/{name}": {"get": _operation(prefix, name, summary)}
        for prefix in _PREFIXES
        for name, summary in _SUMMARIES.items()
    }


def _operation(prefix: str, name: str, summary: str) -> dict[str, Any]:
    variables = (["namespace"] if prefix == NAMESPACED else []) + ["workflow_id"]
    last_seen = "The id of the last event that was seen: the answer goes on behind it, in the run that it names."
    newest = "Begin with that many of the newest lines."
    return {
        "operationId": f"GET {prefix}{_RUN}/{name}",
        "tags": ["Live"],
        "summary": summary,
        "parameters": [
            *({"name": it, "in": "path", "required": True, "schema": _TEXT} for it in variables),
            {"name": "runId", "in": "query", "schema": _TEXT, "description": "Which run; by default the newest."},
            *([{"name": "last", "in": "query", "schema": _TEXT, "description": newest}] if name == "logs" else []),
            {"name": "lastEventId", "in": "query", "schema": _TEXT, "description": last_seen},
            {"name": "Last-Event-ID", "in": "header", "schema": _TEXT, "description": last_seen},
        ],
        "responses": {
            "200": {"description": _DATA[name], "content": {"text/event-stream": {"schema": _TEXT}}},
            "204": {"description": "The run has closed, and its last event was seen."},
            "default": {
                "description": "Why not.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
            },
        },
    }
