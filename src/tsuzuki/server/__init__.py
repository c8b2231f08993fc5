"""The engine behind gRPC: official SDKs, command line and tools work against it.

Needs the extra `tsuzuki[server]`.
"""

from ._access_file import LIVE_KEYS_MAX, AccessFile, AccessFileError, ApiKey
from ._permissions import EVERY_NAMESPACE, Identity, Role
from ._server import PortTakenError, Server, ServerOptions
from ._settings import FIXED, SETTINGS, Setting, Settings, SettingsError, Value
from ._tls import TlsFileError, TlsFiles

__all__ = [
    "EVERY_NAMESPACE",
    "FIXED",
    "LIVE_KEYS_MAX",
    "SETTINGS",
    "AccessFile",
    "AccessFileError",
    "ApiKey",
    "Identity",
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
