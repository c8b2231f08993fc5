"""Short routes for people who look after agents: control, approvals, budgets, executions. One table says them all.

Each is there with and without the namespace in its path, and asks for what its RPCs ask for. What a run answers is
handed on as the JSON that it answered with.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest

from tsuzuki.service import ServiceError, StatusCode

from ._agent_calls import ACTIONS, AgentCalls, AgentRun, pending_approvals
from ._agent_records import EXECUTIONS_MAX, AgentRecords, GroupBy
from ._answers import Answers, Caller
from ._bindings import NAMESPACED, SHORT
from ._foreign_json import JsonResponse, read_json
from ._refusals import refusal

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_REASON: Final = {"reason": {**_TEXT, "description": "Why; recorded with the request."}}
_BY: Final = {
    "by": {**_TEXT, "description": "Who asks. A server with keys adds whose key it was; by default that alone."}
}
_RUN: Final = {"runId": {**_TEXT, "description": "Which run; by default the open one, else the newest."}}
_EXECUTIONS_USUAL: Final = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read.

    Attributes:
        caller: Who makes it.
        namespace: Of which namespace.
        path: What the variables of its path stand for.
        given: Its body, or for GET its query string.
        run_id: Which run; empty for the open one, else the newest.
    """

    caller: Caller
    namespace: str
    path: Mapping[str, str]
    given: Mapping[str, Any]
    run_id: str

    @property
    def calls(self) -> AgentCalls:
        """Calls of the run that is asked for."""
        run = AgentRun(self.namespace, self.path["workflow_id"], self.run_id)
        return AgentCalls(self.caller, run, self._by)

    @property
    def _by(self) -> str:
        """Who asks: what the caller says, and whose key it was, which the caller cannot choose."""
        said: str = self.given.get("by", "")
        identity = self.caller.identity
        if identity is None:
            return said or "http"
        return identity.name if said in ("", identity.name) else f"{said} (key of {identity.name})"


