"""What the service behind answers, RPC by RPC; the one way there for the API, the event streams and the pages.

Who calls, and whether that is allowed, is settled here, by the same table and with the same tokens as over gRPC.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from starlette.requests import Request
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from tsuzuki.engine import calling
from tsuzuki.service import ServiceError, StatusCode

from .._about import About
from .._authentication import Authentication
from .._calls import WAITS_S_MAX
from .._nesting import Nesting
from .._permissions import Authorization, Identity, is_public
from .._rpcs import RPCS, Rpc
from .._signed_tokens import RpcTokens, TokenSeal
from .._tls import TlsFiles

logger = logging.getLogger("tsuzuki.server.http")

QUERY_S_MAX: Final = 30.0
"""How long a query waits for a worker, as the real server's HTTP API does."""
KEY_COOKIE: Final = "tsuzuki-key"
_SECOND_NS: Final = 1_000_000_000
_BY_REQUEST: Final[Mapping[type[Message], Rpc]] = {rpc.request: rpc for rpc in RPCS.values()}

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class Access:
    """How callers are told apart; the defaults are those of an engine in this process, open to it.

    Attributes:
        seal: Signs page and task tokens; None leaves them as the engine makes them.
        authentication: Who is let in; None for everybody.
        tls: The files of TLS; None for plain text.
    """

    seal: TokenSeal | None = None
    authentication: Authentication | None = None
    tls: TlsFiles | None = None


class _Metadata:
    """The headers of an HTTP request, as authentication reads those of a gRPC call."""

    def __init__(self, request: Request) -> None:
        key = request.cookies.get(KEY_COOKIE)
        header = request.headers.get("authorization") or (f"Bearer {key}" if key else "")
        self._metadata = (("authorization", header),)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def auth_context(self) -> Mapping[str, Any]:
        return {}


class _Door:
    """What a request of one RPC passes on its way in, and its response on its way out."""

    def __init__(self, rpc: Rpc, access: Access) -> None:
        self._rpc = rpc
        self._asks = access.authentication is not None and not is_public(rpc)
        self._tokens = None if access.seal is None else RpcTokens(rpc, access.seal)

    @cached_property
    def _nesting(self) -> Nesting:
        return Nesting(self._rpc.request)

    @cached_property
    def _authorization(self) -> Authorization:
        return Authorization(self._rpc)

    def enter(self, request: Message, identity: Identity | None) -> None:
        self._nesting.check(request)
        if self._tokens is not None:
            self._tokens.open(request)
        if self._asks:
            assert identity is not None, "every caller is identified before anything is asked for it"
            self._authorization.check(identity, request)

    def leave(self, request: Message, response: Message) -> None:
        if self._tokens is not None:
            self._tokens.close(request, response)


