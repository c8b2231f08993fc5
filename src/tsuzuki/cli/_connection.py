"""What commands that talk to an engine have in common: where it is, and one line for what goes wrong.

A command that is `connected` takes a `Connection` first; the options that make one are added to its own.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar

import typer

from tsuzuki.client import Client, Interceptor, InvalidArgumentError, RPCError
from tsuzuki.converter import DataConverter
from tsuzuki.exceptions import TsuzukiError, WorkflowAlreadyStartedError
from tsuzuki.service import ServiceError, TLSConfig

from ._endings import BAD_INPUT, FAILED, INTERRUPTED, refuse

PANEL: Final = "Connection"
"""Where the help shows the options of a connection."""

Modules = Annotated[
    list[str],
    typer.Option("--workflows", metavar="MODULE", help="Module or file with the workflows; may be given again."),
]

Answer = TypeVar("Answer")
Given = ParamSpec("Given")


@dataclass(frozen=True)
class Connection:
    """Where the engine is, and as whom to speak to it.

    Attributes:
        target: `sqlite:///file.db`, or `host:port`.
        namespace: Namespace of every request.
        api_key: For a server.
        tls: For a server; None when nothing was said about it.
        headers: For a server: sent with every call.
        identity: Who calls, in histories.
        data_converter: How payloads are encoded.
        interceptors: Of the client, of workers, or of both.
    """

    target: str
    namespace: str
    api_key: str | None = None
    tls: bool | TLSConfig | None = None
    headers: dict[str, str] | None = None
    identity: str | None = None
    data_converter: DataConverter = DataConverter.default
    interceptors: tuple[Any, ...] = ()

    @property
    def code_interceptors(self) -> list[Any]:
        """Those that stand around workflow code, for replays."""
        from tsuzuki.worker import Interceptor as WorkerInterceptor

        return [each for each in self.interceptors if isinstance(each, WorkerInterceptor)]

    @property
    def worker_interceptors(self) -> list[Any]:
        """Those of workers alone; a worker has those of its client besides."""
        return [each for each in self.code_interceptors if not isinstance(each, Interceptor)]

    @property
    def embedded(self) -> bool:
        """Whether the engine runs in this process, so that no worker can be elsewhere."""
        return self.target.startswith("sqlite:")

    async def open(self, *, wait: timedelta | None = None) -> Client:
        """Connect.

        Args:
            wait: For a server: how long to wait for it to come up; the default is not to.

        Raises:
            StoreError: The database cannot be used.
            RPCError: The server cannot be reached, or the target is none.
        """
        return await Client.connect(
            self.target,
            namespace=self.namespace,
            api_key=self.api_key,
            tls=self.tls,
            rpc_metadata=self.headers,
            identity=self.identity,
            data_converter=self.data_converter,
            interceptors=[each for each in self.interceptors if isinstance(each, Interceptor)],
            wait=wait,
        )

    def run(
        self, work: Callable[[Client], Awaitable[Answer]], doing: str = "Waiting for an answer", *, create: bool = False
    ) -> Answer:
        """Connect, do the work, and end the command with one line and an exit code if that fails.

        Args:
            work: What to do.
            doing: What a terminal shows when it takes longer than a moment; empty for work that shows itself.
            create: Whether a database that does not exist is made.
        """
        if not create:
            self._refuse_missing()

        async def connected() -> Answer:
            async with await self.open() as client:
                return await work(client)

        return run_or_refuse(connected, doing)

    def _refuse_missing(self) -> None:
        path = self.target.removeprefix("sqlite:///")
        if path != self.target and path != ":memory:" and not Path(path).exists():
            refuse(f"there is no database {path}. Name the one that the workflows ran on, or a server: host:port")


def connection(
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "--address",
            envvar=["TSUZUKI_TARGET", "TEMPORAL_ADDRESS"],
            help="A database (research.db, sqlite:///research.db), or a server (localhost:7233).",
            rich_help_panel=PANEL,
        ),
    ] = "localhost:7233",
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace",
            "-n",
            envvar=["TSUZUKI_NAMESPACE", "TEMPORAL_NAMESPACE"],
            help="The namespace.",
            rich_help_panel=PANEL,
        ),
    ] = "default",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar=["TSUZUKI_API_KEY", "TEMPORAL_API_KEY"],
            show_envvar=True,
            help="For a server: sent as a bearer token.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tls: Annotated[
        bool | None,
        typer.Option("--tls/--no-tls", help="For a server: TLS, or none. A key switches it on.", rich_help_panel=PANEL),
    ] = None,
    tls_ca_path: Annotated[
        Path | None, typer.Option(help="For a server: certificate of its authority.", rich_help_panel=PANEL)
    ] = None,
    tls_cert_path: Annotated[
        Path | None, typer.Option(help="For a server: certificate of this client.", rich_help_panel=PANEL)
    ] = None,
    tls_key_path: Annotated[
        Path | None, typer.Option(help="For a server: key of this client.", rich_help_panel=PANEL)
    ] = None,
    tls_server_name: Annotated[
        str | None, typer.Option(help="For a server: the name to expect in its certificate.", rich_help_panel=PANEL)
    ] = None,
    grpc_meta: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="For a server: a header of every call.", rich_help_panel=PANEL),
    ] = None,
    identity: Annotated[str | None, typer.Option(help="Who calls, in histories.", rich_help_panel=PANEL)] = None,
    data_converter: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:OBJECT",
            envvar="TSUZUKI_DATA_CONVERTER",
            help="How the workers encode payloads, where they do not use the default.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    interceptor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:OBJECT",
            envvar="TSUZUKI_INTERCEPTORS",
            help="An interceptor of the client, the workers or both, or its class; may be given again, the outermost "
            "first.",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> Connection:
    """Make a connection of its options; the options are read from this signature."""
    secure: bool | TLSConfig | None = tls
    if tls_ca_path or tls_cert_path or tls_key_path or tls_server_name:
        secure = TLSConfig(
            server_root_ca_cert=_bytes(tls_ca_path),
            domain=tls_server_name,
            client_cert=_bytes(tls_cert_path),
            client_private_key=_bytes(tls_key_path),
        )
    return Connection(
        target=f"sqlite:///{target}" if _is_file(target) else target,
        namespace=namespace,
        api_key=api_key,
        tls=secure,
        headers=_headers(grpc_meta or ()),
        identity=identity,
        data_converter=DataConverter.default if data_converter is None else _converter(data_converter),
        interceptors=tuple(_interceptor(name) for name in interceptor or ()),
    )


def connected(command: Callable[Concatenate[Connection, Given], None]) -> Callable[..., None]:
    """Add the options of a connection to a command, which takes the connection made of them first."""
    options = inspect.signature(connection, eval_str=True).parameters
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    @functools.wraps(command)
    def with_connection(*args: Any, **values: Any) -> None:
        made = connection(**{name: values.pop(name) for name in options})
        command(made, *args, **values)

    parameters = [*(it.replace(kind=it.KEYWORD_ONLY) for it in (*own, *options.values()))]
    with_connection.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_connection.__annotations__ = {it.name: it.annotation for it in parameters}
    return with_connection


def run_or_refuse(work: Callable[[], Awaitable[Answer]], doing: str = "") -> Answer:
    """Do the work, and end the command with one line and an exit code if it fails."""

    async def run() -> Answer:
        if not doing or not sys.stderr.isatty():
            return await work()
        from rich.console import Console

        with Console(stderr=True).status(f"{doing} ..."):
            return await work()

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise  # whoever read the answer has gone (`| head`); the command ends without a word
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        refuse(_line_of(error), code)


def _exit_code(error: Exception) -> int | None:
    """What an error of a caller or of the engine ends a command with; None for a bug.

    What raises some of them is imported by few commands, so nothing is imported for them before.
    """
    from tsuzuki.replay import ModuleLoadError
    from tsuzuki.store import StoreError

    if isinstance(error, InvalidArgumentError | ModuleLoadError | StoreError | OSError):
        return BAD_INPUT
    return FAILED if isinstance(error, RPCError | ServiceError | TsuzukiError) else None


def _line_of(error: Exception) -> str:
    """What an error says; where the library keeps to the words of Temporal's SDKs, with what to do."""
    if not isinstance(error, WorkflowAlreadyStartedError):
        return str(error)
    run = f" (run {error.run_id})" if error.run_id else ""
    return (
        f"the workflow id {error.workflow_id} is taken{run}. Choose another --workflow-id; or, while that run is open, "
        "--id-conflict-policy UseExisting or TerminateExisting"
    )


