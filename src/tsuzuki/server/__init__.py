"""The engine behind gRPC, for official SDKs, command line and tools; and behind HTTP, for everything else.

Needs the extra `tsuzuki[server]`.
"""

from ._access_file import LIVE_KEYS_MAX, AccessFile, AccessFileError, ApiKey
from ._permissions import EVERY_NAMESPACE, Identity, Role
from ._port import PortTakenError
from ._server import Server, ServerOptions
from ._settings import FIXED, SETTINGS, Setting, Settings, SettingsError, Value
from ._tls import TlsFileError, TlsFiles
from .http import HttpOptions, HttpServer, OpenAddressError

__all__ = [
    "EVERY_NAMESPACE",
    "FIXED",
    "LIVE_KEYS_MAX",
    "SETTINGS",
    "AccessFile",
    "AccessFileError",
    "ApiKey",
    "HttpOptions",
    "HttpServer",
    "Identity",
    "OpenAddressError",
    "PortTakenError",
    "Role",
    "Server",
    "ServerOptions",
    "Setting",
    "Settings",
    "SettingsError",
    "TlsFileError",
    "TlsFiles",
    "Value",
]
