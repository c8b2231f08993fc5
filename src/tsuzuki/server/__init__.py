"""The engine behind gRPC: official SDKs, command line and tools work against it.

Needs the extra `tsuzuki[server]`.
"""

from ._server import PortTakenError, Server, ServerOptions

__all__ = ["PortTakenError", "Server", "ServerOptions"]
