"""TLS: the files that a server is started with, and the credentials made of them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import grpc


class TlsFileError(Exception):
    """A certificate or key cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files.

    Attributes:
        cert: The server's certificate, followed by those between it and the authority.
        key: Its private key.
        client_ca: The authorities of client certificates. With it, a client without one is refused (mTLS).
    """

    cert: str | os.PathLike[str]
    key: str | os.PathLike[str]
    client_ca: str | os.PathLike[str] | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Read the files.

        Raises:
            TlsFileError: One of them cannot be read, or holds no PEM.
        """
        chain = _pem(self.cert, "CERTIFICATE")
        key = _pem(self.key, "PRIVATE KEY")
        clients = None if self.client_ca is None else _pem(self.client_ca, "CERTIFICATE")
        _check_pair(self.cert, self.key)
        return grpc.ssl_server_credentials([(key, chain)], clients, clients is not None)


def _pem(path: str | os.PathLike[str], what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            pem = file.read()
    except OSError as error:
        raise TlsFileError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from None
    if f"{what}-----".encode() not in pem:
        raise TlsFileError(f"{os.fspath(path)} holds no PEM block '{what}'.")
    return pem


def _check_pair(cert: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
    """Refuse what gRPC would take without a word, and then fail each handshake with."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise TlsFileError(
            f"{os.fspath(cert)} and {os.fspath(key)} are no certificate and its key (without a password): {error}."
        ) from None
