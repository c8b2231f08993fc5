"""Who calls: the one place that tells, so that further ways to say it have one place to go.

An API key comes as `authorization: Bearer KEY`, as the official SDKs and command line send theirs. Without keys, a
client certificate that the transport has verified is enough, and reaches everything.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc

from tsuzuki.service import ServiceError, StatusCode

from ._access_file import KeyRing
from ._permissions import EVERY_NAMESPACE, Identity, Role

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer "


class Authentication:
    """What the server asks of its callers."""

    def __init__(self, key_ring: KeyRing | None) -> None:
        """Without a key ring the transport has seen a client's certificate."""
        self._key_ring = key_ring

    def authenticate(self, context: grpc.aio.ServicerContext[Any, Any]) -> Identity:
        """Who calls.

        Raises:
            ServiceError: UNAUTHENTICATED: no key, or none that is valid (now).
        """
        if self._key_ring is None:
            common_name = b" ".join(context.auth_context().get("x509_common_name", ()))
            name = common_name.decode("utf-8", "replace") or "a client with a certificate"
            return Identity(name, frozenset({EVERY_NAMESPACE}), frozenset({Role.ADMIN}), "client-certificate")
        presented = ""
        for header, value in context.invocation_metadata() or ():
            if header == _HEADER:
                presented = value if isinstance(value, str) else ""
        if presented[: len(_SCHEME)].lower() != _SCHEME:
            _refuse("there is no API key with the call (the header 'authorization: Bearer KEY')")
        key, now_s = self._key_ring.find(presented[len(_SCHEME) :].strip())
        if key is None:
            _refuse("the API key is not known here")
        if (state := key.state(now_s)) != "live":
            _refuse(f"the API key {key.id} ('{key.identity.name}') is {state}")
        return key.identity


def _refuse(reason: str) -> NoReturn:
    raise ServiceError(StatusCode.UNAUTHENTICATED, f"Request unauthorized: {reason}.")
