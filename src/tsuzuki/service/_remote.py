"""`WorkflowService` over gRPC: `tsuzuki server`, or a Temporal cluster.

A thin wrapper of `temporalio.service`. Every RPC is one row of a table that says how long its answer may
take and whether the gRPC client may repeat it; no RPC has code of its own. It must not interpret
messages, and it keeps no state besides the connection.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from temporalio.api.errordetails import v1 as _errordetails  # noqa: F401  (makes their types known)
from temporalio.service import ConnectConfig, KeepAliveConfig, RPCError, ServiceClient, TLSConfig

from ._errors import ServiceError, StatusCode
from ._protocol import WorkflowService

__all__ = ["RemoteWorkflowService", "TLSConfig"]

LONG_POLL_TIMEOUT: Final = timedelta(seconds=70)
"""Servers answer an empty long poll after 60 s at the latest; past this one it is lost."""
CALL_TIMEOUT: Final = timedelta(seconds=10)
QUERY_TIMEOUT: Final = timedelta(seconds=35)
"""A worker has to answer; our server says after 30 s that none does."""

EXIT_GRACE_S: Final = 0.02
"""Pause at exit of a process that used gRPC. The client's own threads hand each answer over under the
interpreter lock; one that still holds or awaits it when the interpreter is torn down crashes the process
(seen with temporalio 1.35 in about one exit of five right after a call; in none with a pause of 1 ms)."""

_SUPPORTED_FEATURES: Final = "follows-next-run-id"
"""Without it a server shows a failed or completed run that another takes over from (workflow retry, cron) to
waiting clients as continued as new."""

_TIMEOUT_EXPIRED: Final = "Timeout expired"
"""What the gRPC client says of a call that the server did not answer in time."""
_BROKEN: Final = ("transport error", "h2 protocol error", "error reading a body from connection")
"""How it tells, as UNKNOWN or INTERNAL, that the connection broke while the call was on its way."""
_EMPTY_ANSWERS: Final = frozenset((StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED))


@dataclass(frozen=True)
class _Rpc:
    """How one RPC is called.

    Attributes:
        retry: The gRPC client repeats it while the server is unavailable. Not where a caller must know
            that an attempt was lost.
        long_poll: Waits for something to happen; no answer in time is an empty answer.
    """

    retry: bool = True
    long_poll: bool = False
    timeout: timedelta = CALL_TIMEOUT
    """Of a call that is no long poll."""
    hint: str = ""
    """What to look at when it was not answered in time."""
    service: str = "workflow_service"
    """Which of the gRPC client's services has it."""


_IS_A_WORKER_RUNNING: Final = "; is a worker running for the workflow's task queue?"
_POLL: Final = _Rpc(retry=False, long_poll=True)
_CALL: Final = _Rpc()
_OPERATOR: Final = _Rpc(service="operator_service")
_RPCS: Final[Mapping[str, _Rpc]] = {
    "poll_workflow_task_queue": _POLL,
    "poll_activity_task_queue": _POLL,
    "poll_workflow_execution_update": _POLL,
    "update_workflow_execution": _POLL,
    "shutdown_worker": _Rpc(retry=False),
    "record_worker_heartbeat": _Rpc(retry=False),
    "query_workflow": _Rpc(timeout=QUERY_TIMEOUT, hint=_IS_A_WORKER_RUNNING),
    "execute_multi_operation": _Rpc(retry=False, timeout=LONG_POLL_TIMEOUT, hint=_IS_A_WORKER_RUNNING),
    "add_search_attributes": _OPERATOR,
    "remove_search_attributes": _OPERATOR,
    "list_search_attributes": _OPERATOR,
    "delete_namespace": _OPERATOR,
}


def _is_long_poll(rpc: _Rpc, request: Message) -> bool:
    return rpc.long_poll or bool(getattr(request, "wait_new_event", False))


def _remote_method(name: str, rpc: _Rpc) -> Callable[[Any, Message], Awaitable[Message]]:
    """Make the method of one RPC."""

    async def call(self: RemoteWorkflowService, request: Message) -> Message:
        long_poll = _is_long_poll(rpc, request)
        method = getattr(getattr(self._client, rpc.service), name)
        timeout = LONG_POLL_TIMEOUT if long_poll else rpc.timeout
        try:
            answer = await method(request, retry=rpc.retry and not long_poll, timeout=timeout)
        except RPCError as error:
            late = f"{name} was not answered within {timeout.total_seconds():g} s{rpc.hint}"
            refused = _service_error(name, request, error, late)
            if long_poll and refused.status in _EMPTY_ANSWERS:
                return _empty_answer(request)
            raise refused from None
        except RuntimeError as error:  # a lazy connection that could not be opened
            raise ServiceError(StatusCode.UNAVAILABLE, f"{name}: {error}") from error
        return cast("Message", answer)

    call.__name__ = name
    call.__qualname__ = f"RemoteWorkflowService.{name}"
    return call


