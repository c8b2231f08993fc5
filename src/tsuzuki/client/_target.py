"""The one string that says where the engine is, and the service behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ._errors import InvalidArgumentError

FORMS: Final = (
    "`sqlite:///research.db` (engine in this process, on that file; four slashes for an absolute path), "
    "`sqlite://` (engine in this process, in memory) or `localhost:7233` (a server)"
)

_HOST_AND_PORT: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class EmbeddedTarget:
    """An engine in this process.

    Attributes:
        path: Database file; None for memory.
    """

    path: str | None


@dataclass(frozen=True)
class RemoteTarget:
    """A server.

    Attributes:
        host: Name or address, without brackets.
        port: TCP port.
    """

    host: str
    port: int


def parse_target(target: str) -> EmbeddedTarget | RemoteTarget:
    """Read a target string.

    Raises:
        InvalidArgumentError: It is none of the three forms; the message shows them.
    """
    if not isinstance(target, str):
        raise InvalidArgumentError(f"the target is {target!r}; it must be a string: {FORMS}")
    if target in ("sqlite://", "sqlite:///:memory:"):
        return EmbeddedTarget(None)
    if target.startswith("sqlite:///") and len(target) > len("sqlite:///"):
        return EmbeddedTarget(target.removeprefix("sqlite:///"))
    match = _HOST_AND_PORT.fullmatch(target)
    if match is not None and 0 < int(match["port"]) <= 65535:
        return RemoteTarget(match["host"].strip("[]"), int(match["port"]))
    raise InvalidArgumentError(
        f"the target {target!r} is not understood{_suggestion(target) or '.'} It must be {FORMS}"
    )


def _suggestion(target: str) -> str:
    if target.startswith("sqlite:") and target.strip("/") != "sqlite:":
        return f"; did you mean {'sqlite:///' + target.removeprefix('sqlite:').lstrip('/')!r}?"
    if target.startswith(("http://", "https://", "grpc://", "temporal://")):
        return f"; did you mean {target.split('://', 1)[1].rstrip('/')!r}?"
    if target.endswith((".db", ".sqlite", ".sqlite3")):
        return f"; did you mean {'sqlite:///' + target!r}?"
    if re.fullmatch(r"[\w.-]+", target):
        return f"; did you mean {target + ':7233'!r}?"
    return ""
