"""The application behind the port: which part answers which path."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .._rpcs import RPCS
from ._agent_records import AgentRecords
from ._agent_routes import agent_routes
from ._answers import Answers
from ._api import Api
from ._guard import Guard
from ._live_routes import live_routes
from ._openapi import describe_api
from ._page import page_routes

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def application(answers: Answers, *, namespace: str, hosts: Collection[str], records: AgentRecords) -> ASGIApp:
    """Put the parts together.

    Args:
        answers: The service behind.
        namespace: That of the short form.
        hosts: Names under which this server may be asked.
        records: What workers keep beside the engine.
    """
    api = Api(answers, namespace)

    @cache
    def description() -> bytes:
        offered = [rpc.method for rpc in RPCS.values() if answers.offers(rpc.method)]
        return json.dumps(describe_api(offered)).encode()

    async def openapi(request: Request) -> Response:
        return Response(description(), media_type="application/json")

    routes = [
        *page_routes(answers, namespace),
        Route("/api/openapi.json", openapi),
        *agent_routes(answers, namespace, records),
        *live_routes(answers, namespace),
        *(Route(f"{prefix}{{rest:path}}", api.respond, methods=_METHODS) for prefix in _api_prefixes()),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
    app.router.redirect_slashes = False
    return Guard(_routed_by_raw_path(app), hosts)


def _routed_by_raw_path(app: ASGIApp) -> ASGIApp:
    """Paths as they were sent: what stands quoted in a segment must not become another segment."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("ascii", "replace")
        await app({**scope, "path": path}, receive, send)

    return routed


def _api_prefixes() -> list[str]:
    return ["/api/v1/", "/namespaces/", "/cluster/", "/cluster", "/system-info"]


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"code": 5, "message": "Not Found"}, 404)