class Answers:
    """Makes calls of the service.

    Args:
        service: A `WorkflowService`, of which it is asked what it offers.
        about: Answers what concerns the server and not the engine.
        access: How callers are told apart.
    """

    def __init__(self, service: object, about: About, access: Access) -> None:
        self._service = service
        self._about = about
        self._authentication = access.authentication
        self._forks: bool | None = None
        self._doors = {rpc.path: _Door(rpc, access) for rpc in RPCS.values()}

    @property
    def asks_who_calls(self) -> bool:
        """True if not everybody is let in."""
        return self._authentication is not None

    def offers(self, method: str) -> bool:
        """True if there is such a method behind, `list_schedules`."""
        return hasattr(self._about, method) or hasattr(self._service, method)

    def task_queue_names(self, namespace: str) -> Sequence[str] | None:
        """The task queues that the engine behind knows; None if it does not tell, for no RPC lists them.

        Whoever shows them must have asked for something of the namespace before, so that the caller may see it.
        """
        names: Callable[[str], Sequence[str]] | None = getattr(self._service, "task_queue_names", None)
        return None if names is None else names(namespace)

    async def forks(self) -> bool:
        """True if the engine behind is one of this package, which can fork a run; others do not know what that is."""
        if self._forks is None:
            ask = getattr(self._service, "get_system_info", None)
            said = None if ask is None else await ask(GetSystemInfoRequest())
            self._forks = said is not None and said.server_version.startswith("tsuzuki-")
        return self._forks

    def caller(self, request: Request) -> Caller:
        """Tell who makes a request.

        Raises:
            ServiceError: UNAUTHENTICATED.
        """
        if self._authentication is None:
            return self.anybody()
        return Caller(self, partial(self._authentication.authenticate, _Metadata(request)))  # type: ignore[arg-type]

    def anybody(self) -> Caller:
        """A caller of whom nothing is known, for RPCs that are public."""
        return Caller(self, _nobody)

    def permit(self, request: Message, identity: Identity | None) -> None:
        self._doors[_BY_REQUEST[type(request)].path].enter(request, identity)

    async def call(self, rpc: Rpc, request: Message, identity: Identity | None, wait_s: float | None) -> Message:
        answer: Callable[..., Awaitable[Message]] | None
        answer = getattr(self._about, rpc.method, None) or getattr(self._service, rpc.method, None)
        door = self._doors[rpc.path]
        try:
            door.enter(request, identity)
            if answer is None:
                raise ServiceError(StatusCode.UNIMPLEMENTED, f"{rpc.name} is not offered by this server.")
            with nullcontext() if identity is None else calling(identity.principal):
                response = await self._answer(rpc, answer, request, wait_s)
        except ServiceError:
            raise
        except Exception:
            logger.exception("internal error in %s", rpc.name)
            message = f"internal error in {rpc.name}; the server's log has it"
            raise ServiceError(StatusCode.INTERNAL, message) from None
        self._about.complete(response)
        door.leave(request, response)
        return response

    async def _answer(
        self, rpc: Rpc, answer: Callable[..., Awaitable[Message]], request: Any, wait_s: float | None
    ) -> Message:
        wait_s_max = WAITS_S_MAX.get(rpc.name)
        if wait_s_max is not None and "wait_ns" in inspect.signature(answer).parameters:
            wait_ns = int(min(wait_s_max, wait_s or wait_s_max) * _SECOND_NS)
            return await answer(request, wait_ns=wait_ns)
        if rpc.name != "QueryWorkflow":
            return await answer(request)
        try:
            async with asyncio.timeout(wait_s or QUERY_S_MAX):
                return await answer(request)
        except TimeoutError:
            message = "query timed out before a worker could process it. Is a worker with this workflow running?"
            raise ServiceError(StatusCode.DEADLINE_EXCEEDED, message) from None


def _nobody() -> None:
    return None


class Caller:
    """Somebody who was let in, and asks. Made by `Answers.caller`.

    Who it is, is asked anew for each call, so that a stream ends with the key that opened it.

    Attributes:
        identity: Who it was at first; None if nobody is asked.

    Raises:
        ServiceError: UNAUTHENTICATED, here and in each method.
    """

    def __init__(self, answers: Answers, identify: Callable[[], Identity | None]) -> None:
        self._answers = answers
        self._identify = identify
        self.identity = identify()

    async def call(self, rpc: Rpc, request: Message) -> Message:
        """Make a call with a request that is given away.

        Raises:
            ServiceError: It was refused, or is not offered, or failed inside.
        """
        return await self._answers.call(rpc, request, self._identify(), None)

    def permit(self, request: Message) -> None:
        """Find out whether the caller may make a call, and make none: for what is kept beside the engine.

        Raises:
            ServiceError: PERMISSION_DENIED.
        """
        self._answers.permit(request, self._identify())

    def task_queue_names(self, namespace: str) -> Sequence[str] | None:
        """As `Answers.task_queue_names`."""
        return self._answers.task_queue_names(namespace)

    async def ask(self, request: Message, response: type[Response], *, wait_s: float | None = None) -> Response:
        """Make the call that a request stands for.

        Args:
            request: Stays as it is.
            response: The class of the answer.
            wait_s: Of an RPC that waits: not longer than this.

        Raises:
            ServiceError: As `call`.
        """
        given = type(request)()
        given.CopyFrom(request)
        answer = await self._answers.call(_BY_REQUEST[type(request)], given, self._identify(), wait_s)
        self._identify()  # it may have waited long
        assert isinstance(answer, response)
        return answer
