"""TSU008: sockets, HTTP and clients of services."""

from __future__ import annotations

from typing import Final

from ._forbidden import IN_ACTIVITY, calls, each
from ._rule import Rule

_VERBS: Final = "get post put patch delete head options request"
_SOCKET: Final = (
    "socket socketpair create_connection create_server fromfd getaddrinfo gethostbyname gethostbyname_ex "
    "gethostbyaddr gethostname getfqdn getnameinfo"
)

_CALLS: Final = {
    **each("requests", f"{_VERBS} Session session", IN_ACTIVITY),
    "requests.Session().*": IN_ACTIVITY,
    **each("httpx", f"{_VERBS} stream Client AsyncClient", IN_ACTIVITY),
    "httpx.Client().*": IN_ACTIVITY,
    "httpx.AsyncClient().*": IN_ACTIVITY,
    **each("aiohttp", "ClientSession request", IN_ACTIVITY),
    "aiohttp.ClientSession().*": IN_ACTIVITY,
    **each("urllib.request", "urlopen urlretrieve build_opener", IN_ACTIVITY),
    **each("urllib3", "PoolManager request", IN_ACTIVITY),
    **each("http.client", "HTTPConnection HTTPSConnection", IN_ACTIVITY),
    **each("socket", _SOCKET, IN_ACTIVITY),
    "socket.socket().*": IN_ACTIVITY,
    **each("asyncio", "open_connection open_unix_connection start_server start_unix_server", IN_ACTIVITY),
    **each("smtplib", "SMTP SMTP_SSL", IN_ACTIVITY),
    **each("ftplib", "FTP FTP_TLS", IN_ACTIVITY),
    **each("websockets", "connect", IN_ACTIVITY),
    **each("boto3", "client resource Session", IN_ACTIVITY),
    **each("psycopg", "connect", IN_ACTIVITY),
    **each("psycopg2", "connect", IN_ACTIVITY),
    **each("asyncpg", "connect create_pool", IN_ACTIVITY),
    **each("redis", "Redis StrictRedis from_url", IN_ACTIVITY),
    **each("redis.asyncio", "Redis from_url", IN_ACTIVITY),
    **each("openai", "OpenAI AsyncOpenAI", IN_ACTIVITY),
    **each("anthropic", "Anthropic AsyncAnthropic", IN_ACTIVITY),
}

RULE: Final = Rule(
    code="TSU008",
    name="network",
    why=(
        "The call is made again on every replay, and answered differently. In an activity it is made, retried "
        "and recorded. Types and constants of these libraries (`httpx.Timeout`, `urllib.parse`) are fine."
    ),
    bad='answer = httpx.get("https://example.org")',
    good="answer = await workflow.execute_activity(fetch, start_to_close_timeout=MINUTE)",
    check=calls(_CALLS, "uses the network, again on every replay"),
    calls=_CALLS,
)
