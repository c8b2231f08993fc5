"""What a server can be told: one table, filled from flags, over a TOML file, over defaults.

Owns the names, meanings and defaults; the numbers of limits are those of `Limits`. A name that is not in the table is
refused with the nearest that is, so that a slip of the pen never leaves a limit unset.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from tsuzuki.engine import Limits

from ._calls import MESSAGE_BYTES_MAX
from ._nesting import CAUSES_MAX

_NS_IN_S: Final = 1_000_000_000
_SECONDS_MAX: Final = 1e9


class SettingsError(Exception):
    """A file or value makes no sense; the message names it and says what was expected."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table.

    Attributes:
        section: The table of the TOML file that it stands in.
        name: Its key there; the flag of a setting in `server` is the same with dashes.
        kind: `str`, `bool`, `int` or `float`.
        default: None if it has none.
        meaning: For people.
    """

    section: str
    name: str
    kind: type
    default: Any
    meaning: str

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"

    def check(self, value: Any) -> Any:
        """The value, if it is one that the setting can have.

        Raises:
            SettingsError: It is not.
        """
        fits = isinstance(value, self.kind) and (self.kind is bool or not isinstance(value, bool))
        if self.kind is float and type(value) is int:
            fits, value = True, float(value)
        least = 0 if self.name.endswith("port") else 1 if self.kind is int else None
        if not fits or (least is not None and value < least) or (self.kind is float and not 0 < value < _SECONDS_MAX):
            bound = {int: f"a whole number, at least {least}", float: "a number of seconds above 0"}.get(self.kind)
            expected = bound or {str: "a text in quotes", bool: "true or false"}[self.kind]
            raise SettingsError(f"{self.key} = {value!r}: expected {expected}")
        return value


_SERVER: Final = (
    Setting("server", "db", str, None, "Database file; in memory without one"),
    Setting("server", "host", str, "127.0.0.1", "Address to listen on"),
    Setting("server", "port", int, 7233, "TCP port for gRPC; 0 takes a free one"),
    Setting("server", "http", bool, True, "Serve HTTP, JSON and the web page"),
    Setting("server", "http_port", int, None, "TCP port for HTTP; without one 8088, or a free one if that is taken"),
    Setting("server", "http_allow_host", str, None, "Other names under which browsers ask, with commas between"),
    Setting("server", "namespace", str, "default", "Namespaces to make if they are missing, with commas between"),
    Setting("server", "tls_cert", str, None, "TLS: the server's certificate, PEM, with its chain"),
    Setting("server", "tls_key", str, None, "TLS: its private key, PEM"),
    Setting("server", "tls_client_ca", str, None, "mTLS: who signs client certificates, PEM"),
    Setting("server", "require_api_key", bool, False, "Refuse callers without a key, also before the first is made"),
    Setting("server", "agent_executions", str, None, "File of the workers' log of agent executions, to be shown"),
    Setting("server", "agent_ledger", str, None, "File of the workers' ledger of budgets, to be shown"),
    Setting("server", "insecure_no_auth", bool, False, "Let anyone who can connect do anything"),
    Setting(
        "server", "uvloop", bool, False, "Run on the event loop of the package uvloop, which takes less processor time"
    ),
)
_MEANINGS: Final[Mapping[str, str]] = {
    "payload_bytes_max": "One payload, or the failure of a run; more ends the run, or refuses the caller",
    "memo_bytes_max": "The memo of a run",
    "id_characters_max": "Workflow, activity, timer, update and request ids, types, task queues",
    "history_events_max": "Events of a run; more ends it",
    "history_bytes_max": "History of a run in bytes; more ends it",
    "history_events_suggest": "Events from which continue-as-new is suggested",
    "history_bytes_suggest": "Bytes from which continue-as-new is suggested",
    "pending_activities_max": "Open activities of a run; more fails the workflow task",
    "pending_children_max": "Open children of a run, and as many signals and cancels to others",
    "signals_max": "Signals that a run takes",
    "updates_in_flight_max": "Updates of a run that are not done",
    "updates_max": "Updates of a run in all",
    "updates_suggest": "Updates from which continue-as-new is suggested",
    "buffered_events_max": "Events that wait while a workflow task runs",
    "buffered_bytes_max": "The same in bytes",
    "stream_events_max": "Events of a run's stream; more are refused, and the run goes on",
    "stream_bytes_max": "The same in bytes",
    "log_bytes_max": "Lines that are kept of a run's log, in bytes; the oldest are dropped",
    "workflow_task_timeout_default_s": "Time of a worker for a workflow task, if the start says nothing",
    "workflow_task_timeout_max_s": "The longest that a start may ask for",
    "workflow_task_heartbeats_max_s": "The longest that local activities may keep a workflow task alive",
    "workflow_task_backoff_max_s": "The longest wait before a failing workflow task is tried again",
    "search_attributes_max": "Search attributes of a run",
    "search_attribute_bytes_max": "The value of one search attribute",
    "search_attributes_bytes_max": "All search attributes of a run together",
    "continue_as_new_interval_min_s": "The least time between two runs of a chain",
}
FIXED: Final[Mapping[str, tuple[Any, str]]] = {
    "message_bytes_max": (MESSAGE_BYTES_MAX, "A gRPC request"),
    "failure_causes_max": (CAUSES_MAX, "Causes of a failure below one another"),
}
"""Limits that cannot be set, for the list."""


def _limit_settings() -> Iterator[Setting]:
    for field in fields(Limits):
        default: Any = field.default
        name = field.name
        if name.endswith("_ns"):
            name, default = f"{name.removesuffix('_ns')}_s", default / _NS_IN_S
        yield Setting("limits", name, type(default), default, _MEANINGS.get(name, ""))


NAMESPACES: Final = "namespaces"
"""The section with a table for each namespace that has limits of its own."""
OF_SERVER: Final = frozenset({"id_characters_max"})
"""Limits that are the same in every namespace: names are read before it is known whose they are."""

SETTINGS: Final[Mapping[str, Setting]] = {setting.key: setting for setting in (*_SERVER, *_limit_settings())}
"""By `section.name`."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting is, and where that was said: `default`, a file's name, or a flag."""

    value: Any
    source: str