def _empty_answer(request: Message) -> Message:
    name = request.DESCRIPTOR.full_name.removesuffix("Request") + "Response"
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))()


def _service_error(name: str, request: Message, error: RPCError, late: str) -> ServiceError:
    """Translate the gRPC client's error, with the first detail message whose type is known."""
    detail = None
    for packed in error.grpc_status.details:
        try:
            descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        except KeyError:
            continue
        detail = message_factory.GetMessageClass(descriptor)()
        packed.Unpack(detail)
        break
    status, message = StatusCode(int(error.status)), error.message or f"{name} failed"
    if message == _TIMEOUT_EXPIRED:
        message = late
    elif message.startswith(_BROKEN):
        status, message = StatusCode.UNAVAILABLE, f"the connection broke before {name} was answered ({message})"
    if detail is None and status is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        message = (
            f"{name} of {request.ByteSize():,} bytes is more than the server takes in one message ({message}). "
            "Store the data elsewhere and pass a reference (a path, a key) instead"
        )
    return ServiceError(status, message, detail)


class _Connection:
    """What is not an RPC: opening, closing, the two local questions."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    @classmethod
    async def connect(
        cls,
        target: str,
        *,
        namespace: str | None = None,
        tls: bool | TLSConfig | None = None,
        api_key: str | None = None,
        identity: str = "",
        metadata: Mapping[str, str] | None = None,
        lazy: bool = False,
    ) -> RemoteWorkflowService:
        """Connect to a server.

        Args:
            target: `host:port`.
            namespace: Sent as the `temporal-namespace` header, by which some proxies route.
            tls: True, or a `TLSConfig` for own certificates. None means on exactly when there is a key.
            api_key: Sent as a bearer token.
            identity: Who calls, in histories; the default is `pid@host`.
            metadata: Further headers of every call.
            lazy: True to connect at the first call.

        Raises:
            ServiceError: UNAVAILABLE; the server cannot be reached or is no Temporal service.
        """
        headers = {"supported-features": _SUPPORTED_FEATURES, **(metadata or {})}
        if namespace is not None:
            headers.setdefault("temporal-namespace", namespace)
        config = ConnectConfig(
            target_host=target,
            api_key=api_key,
            tls=tls,
            identity=identity,
            rpc_metadata=headers,
            keep_alive_config=KeepAliveConfig.default,
            lazy=lazy,
        )
        try:
            _pause_at_exit()
            client = await ServiceClient.connect(config)
        except (RuntimeError, ValueError) as error:
            raise ServiceError(
                StatusCode.UNAVAILABLE,
                f"cannot connect to {target!r}: {_reason(error, secure=bool(api_key) if tls is None else bool(tls))}",
            ) from error
        return RemoteWorkflowService(client)  # type: ignore[abstract]  # its methods come from the table

    @property
    def local(self) -> bool:
        """False: a call is a network round trip."""
        return False

    def watch_activity(self, task_token: bytes, on_cancel: Callable[[], None]) -> Callable[[], None]:
        """Watch nothing: the answers to heartbeats bring cancellation."""
        return _watch_nothing

    async def close(self) -> None:
        """Let go of the connection; the gRPC client ends it once nothing uses it."""


@functools.cache
def _pause_at_exit() -> None:
    atexit.register(time.sleep, EXIT_GRACE_S)


def _reason(error: Exception, *, secure: bool) -> str:
    """What went wrong at last, and what to do: the transport's error stands inside several others, written for its own
    debugging."""
    text = str(error)
    if "InvalidContentType" in text:  # what TLS calls an answer that is none of its own
        return "it answers without TLS, which an API key switches on. To go without: tls=False (--no-tls)"
    if certificate := re.search(r"InvalidCertificate\((\w+(?:\(.*?\))?)", text):
        return (
            f"its certificate is not accepted ({certificate[1]}). Say who signed it, and for which name: "
            "TLSConfig(server_root_ca_cert=..., domain=...) (--tls-ca-path, --tls-server-name)"
        )
    innermost = re.findall(r'(?:message: |error: |Error\()"([^"]+)"', text)
    reason = innermost[-1] if innermost else text
    wants_tls = "" if secure or "refused" in reason else "Does it want TLS: tls=True (--tls)? "
    return (
        f"{reason}. {wants_tls}Is a server listening there? "
        "`tsuzuki server start` starts one; a target in this process is written sqlite:///file.db"
    )


def _watch_nothing() -> None:
    pass


if TYPE_CHECKING:

    class RemoteWorkflowService(_Connection, WorkflowService):
        """`WorkflowService` of a server elsewhere."""

else:
    RemoteWorkflowService = type(
        "RemoteWorkflowService",
        (_Connection,),
        {
            "__doc__": "`WorkflowService` of a server elsewhere; see `WorkflowService` for its methods.",
            "__module__": __name__,
            **{
                name: _remote_method(name, _RPCS.get(name, _CALL))
                for name, member in vars(WorkflowService).items()
                if inspect.iscoroutinefunction(member)
            },
        },
    )
