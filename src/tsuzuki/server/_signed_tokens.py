"""Task and page tokens as callers hold them: signed, and bound to a namespace.

The engine's tokens are plain, so that an embedded engine pays nothing. A server signs what goes out and checks what
comes in; a token that was made up, changed, or received in another namespace never reaches the engine. The secret
is kept beside the database, so tokens stay good over restarts.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from google.protobuf.message import Message

from tsuzuki.service import ServiceError, StatusCode

from ._fields import Fields, fields_named
from ._rpcs import Rpc

_SIGNATURE_BYTES: Final = 16
_NAMESPACE_BYTES: Final = struct.Struct(">H")
_REFUSALS: Final = {"task_token": "Error deserializing task token.", "page_token": "Invalid NextPageToken."}
"""By the kind of token, in Temporal's words."""


class TokenSeal:
    """Signs and checks with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, kind: str, namespace: str, token: bytes) -> bytes:
        """The token for callers in a namespace."""
        name = namespace.encode()
        body = _NAMESPACE_BYTES.pack(len(name)) + name + token
        return self._sign(kind, body) + body

    def open(self, kind: str, namespace: str, sealed: bytes) -> tuple[str, bytes]:
        """The namespace it was made for, and the engine's token.

        Raises:
            ServiceError: INVALID_ARGUMENT: it is none of this server's, or of another namespace.
        """
        signature, body = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(kind, body)):
            raise ServiceError(StatusCode.INVALID_ARGUMENT, f"{_REFUSALS[kind]} Pass the token as it was received.")
        (length,) = _NAMESPACE_BYTES.unpack_from(body)
        made_for = body[2 : 2 + length].decode()
        if namespace not in ("", made_for):
            raise ServiceError(
                StatusCode.INVALID_ARGUMENT, "Operation requested with a token from a different namespace."
            )
        return made_for, body[2 + length :]

    def _sign(self, kind: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, kind.encode() + body, "sha256")[:_SIGNATURE_BYTES]


class RpcTokens:
    """The tokens of one RPC's requests and responses, by descriptor."""

    def __init__(self, rpc: Rpc, seal: TokenSeal) -> None:
        self._seal = seal
        self._incoming = _token_fields(rpc.request)
        self._outgoing = _token_fields(rpc.response)

    def open(self, request: Any) -> None:
        """Put the engine's tokens in the place of the caller's.

        A request that names no namespace is in that of its task, as older SDKs leave it out.

        Raises:
            ServiceError: INVALID_ARGUMENT, see `TokenSeal.open`.
        """
        for kind, fields in self._incoming:
            for holder, name in fields.places(request):
                if sealed := getattr(holder, name):
                    namespace, token = self._seal.open(kind, getattr(request, "namespace", ""), sealed)
                    setattr(holder, name, token)
                    if kind == "task_token" and not request.namespace:
                        request.namespace = namespace

    def close(self, request: Any, response: Message) -> None:
        """Put signed tokens in the place of the engine's."""
        self._replace(response, lambda kind, token: self._seal.seal(kind, getattr(request, "namespace", ""), token))

    def reopen(self, response: Message) -> None:
        """Undo `close`."""
        self._replace(response, lambda kind, token: self._seal.open(kind, "", token)[1])

    def _replace(self, response: Message, replaced: Callable[[str, bytes], bytes]) -> None:
        for kind, fields in self._outgoing:
            for holder, name in fields.places(response):
                if token := getattr(holder, name):
                    setattr(holder, name, replaced(kind, token))


def _token_fields(kind: type[Message]) -> Iterable[tuple[str, Fields]]:
    found = ((name, fields_named(kind, name)) for name in _REFUSALS)
    return [(name, fields) for name, fields in found if fields]