@dataclass(frozen=True, slots=True)
class AgentRoute:
    """One route.

    Attributes:
        verb: `GET` or `POST`.
        path: What follows the namespace.
        summary: For the description of the API.
        answer: Makes the calls.
        takes: The fields of its body, or of its query string, as JSON schemas.
    """

    verb: str
    path: str
    summary: str
    answer: Callable[[Asked, AgentRecords], Awaitable[Any]]
    takes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def variables(self) -> list[str]:
        """The names in its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


# ---- what each does --------------------------------------------------------------------------------


async def _control_state(asked: Asked, records: AgentRecords) -> Any:
    return await asked.calls.control_state()


def _controls(action: str) -> Callable[[Asked, AgentRecords], Awaitable[Any]]:
    async def control(asked: Asked, records: AgentRecords) -> Any:
        return await asked.calls.control(action, asked.given.get("reason", ""))

    return control


async def _approvals(asked: Asked, records: AgentRecords) -> Any:
    return {"approvals": await asked.calls.approvals()}


async def _pending(asked: Asked, records: AgentRecords) -> Any:
    return await pending_approvals(asked.caller, asked.namespace, asked.given.get("query", ""))


def _decides(approved: bool) -> Callable[[Asked, AgentRecords], Awaitable[Any]]:
    async def decide(asked: Asked, records: AgentRecords) -> Any:
        return await asked.calls.decide(
            asked.path["approval_id"],
            approved=approved,
            reason=asked.given.get("reason", ""),
            edited=asked.given.get("edited"),
        )

    return decide


async def _budget(asked: Asked, records: AgentRecords) -> Any:
    view = await asked.calls.budget()
    states = await records.budget_of(asked.namespace, asked.path["workflow_id"]) if records.has_ledger else []
    return {"budget": view, "states": states}


async def _increase(asked: Asked, records: AgentRecords) -> Any:
    tokens, micros = asked.given.get("tokens", 0), asked.given.get("micros", 0)
    if not (tokens or micros):
        raise ServiceError(StatusCode.INVALID_ARGUMENT, "say by how much: 'tokens', 'micros' (millionths), or both.")
    state = await asked.calls.increase_budget(tokens=tokens, micros=micros, reason=asked.given.get("reason", ""))
    return {"state": state}


async def _executions(asked: Asked, records: AgentRecords) -> Any:
    asked.caller.permit(ListWorkflowExecutionsRequest(namespace=asked.namespace))
    limit = asked.given.get("limit", _EXECUTIONS_USUAL)
    if not 1 <= limit <= EXECUTIONS_MAX:
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"limit is {limit}; expected 1 to {EXECUTIONS_MAX}.")
    return {"executions": await records.executions(asked.namespace, asked.path.get("workflow_id"), limit)}


async def _totals(asked: Asked, records: AgentRecords) -> Any:
    asked.caller.permit(ListWorkflowExecutionsRequest(namespace=asked.namespace))
    by = cast("GroupBy", asked.given.get("by", "agent_id"))
    return {"totals": await records.totals(asked.namespace, asked.path.get("workflow_id"), by)}


_ONE: Final = "workflows/{workflow_id}/"
_LIMIT: Final = {"limit": {**_WHOLE, "minimum": 1, "maximum": EXECUTIONS_MAX, "default": _EXECUTIONS_USUAL}}
_GROUPS: Final = {"by": {**_TEXT, "enum": [*get_args(GroupBy)], "default": "agent_id"}}
_EDITED: Final = {"edited": {"description": "What is to be used in place of what was shown."}}
_AMOUNT: Final = {"tokens": _WHOLE, "micros": {**_WHOLE, "description": "Money, in millionths."}}
_FILTER: Final = {"query": {**_TEXT, "description": "A list filter that narrows the runs down."}}
_SUMMARIES: Final = {
    "pause": "Hold the run and its children at their next checkpoints.",
    "resume": "Let a paused run and its children go on.",
    "cancel": "Say why the run is cancelled, and cancel it; it may clean up.",
}

AGENT_ROUTES: Final = (
    AgentRoute("GET", _ONE + "control", "Where the control of a run stands.", _control_state),
    *(AgentRoute("POST", f"{_ONE}control/{it}", _SUMMARIES[it], _controls(it), {**_REASON, **_BY}) for it in ACTIONS),
    AgentRoute("GET", "approvals", "Questions of open runs that wait for an answer.", _pending, _FILTER),
    AgentRoute("GET", _ONE + "approvals", "All questions of a run with their answers, oldest first.", _approvals),
    AgentRoute(
        "POST",
        _ONE + "approvals/{approval_id}/approve",
        "Answer yes.",
        _decides(True),
        {**_REASON, **_BY, **_EDITED},
    ),
    AgentRoute("POST", _ONE + "approvals/{approval_id}/reject", "Answer no.", _decides(False), {**_REASON, **_BY}),
    AgentRoute("GET", _ONE + "budget", "The budget of a run, its numbers, and those of the budgets above it.", _budget),
    AgentRoute(
        "POST",
        _ONE + "budget/increase",
        "Raise the limits of a run's budget.",
        _increase,
        {**_AMOUNT, **_REASON, **_BY},
    ),
    AgentRoute("GET", "executions", "The newest agent executions.", _executions, _LIMIT),
    AgentRoute("GET", _ONE + "executions", "The newest agent executions of a workflow.", _executions, _LIMIT),
    AgentRoute("GET", "executions/totals", "What agent executions came to.", _totals, _GROUPS),
    AgentRoute("GET", _ONE + "executions/totals", "What a workflow's executions came to.", _totals, _GROUPS),
)
"""All of them."""


# ---- requests and responses ------------------------------------------------------------------------


def agent_routes(answers: Answers, namespace: str, records: AgentRecords) -> Iterator[Route]:
    """Make the routes.

    Args:
        answers: The service behind.
        namespace: That of the short form.
        records: What workers keep beside it.
    """

    def responds(route: AgentRoute) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                asked = await _read(route, request, answers.caller(request), namespace)
                return JsonResponse(await route.answer(asked, records))
            except ServiceError as error:
                return refusal(error)

        return respond

    for route in AGENT_ROUTES:
        for prefix in (SHORT, NAMESPACED):
            yield Route(prefix + route.path, responds(route), methods=[route.verb])


async def _read(route: AgentRoute, request: Request, caller: Caller, namespace: str) -> Asked:
    path = {name: unquote(value) for name, value in request.path_params.items()}
    run_id = request.query_params.get("runId", "")
    try:
        given = _body(await request.body()) if route.verb == "POST" else _query(route, request)
        _check(route, given)
    except ValueError as error:
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"{error}.") from None
    return Asked(caller, path.pop("namespace", namespace), path, given, run_id)


def _body(content: bytes) -> Mapping[str, Any]:
    if not content.strip():
        return {}
    try:
        value = read_json(content)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the body is to be a JSON object")
    return value


def _query(route: AgentRoute, request: Request) -> Mapping[str, Any]:
    given: dict[str, Any] = {}
    for name, text in request.query_params.items():
        if name in route.takes:  # others are let pass, as by the rest of the API
            whole = route.takes[name].get("type") == "integer"
            if whole and not (text.isascii() and text.isdecimal() and len(text) < 10):
                raise ValueError(f"{name} is {text[:40]!r}; expected a whole number")
            given[name] = int(text) if whole else text
    return given


_TYPES: Final[Mapping[str, type]] = {"string": str, "integer": int}


def _check(route: AgentRoute, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in route.takes:
            raise ValueError(f"there is no field {name[:40]!r} here; expected {', '.join(route.takes) or 'none'}")
        kind = route.takes[name].get("type")
        if kind is not None and (not isinstance(value, _TYPES[kind]) or isinstance(value, bool)):
            raise ValueError(f"{name} is {json.dumps(value)[:40]}; expected a JSON {kind}")
        if kind == "string":
            value.encode()  # half a character stands in no message


def describe_agent_routes() -> dict[str, dict[str, Any]]:
    """The routes as paths of an OpenAPI description."""
    paths: dict[str, dict[str, Any]] = {}
    for route in AGENT_ROUTES:
        for prefix, more in ((NAMESPACED, ["namespace"]), (SHORT, [])):
            template = prefix + route.path
            paths.setdefault(template, {})[route.verb.lower()] = _operation(route, template, more)
    return paths


def _operation(route: AgentRoute, template: str, more: list[str]) -> dict[str, Any]:
    variables = [*more, *route.variables]
    asked = {**(_RUN if "workflow_id" in variables else {}), **(route.takes if route.verb == "GET" else {})}
    operation: dict[str, Any] = {
        "operationId": f"{route.verb} {template}",
        "tags": ["Agents"],
        "summary": route.summary,
        "parameters": [
            *({"name": it, "in": "path", "required": True, "schema": _TEXT} for it in variables),
            *({"name": name, "in": "query", "schema": schema} for name, schema in asked.items()),
        ],
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": {}}}},
            "default": {
                "description": "Why not.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
            },
        },
    }
    if route.verb == "POST":
        schema = {"type": "object", "properties": dict(route.takes), "additionalProperties": False}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation
