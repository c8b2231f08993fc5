"""The paths of the page, and what each shows.

Ids stand in the path, quoted; the router sees it unquoted nowhere, so that an id may hold a slash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tsuzuki.service import ServiceError, StatusCode

from .._answers import KEY_COOKIE, Answers, Caller
from .._foreign_json import JsonResponse, read_json
from .._refusals import HTTP_STATUSES, refusal
from . import (
    _compare,
    _fork,
    _history_pages,
    _moments,
    _relations,
    _run,
    _run_list,
    _schedules,
    _state,
    _task_queues,
    _workers,
)

_HERE: Final = Path(__file__).parent
_RUN: Final = "/ui/{namespace}/workflows/{workflow_id}/{run_id}"
_KEY_CHARACTERS_MAX: Final = 1000
_DIGITS_MAX: Final = 18
_ACTIONS: Final = {
    "signal": "signal_workflow_execution",
    "query": "query_workflow",
    "update": "update_workflow_execution",
    "pause": "pause_workflow_execution",
    "unpause": "unpause_workflow_execution",
    "cancel": "request_cancel_workflow_execution",
    "terminate": "terminate_workflow_execution",
    "reset": "reset_workflow_execution",
}

_LISTS: Final[Mapping[str, Callable[[Caller, str], Awaitable[Sequence[object]]]]] = {
    "schedules": _schedules.schedules,
    "task-queues": _task_queues.task_queues,
    "workers": _workers.workers,
}
"""Lists of a namespace that are shown whole and kept fresh: the path, and what gives the rows."""

Shown = Callable[[Caller, Request], Awaitable[Response]]


def page_routes(answers: Answers, namespace: str) -> list[BaseRoute]:
    """Everything below `/`, `/ui` and `/static`.

    Args:
        answers: The service behind.
        namespace: The one that the page begins with.
    """
    pages = Pages(answers)

    async def begin(request: Request) -> Response:
        return RedirectResponse(f"/ui/{quote(namespace, safe='')}/workflows", 307)

    return [
        Route("/", begin),
        Route("/ui/sign-in", pages.sign_in, methods=["GET", "POST"]),
        Route("/ui/signed-in", pages.data(pages.signed_in)),
        Route("/ui/{namespace}/workflows", pages.shown(pages.run_list)),
        Route("/ui/{namespace}/workflows/{workflow_id}", pages.shown(pages.newest_run)),
        Route("/ui/{namespace}/compare", pages.shown(pages.compare)),
        *(Route(f"/ui/{{namespace}}/{name}", pages.shown(pages.live_list(name))) for name in _LISTS),
        Route(_RUN, pages.shown(pages.run)),
        Route(f"{_RUN}/time-travel", pages.shown(pages.time_travel)),
        Route(f"{_RUN}/rows", pages.data(pages.rows)),
        Route(f"{_RUN}/events/{{event_id}}", pages.data(pages.event)),
        Route(f"{_RUN}/state/{{event_id}}", pages.data(pages.state)),
        Route(f"{_RUN}/relations", pages.data(pages.relations)),
        Route(f"{_RUN}/children", pages.data(pages.children)),
        Route(f"{_RUN}/fork", pages.data(pages.fork), methods=["POST"]),
        Route(f"{_RUN}/history.json", pages.data(pages.download)),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]


class Pages:
    """What stands behind the paths."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._templates = _templates()

    def shown(self, show: Shown) -> Callable[[Request], Awaitable[Response]]:
        """A page for people: a refusal is a page too, and who must say who they are is asked."""

        async def page(request: Request) -> Response:
            try:
                return await show(self._answers.caller(request), request)
            except ServiceError as error:
                if error.status is StatusCode.UNAUTHENTICATED:
                    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                    return RedirectResponse(f"/ui/sign-in?to={quote(here, safe='')}", 303)
                shown = {"error": error, "namespace": _part(request, "namespace") or "default"}
                return self._page("refused.html", shown, HTTP_STATUSES[error.status])

        return page

    def data(self, give: Shown) -> Callable[[Request], Awaitable[Response]]:
        """What a script of the page asks for: a refusal is JSON."""

        async def data(request: Request) -> Response:
            try:
                return await give(self._answers.caller(request), request)
            except ServiceError as error:
                return refusal(error)

        return data

    def _page(self, template: str, shown: dict[str, Any], status: int = 200) -> Response:
        offers = self._answers.offers
        more = {
            "signed_in": self._answers.asks_who_calls,
            "has_schedules": offers("list_schedules"),
            "has_task_queues": offers("describe_task_queue"),
            "pauses_activities": offers("pause_activity"),
        }
        return HTMLResponse(self._templates.get_template(template).render(**more, **shown), status)

    async def run_list(self, caller: Caller, request: Request) -> Response:
        namespace = _part(request, "namespace")
        shown = await _run_list.run_list(caller, namespace, request)
        template = "run_rows.html" if "fragment" in request.query_params else "run_list.html"
        return self._page(template, {**shown, "namespace": namespace})

    async def newest_run(self, caller: Caller, request: Request) -> Response:
        run = _run.Run(_part(request, "namespace"), _part(request, "workflow_id"), "")
        info = (await _run.describe(caller, run)).workflow_execution_info
        return RedirectResponse(_run.run_path(run.namespace, run.workflow_id, info.execution.run_id), 303)

    async def run(self, caller: Caller, request: Request) -> Response:
        run = _which(request)
        if "fragment" in request.query_params:
            shown = _run.status(await _run.describe(caller, run))
            return self._page("run_status.html", {**shown, "run": run, "namespace": run.namespace})
        actions = [name for name, method in _ACTIONS.items() if self._answers.offers(method)]
        shown = await _run.run_page(caller, run)
        return self._page("run.html", {**shown, "namespace": run.namespace, "actions": actions})

    async def time_travel(self, caller: Caller, request: Request) -> Response:
        run = _which(request)
        info = (await _run.describe(caller, run)).workflow_execution_info
        return self._page(
            "time_travel.html",
            {"run": run, "namespace": run.namespace, "info": info, "forks": await self._answers.forks()},
        )

    async def compare(self, caller: Caller, request: Request) -> Response:
        namespace, asked = _part(request, "namespace"), request.query_params
        left, right = (
            _run.Run(namespace, asked.get(f"{side}", "").strip(), asked.get(f"{side}_run", "").strip())
            for side in ("left", "right")
        )
        shown: dict[str, Any] = {"left": left, "right": right, "namespace": namespace, "comparison": None}
        if left.workflow_id and right.workflow_id:
            shown["comparison"] = await _compare.compare(caller, left, right)
        return self._page("compare.html", shown)

    def live_list(self, name: str) -> Shown:
        """A page with one of `_LISTS`, or its rows alone for the script that keeps it fresh."""
        template = name.replace("-", "_")

        async def show(caller: Caller, request: Request) -> Response:
            namespace = _part(request, "namespace")
            shown = {template: await _LISTS[name](caller, namespace), "namespace": namespace}
            rows = "_rows" if "fragment" in request.query_params else ""
            return self._page(f"{template}{rows}.html", shown)

        return show

    async def rows(self, caller: Caller, request: Request) -> Response:
        asked = request.query_params
        wait_s = float(asked["wait"]) if asked.get("wait", "").isdecimal() else 0.0
        return JsonResponse(await _history_pages.rows(caller, _which(request), asked.get("token", ""), wait_s))

    async def event(self, caller: Caller, request: Request) -> Response:
        token = request.query_params.get("token", "")
        return JsonResponse(await _history_pages.one_event(caller, _which(request), token, _event_id(request)))

    async def state(self, caller: Caller, request: Request) -> Response:
        run = _which(request)
        task_queue = request.query_params.get("queue", "")
        return JsonResponse(await _state.state_at(caller, run, _event_id(request), task_queue))

    async def relations(self, caller: Caller, request: Request) -> Response:
        return JsonResponse(await _relations.relations(caller, _which(request)))

    async def children(self, caller: Caller, request: Request) -> Response:
        page = request.query_params.get("page", "")
        return JsonResponse(await _relations.children(caller, _which(request), page))

    async def fork(self, caller: Caller, request: Request) -> Response:
        try:
            asked = read_json(await request.body())
        except ValueError as error:
            raise ServiceError(StatusCode.INVALID_ARGUMENT, f"the body is no JSON: {error}") from None
        made = await _fork.fork(caller, _which(request), asked)
        return JsonResponse(
            {"runId": made.run_id, "path": _run.run_path(made.namespace, made.workflow_id, made.run_id)}
        )

    async def download(self, caller: Caller, request: Request) -> Response:
        run = _which(request)
        await _run.describe(caller, run)  # a refusal comes before the first byte
        name = "".join(c if (c.isalnum() and c.isascii()) or c in "-_." else "_" for c in run.workflow_id)[:100]
        headers = {"content-disposition": f'attachment; filename="{name}-history.json"'}
        return StreamingResponse(_history_pages.exported(caller, run), media_type="application/json", headers=headers)

    async def signed_in(self, caller: Caller, request: Request) -> Response:
        """Say who asks; a key that is not good is refused before."""
        return JsonResponse({"name": caller.identity.name if caller.identity else ""})

    async def sign_in(self, request: Request) -> Response:
        """Keep an API key for this browser; without one in the body, forget it."""
        if request.method == "GET":
            return self._page("sign_in.html", {"to": _own_path(request.query_params.get("to", "/"))})
        try:
            key = read_json(await request.body() or b"{}").get("key", "")
        except (ValueError, AttributeError):
            key = ""
        response = JsonResponse({})
        if not (isinstance(key, str) and 0 < len(key) <= _KEY_CHARACTERS_MAX and key.isascii() and key.isprintable()):
            response.delete_cookie(KEY_COOKIE)
            return response
        secure = request.url.scheme == "https"
        response.set_cookie(KEY_COOKIE, key, httponly=True, samesite="strict", secure=secure)
        return response


