"""The HTTP/JSON API: a request becomes the message of its RPC, the answer becomes JSON. The same for every RPC.

Fields come from the path, then from the body, or from the query string where the rule has no body.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any, Final

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest

from tsuzuki.service import ServiceError, StatusCode

from .._permissions import is_public
from ._answers import Answers
from ._bindings import Binding, Routes
from ._field_text import FieldTextError, find_field, set_from_text
from ._foreign_json import encoded, read_json
from ._payload_json import from_json, to_json
from ._refusals import refusal

NO_SHORTHAND: Final = "no-payload-shorthand"
_MIME: Final = "application/json"
_COMPLETED: Final = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
_IN_A_THREAD_BYTES: Final = 64 * 1024
"""Larger answers become JSON in a thread: the engine's loop goes on meanwhile."""


class Api:
    """Answers API requests.

    Args:
        answers: The service behind.
        namespace: Of requests in the short form.
    """

    def __init__(self, answers: Answers, namespace: str) -> None:
        self._answers = answers
        self._namespace = namespace
        self._routes = Routes()

    async def respond(self, request: Request) -> Response:
        """Answer a request with the RPC that it stands for, or with why not."""
        raw_path = request.scope["raw_path"].decode("ascii", "replace")
        verb = "GET" if request.method == "HEAD" else request.method
        found = self._routes.find(verb, raw_path)
        try:
            public = found is not None and is_public(found[0].rpc)
            caller = self._answers.anybody() if public else self._answers.caller(request)
            if found is None:
                if self._routes.verbs(raw_path):
                    raise ServiceError(StatusCode.UNIMPLEMENTED, "Method Not Allowed")
                raise ServiceError(StatusCode.NOT_FOUND, "Not Found")
            binding, variables = found
            message = self._message(binding, variables, request, await request.body())
            answer = await caller.call(binding.rpc, message)
        except ServiceError as error:
            return refusal(error)
        return await _json_response(request, answer)

    def _message(self, binding: Binding, variables: dict[str, str], request: Request, body: bytes) -> Any:
        message: Any = binding.rpc.request()
        try:
            if binding.body:
                _fill_from_body(message, binding.body, body, request.headers.get("content-type", ""))
            else:
                _fill_from_query(message, request)
            for path, text in variables.items():
                field = find_field(message.DESCRIPTOR, path)
                assert field is not None, f"{binding.template} names no field of {binding.rpc.name}"
                set_from_text(message, field, [text])
        except ValueError as error:
            raise ServiceError(StatusCode.INVALID_ARGUMENT, str(error)) from None
        if "namespace" in message.DESCRIPTOR.fields_by_name and not message.namespace:
            message.namespace = self._namespace
        if isinstance(message, UpdateWorkflowExecutionRequest):
            _complete_update(message)
        return message


def _complete_update(request: UpdateWorkflowExecutionRequest) -> None:
    """Say what is left out: an update is waited for, since nothing over HTTP could ask for its outcome later."""
    if not request.request.meta.update_id:
        request.request.meta.update_id = str(uuid.uuid4())
    if not request.wait_policy.lifecycle_stage:
        request.wait_policy.lifecycle_stage = _COMPLETED


def _fill_from_body(message: Message, path: str, body: bytes, content_type: str) -> None:
    if not body.strip():
        return
    try:
        value = read_json(body)
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    target: Any = message
    for name in () if path == "*" else path.split("."):
        target = getattr(target, name)
    from_json(value, target, shorthand=NO_SHORTHAND not in content_type)


def _fill_from_query(message: Message, request: Request) -> None:
    for name in dict.fromkeys(request.query_params.keys()):
        field = find_field(message.DESCRIPTOR, name)
        if field is None:  # as the real server: `pretty` is one, and others come from newer clients
            continue
        try:
            set_from_text(message, field, request.query_params.getlist(name))
        except FieldTextError as error:
            raise ValueError(str(error)) from None


async def _json_response(request: Request, answer: Message) -> Response:
    accepted = request.headers.get("accept", "")
    shorthand = NO_SHORTHAND not in accepted
    pretty = "pretty" in request.query_params or "+pretty" in accepted

    def written() -> bytes:
        value = to_json(answer, shorthand=shorthand)
        form: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
        return encoded(json.dumps(value, ensure_ascii=False, **form))

    small = answer.ByteSize() <= _IN_A_THREAD_BYTES
    content = written() if small else await asyncio.to_thread(written)
    return Response(content, media_type=_MIME if shorthand else f"{_MIME}+{NO_SHORTHAND}")
