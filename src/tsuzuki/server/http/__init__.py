"""The engine behind HTTP: every RPC with an HTTP rule as JSON, histories as server-sent events, and the web page.

Works in front of any `WorkflowService`: that of a server, of an engine in this process, or of a server elsewhere.
"""

from ._server import HttpOptions, HttpServer, OpenAddressError

__all__ = ["HttpOptions", "HttpServer", "OpenAddressError"]
