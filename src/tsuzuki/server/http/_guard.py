"""What every request must pass before anything looks at it, and what every response says to browsers.

A page of somebody else's that is open in the user's browser can reach a port of the user's machine. So: the host that
is asked for must be one of ours (else a name that points here would do), a page of another origin gets nothing, what
changes something takes JSON (which no form and no simple request can send), and nothing changes by GET.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tsuzuki.service import ServiceError, StatusCode

from ._refusals import refusal

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
BODY_S_MAX: Final = 60.0
"""How long a body may be on its way."""
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class _Refused(Exception):
    def __init__(self, http_status: int, status: StatusCode, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.error = ServiceError(status, message)


class Guard:
    """Stands before an application.

    Args:
        app: What it guards.
        hosts: Names under which this server may be asked, without ports.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        guarded_send = _with_headers(send)
        try:
            self._check(scope, headers)
            async with asyncio.timeout(BODY_S_MAX):
                body: bytes | None = b"" if scope["method"] in _SAFE else await _read(receive, headers)
        except TimeoutError:
            response = refusal(ServiceError(StatusCode.DEADLINE_EXCEEDED, "the body did not come."))
            response.status_code = 408
            await response(scope, receive, guarded_send)
            return
        except _Refused as refused:
            response = refusal(refused.error)
            response.status_code = refused.http_status
            await response(scope, receive, guarded_send)
            return
        if body is None:
            return
        await self._app(scope, receive if scope["method"] in _SAFE else _once(body, receive), guarded_send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            raise _Refused(
                421,
                StatusCode.PERMISSION_DENIED,
                f"the host {host[:100]!r} is not served here; it is one of {', '.join(sorted(self._hosts))}. "
                "Another name must be allowed when the server is started (--http-allow-host).",
            )
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host.lower():
            raise _foreign(origin)
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            raise _foreign("another site")
        if scope["method"] not in _SAFE and not _is_json_or_empty(headers):
            raise _Refused(
                415,
                StatusCode.INVALID_ARGUMENT,
                "the body must be JSON, and say so with the header 'Content-Type: application/json'.",
            )


def _foreign(origin: str) -> _Refused:
    return _Refused(403, StatusCode.PERMISSION_DENIED, f"requests from pages of {origin[:100]} are not answered.")


def _host_of(origin: str) -> str:
    """The host and port of an origin; empty for what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """A host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _is_json_or_empty(headers: Headers) -> bool:
    kind = headers.get("content-type")
    if kind is None:
        return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    mime = kind.partition(";")[0].strip().lower()
    return mime == "application/json" or mime.startswith("application/json+")


async def _read(receive: Receive, headers: Headers) -> bytes | None:
    """A body; None when the caller is gone before all of it came: a part of it must not pass for the whole."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 18 or int(length) > BODY_BYTES_MAX:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES_MAX:
            raise _too_large()
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large() -> _Refused:
    message = f"the body is larger than {BODY_BYTES_MAX:,} bytes. Pass a reference (a path, a key) to large data."
    return _Refused(413, StatusCode.RESOURCE_EXHAUSTED, message)


def _once(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read again."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
