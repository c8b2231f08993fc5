"""The client: where workflows are started, found and spoken to.

Here it is connected and closed. What it does with runs and schedules is in `_client_starting`, `_client_finding` and
`_client_scheduling`, what is done with a single one in their handles. It holds a `WorkflowService` and does not know
which side answers, and it knows nothing of workers.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType

from ..common import MetricMeter
from ..converter import DataConverter
from ..service import TLSConfig, WorkflowService, behind_codec, metered
from ._async_activity import AsyncActivityHandle
from ._calls import Calls
from ._client_finding import FindingClient
from ._client_scheduling import SchedulingClient
from ._client_starting import StartingClient
from ._connect import open_embedded_service, open_remote_service
from ._context import ClientContext
from ._interceptor import Interceptor
from ._outbound import chain_of
from ._target import EmbeddedTarget, parse_target
from ._validation import check_delay, check_name


class Client(StartingClient, FindingClient, SchedulingClient):
    """Starts workflows and speaks to them.

    Made by `Client.connect`, or around a service that someone else opened and closes. As an async context
    manager it closes what it opened.
    """

    def __init__(
        self,
        service: WorkflowService,
        *,
        namespace: str = "default",
        data_converter: DataConverter = DataConverter.default,
        identity: str | None = None,
        calls: Calls | None = None,
        interceptors: Sequence[Interceptor] = (),
        metric_meter: MetricMeter | None = None,
    ) -> None:
        check_name("namespace", namespace)
        self._service = service if metric_meter is None else metered(service, metric_meter)
        self._context = ClientContext(
            service=behind_codec(self._service, data_converter.payload_codec),
            calls=calls or Calls(),
            namespace=namespace,
            identity=identity or default_identity(),
            data_converter=data_converter,
        )
        self._metric_meter = metric_meter
        self._interceptors = tuple(interceptors)
        self._context.outbound = chain_of(self._context, self._interceptors)
        self._close: Callable[[], Awaitable[None]] | None = None

    @classmethod
    async def connect(
        cls,
        target: str,
        *,
        namespace: str = "default",
        data_converter: DataConverter = DataConverter.default,
        identity: str | None = None,
        tls: bool | TLSConfig | None = None,
        api_key: str | None = None,
        rpc_metadata: Mapping[str, str] | None = None,
        wait: timedelta | float | None = None,
        interceptors: Sequence[Interceptor] = (),
        metric_meter: MetricMeter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> Client:
        """Open the engine that a target names.

        Args:
            target: `sqlite:///file.db` for an engine in this process on that file (a fourth slash makes
                the path absolute), `sqlite://` for one in memory, `host:port` for a server.
            namespace: Namespace of every request.
            data_converter: The same as that of the workers.
            identity: Who calls, in histories; the default is `pid@host`.
            tls: For a server: True, or a `TLSConfig` with the certificate of its authority, a certificate and key
                of this client, or the name to expect. The default is on exactly when there is a key.
            api_key: For a server: sent as a bearer token.
            rpc_metadata: For a server: headers of every call, as a gateway in front of it may want.
            wait: For a server: seconds (or a timedelta) to wait for it to come up; the default is not to.
            interceptors: Stand before each call, the first outermost; those that are `worker.Interceptor`s too apply to
                the workers of this client. Without any there is no chain and no cost.
            metric_meter: Takes the metrics of requests, of this client's workers, and of `workflow.metric_meter()` and
                `activity.metric_meter()`, under the names of Temporal's SDKs. The default measures nothing, at no cost.
            clock: Monotonic time in seconds.
            sleep: Waits for a number of seconds.

        Raises:
            InvalidArgumentError: The target is none of the forms.
            ServiceUnavailableError: The server cannot be reached.
            StoreError: The database cannot be used; the class and message say why and what to do.
        """
        parsed = parse_target(target)
        identity = identity or default_identity()
        wait_s = wait.total_seconds() if isinstance(wait, timedelta) else float(wait or 0)
        check_delay("wait", timedelta(seconds=wait_s))
        service = (
            await open_embedded_service(parsed, namespace)
            if isinstance(parsed, EmbeddedTarget)
            else await open_remote_service(
                parsed,
                namespace=namespace,
                tls=tls,
                api_key=api_key,
                rpc_metadata=rpc_metadata,
                identity=identity,
                wait_s=wait_s,
                clock=clock,
                sleep=sleep,
            )
        )
        client = cls(
            service,
            namespace=namespace,
            data_converter=data_converter,
            identity=identity,
            calls=Calls(clock=clock, sleep=sleep),
            interceptors=interceptors,
            metric_meter=metric_meter,
        )
        client._close = service.close
        return client

    @property
    def service(self) -> WorkflowService:
        """Where requests go: payloads in it are as the codec of the data converter leaves them."""
        return self._service

    @property
    def namespace(self) -> str:
        """Namespace of every request."""
        return self._context.namespace

    @property
    def identity(self) -> str:
        """Who calls, in histories."""
        return self._context.identity

    @property
    def data_converter(self) -> DataConverter:
        """Values and failures to the wire and back."""
        return self._context.data_converter

    @property
    def interceptors(self) -> Sequence[Interceptor]:
        """What was given to it."""
        return self._interceptors

    @property
    def metric_meter(self) -> MetricMeter | None:
        """Where measurements go; None for nowhere."""
        return self._metric_meter

    async def close(self) -> None:
        """Close what `connect` opened: the connection, or the engine with its store. Safe to call twice."""
        close, self._close = self._close, None
        if close is not None:
            await close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def get_async_activity_handle(
        self,
        *,
        task_token: bytes | None = None,
        workflow_id: str | None = None,
        run_id: str | None = None,
        activity_id: str | None = None,
    ) -> AsyncActivityHandle:
        """Make a handle for an activity that is finished from outside. No call is made.

        Args:
            task_token: Of the attempt, from `activity.info().task_token`.
            workflow_id: Instead: of the workflow that waits for it.
            run_id: And which of its runs; the default is the open one.
            activity_id: And of the activity within it.

        Raises:
            InvalidArgumentError: Neither, or both ways were given.
        """
        return AsyncActivityHandle(
            self._context,
            task_token=task_token,
            workflow_id=workflow_id,
            run_id=run_id,
            activity_id=activity_id,
        )


@functools.cache
def default_identity() -> str:
    """Name this process: `pid@host`."""
    return f"{os.getpid()}@{socket.gethostname()}"