def _event_id(request: Request) -> int:
    text: str = request.path_params["event_id"]
    if not (text.isascii() and text.isdecimal() and len(text) < _DIGITS_MAX):
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"{text[:40]!r} is no number of an event.")
    return int(text)


def _own_path(path: str) -> str:
    """A path of this server, never a way to another."""
    # Browsers read past tabs and line ends: printable, else what follows the first slash might be another one.
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own else "/"


def _part(request: Request, name: str) -> str:
    return unquote(request.path_params.get(name, ""))


def _which(request: Request) -> _run.Run:
    return _run.Run(_part(request, "namespace"), _part(request, "workflow_id"), _part(request, "run_id"))


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader(__name__.rpartition(".")[0]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    del templates.globals["namespace"]  # a function of Jinja; here it is a name, or not defined
    templates.filters |= {
        "clock": _moments.clock,
        "iso": _moments.iso,
        "length": _moments.length,
        "size": _moments.size,
        "status": _run_list.status_name,
        "css_status": _run_list.css_status,
        "quoted": lambda text: quote(text, safe=""),
    }
    templates.globals |= {
        "run_path": _run.run_path,
        "seconds_between": _moments.seconds_between,
        "queue_link": lambda name: _run_list.Filters(query=_run_list.equals("TaskQueue", name)).link(),
    }
    return templates
