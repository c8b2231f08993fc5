"""One call: bytes in, the engine's method, bytes out. The same for every RPC.

Who calls, and whether that is allowed, is settled here and nowhere else, also for an RPC that is not offered.
Requests are parsed here and not by gRPC, so that malformed bytes are the caller's mistake and not an internal error.
A call that waits is answered empty a little before its caller's deadline, as the real server does it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from tsuzuki.engine import calling
from tsuzuki.service import ServiceError, StatusCode

from ._about import About
from ._authentication import Authentication
from ._nesting import Nesting
from ._permissions import Authorization, Identity, is_public
from ._refusals import refuse
from ._rpcs import RPCS, Rpc
from ._signed_tokens import RpcTokens, TokenSeal

logger = logging.getLogger("tsuzuki.server")

Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]
Answer: TypeAlias = Callable[..., Awaitable[Message]]
Call: TypeAlias = Callable[[bytes, Context], Awaitable[Message]]

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
_SECOND_NS: Final = 1_000_000_000
WAITS_S_MAX: Final[Mapping[str, float]] = {
    "PollWorkflowTaskQueue": 60.0,
    "PollActivityTaskQueue": 60.0,
    "GetWorkflowExecutionHistory": 20.0,
    "UpdateWorkflowExecution": 20.0,
    "PollWorkflowExecutionUpdate": 20.0,
    "ExecuteMultiOperation": 20.0,
}
"""The RPCs that wait for something to happen, and for how long at most."""
_HANDING_OUT: Final = frozenset({"PollWorkflowTaskQueue", "PollActivityTaskQueue"})
"""The RPCs whose answer is a task that must not be lost with its call."""
_BEFORE_DEADLINE_S: Final = 1.0
"""How long before the caller's deadline an empty answer is sent, so that it arrives."""


class Calls(grpc.GenericRpcHandler):
    """Finds and makes the handler of each RPC."""

    def __init__(
        self,
        service: object,
        about: About,
        take_back: Callable[[Message], None],
        *,
        seal: TokenSeal,
        authentication: Authentication | None = None,
    ) -> None:
        """`take_back` gets a task that did not reach its caller; without `authentication` anyone may do anything."""
        self._service = service
        self._take_back = take_back
        self._about = about
        self._seal = seal
        self._authentication = authentication
        self._handlers = {path: self._handler(rpc) for path, rpc in RPCS.items()}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handlers.get(details.method)

    def _handler(self, rpc: Rpc) -> grpc.RpcMethodHandler[bytes, bytes]:
        answer: Answer | None = getattr(self._about, rpc.method, None) or getattr(self._service, rpc.method, None)
        offered = answer is not None
        tokens = RpcTokens(rpc, self._seal)
        call = self._call(rpc, answer or _not_offered(rpc), tokens, WAITS_S_MAX.get(rpc.name) if offered else None)
        if rpc.name in _HANDING_OUT:
            # On the wire the same as one answer; but a handler that writes it itself learns whether it left.
            return grpc.unary_stream_rpc_method_handler(self._handing_out(call, tokens))
        return grpc.unary_unary_rpc_method_handler(_serialized(call))

    def _handing_out(self, call: Call, tokens: RpcTokens) -> Callable[[bytes, Context], Awaitable[None]]:
        async def hand_out(data: bytes, context: Context) -> None:
            task = await call(data, context)
            try:
                await context.write(task.SerializeToString())
            except BaseException:  # its caller is gone, and cannot have it: the call never ended well
                tokens.reopen(task)
                self._take_back(task)
                raise

        return hand_out

    def _call(self, rpc: Rpc, answer: Answer, tokens: RpcTokens, wait_s_max: float | None) -> Call:
        admit = self._admission(rpc, tokens)

        async def call(data: bytes, context: Context) -> Message:
            try:
                request, identity = admit(data, context)
                with nullcontext() if identity is None else calling(identity.principal):
                    if wait_s_max is None:
                        response = await answer(request)
                    else:
                        response = await answer(request, wait_ns=_wait_ns(context, wait_s_max))
            except ServiceError as error:
                await refuse(context, error)
            except Exception:
                logger.exception("internal error in %s", rpc.name)
                message = f"internal error in {rpc.name}; the server's log has it"
                await refuse(context, ServiceError(StatusCode.INTERNAL, message))
            self._about.complete(response)
            tokens.close(request, response)
            return response

        return call

    def _admission(self, rpc: Rpc, tokens: RpcTokens) -> Callable[[bytes, Context], tuple[Any, Identity | None]]:
        """What turns the bytes of a call into a request that its caller may make, and tells who that is, if asked."""

        nesting = Nesting(rpc.request)

        def admit_anyone(data: bytes, context: Context) -> tuple[Any, None]:
            request = _parse(rpc, data)
            nesting.check(request)
            tokens.open(request)
            return request, None

        authentication, authorization = self._authentication, Authorization(rpc)
        if authentication is None or is_public(rpc):
            return admit_anyone

        def admit(data: bytes, context: Context) -> tuple[Any, Identity]:
            identity = authentication.authenticate(context)  # first: who is nobody learns nothing
            request, _ = admit_anyone(data, context)
            authorization.check(identity, request)
            return request, identity

        return admit


def _serialized(call: Call) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def serialized(data: bytes, context: Context) -> bytes:
        return (await call(data, context)).SerializeToString()

    return serialized


def _not_offered(rpc: Rpc) -> Answer:
    async def answer(request: Message) -> NoReturn:
        raise ServiceError(StatusCode.UNIMPLEMENTED, f"{rpc.name} is not offered by this server.")

    return answer


def _parse(rpc: Rpc, data: bytes) -> Any:
    if len(data) > MESSAGE_BYTES_MAX:  # in the very words of gRPC for Go, by which SDKs know it
        size = f"{len(data)} vs. {MESSAGE_BYTES_MAX}"
        raise ServiceError(StatusCode.RESOURCE_EXHAUSTED, f"grpc: received message larger than max ({size})")
    try:
        return rpc.request.FromString(data)
    except DecodeError as error:
        name = rpc.request.DESCRIPTOR.full_name
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"the request is no {name}: {error}") from None


def _wait_ns(context: Context, wait_s_max: float) -> int:
    left_s = context.time_remaining()
    if left_s is None:
        return int(wait_s_max * _SECOND_NS)
    return int(min(max(left_s - _BEFORE_DEADLINE_S, left_s / 2), wait_s_max) * _SECOND_NS)