def _is_file(target: str) -> bool:
    """A path is meant: it exists, or is called like a database."""
    return "://" not in target and (target.endswith((".db", ".sqlite", ".sqlite3")) or Path(target).is_file())


def _bytes(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        refuse(f"{path}: {error.strerror}")


def _headers(pairs: list[str] | tuple[()]) -> dict[str, str] | None:
    headers = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            refuse(f"--grpc-meta {pair}: expected KEY=VALUE")
        headers[key] = value
    return headers or None


def _converter(name: str) -> DataConverter:
    found = _loaded("--data-converter", name)
    if not isinstance(found, DataConverter):
        refuse(f"--data-converter {name} is a {type(found).__name__}; expected a DataConverter")
    return found


def _interceptor(name: str) -> Any:
    from tsuzuki.worker import Interceptor as WorkerInterceptor

    found = _loaded("--interceptor", name)
    kinds = (Interceptor, WorkerInterceptor)
    if isinstance(found, type) and issubclass(found, kinds):
        found = found()
    if not isinstance(found, kinds):
        refuse(
            f"--interceptor {name} is a {type(found).__name__}; expected a tsuzuki.client.Interceptor or a "
            "tsuzuki.worker.Interceptor, or the class of one"
        )
    return found


def _loaded(option: str, name: str) -> Any:
    from tsuzuki.replay import ModuleLoadError, load_module

    module, _, attribute = name.partition(":")
    try:
        return getattr(load_module(module), attribute)
    except (ModuleLoadError, AttributeError) as error:
        refuse(f"{option} {name}: {error}. Expected MODULE:OBJECT")