class Settings:
    """All settings of one server."""

    def __init__(self, values: Mapping[str, Value], of_namespaces: Mapping[str, Mapping[str, Value]]) -> None:
        self._values = values
        self._of_namespaces = of_namespaces

    @classmethod
    def read(cls, config: Path | None, flags: Mapping[str, Any]) -> Settings:
        """Flags over a file over defaults.

        Args:
            config: The TOML file, if there is one.
            flags: Values of the settings in `server`, by name; None where the flag was not given.

        Raises:
            SettingsError: The file cannot be read, or something in it makes no sense.
        """
        values = {key: Value(setting.default, "default") for key, setting in SETTINGS.items()}
        of_namespaces: dict[str, dict[str, Value]] = {}
        if config is not None:
            document = _document(config)
            for namespace, table in _namespace_tables(document, config):
                of_namespaces[namespace] = {
                    name: Value(_limit_of(namespace, name, config).check(value), str(config))
                    for name, value in table.items()
                }
            for key, value in _values(document, config):
                values[key] = Value(_setting(key, config).check(value), str(config))
        for name, value in flags.items():
            if value is not None:
                values[f"server.{name}"] = Value(value, f"--{name.replace('_', '-')}")
        return cls(values, of_namespaces)

    def __getitem__(self, key: str) -> Any:
        return self._values[key].value

    def items(self) -> Iterator[tuple[Setting, Value]]:
        """Each setting with its value, in the order of the table; then what namespaces have of their own."""
        yield from ((setting, self._values[key]) for key, setting in SETTINGS.items())
        for namespace, values in self._of_namespaces.items():
            for name, value in values.items():
                yield _of_namespace(namespace, SETTINGS[f"limits.{name}"], self[f"limits.{name}"]), value

    @property
    def limits(self) -> Limits:
        """The limits, in the engine's units."""
        return self._limits({})

    @property
    def namespace_limits(self) -> Mapping[str, Limits]:
        """By namespace, of those that have any of their own: all their limits."""
        return {namespace: self._limits(values) for namespace, values in self._of_namespaces.items()}

    def _limits(self, own: Mapping[str, Value]) -> Limits:
        given: dict[str, Any] = {}
        for field in fields(Limits):
            in_seconds = field.name.endswith("_ns")
            name = f"{field.name.removesuffix('_ns')}_s" if in_seconds else field.name
            value = own[name].value if name in own else self[f"limits.{name}"]
            given[field.name] = round(value * _NS_IN_S) if in_seconds else value
        return Limits(**given)


def _document(config: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is no TOML: {error}") from None


def _values(document: Mapping[str, Any], config: Path) -> Iterator[tuple[str, Any]]:
    for section, table in document.items():
        if section == NAMESPACES:
            continue
        if not isinstance(table, dict):
            raise SettingsError(
                f"{config}: '{section}' stands outside of a table; expected [server], [limits] and [{NAMESPACES}.NAME]"
            )
        yield from ((f"{section}.{name}", value) for name, value in table.items())


def _namespace_tables(document: Mapping[str, Any], config: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    tables = document.get(NAMESPACES, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SettingsError(f"{config}: expected a table for each namespace, as in [{NAMESPACES}.team]")
    yield from tables.items()


def _limit_of(namespace: str, name: str, config: Path) -> Setting:
    if name in OF_SERVER:
        raise SettingsError(
            f"{config}: {NAMESPACES}.{namespace}.{name}: this limit is the same in every namespace; set limits.{name}"
        )
    return _of_namespace(namespace, _setting(f"limits.{name}", config), None)


def _of_namespace(namespace: str, limit: Setting, default: Any) -> Setting:
    return replace(limit, section=f"{NAMESPACES}.{namespace}", default=default)


def _setting(key: str, config: Path) -> Setting:
    if (setting := SETTINGS.get(key)) is not None:
        return setting
    near = difflib.get_close_matches(key, SETTINGS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise SettingsError(f"{config}: there is no setting {key}.{hint} `tsuzuki server settings` lists them all.")
