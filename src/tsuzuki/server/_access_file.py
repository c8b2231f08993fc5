"""The file beside the database with what access to a server rests on: API keys, and the secret that signs tokens.

Owns `<database>-access`, a small SQLite file that only its owner may read. Of an API key it holds a hash and never
the key; a key is long and random, so a plain SHA-256 tells nothing of it. Keys are never deleted: a server that has
had one stays closed when the last is revoked. The command line writes it while a server runs, which sees the change
within `FRESH_S`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ._permissions import Identity, Role

LIVE_KEYS_MAX: Final = 2
"""Keys of one name that may be valid at a time: the old one and the new one, while it is being exchanged."""
FRESH_S: Final = 1.0
"""How long a running server may go on with what it knew before a key was made or revoked."""
_NAME_CHARACTERS_MAX: Final = 100
_BUSY_S: Final = 5.0
_PREFIX: Final = "tsk"
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS api_key (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, namespaces TEXT NOT NULL,
        roles TEXT NOT NULL, created_s REAL NOT NULL, expires_s REAL, revoked_s REAL
    ) STRICT;
"""


class AccessFileError(Exception):
    """The file cannot be used, or what was asked of it makes no sense; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key. Times in seconds since 1970, UTC.

    Attributes:
        id: Its public part, which names it.
        identity: Its name, and what it is bound to.
        expires_s: None if it does not expire.
        revoked_s: None if it was not revoked.
    """

    id: str
    identity: Identity
    created_s: float
    expires_s: float | None
    revoked_s: float | None

    def state(self, now_s: float) -> str:
        """`live`, `expired` or `revoked`."""
        if self.revoked_s is not None:
            return "revoked"
        return "expired" if self.expires_s is not None and self.expires_s <= now_s else "live"


class AccessFile:
    """An open access file. Use it as a context manager, or close it."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def of_database(cls, database: str | os.PathLike[str]) -> AccessFile:
        """Open the file that belongs to a database; it is created if missing."""
        return cls.open(f"{os.path.abspath(database)}-access")

    @classmethod
    def open(cls, path: str) -> AccessFile:
        """Open a file; it is created if missing.

        Raises:
            AccessFileError: It is no access file, or cannot be written.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            with _explained(path):
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_SCHEMA)
                connection.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
        except OSError as error:
            raise AccessFileError(f"{path} cannot be opened: {error.strerror}. It holds the API keys.") from None
        return cls(path, connection)

    def __enter__(self) -> AccessFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def secret(self) -> bytes:
        """32 random bytes, made once."""
        with _explained(self.path):
            secret: bytes = self._connection.execute("SELECT secret FROM secret").fetchone()[0]
        return secret

    @property
    def version(self) -> int:
        """A number that changes when another process changed the file."""
        with _explained(self.path):
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def keys(self) -> Mapping[bytes, ApiKey]:
        """All keys there ever were, by their hash, in the order in which they were made."""
        columns = "hash, id, name, namespaces, roles, created_s, expires_s, revoked_s"
        with _explained(self.path):
            rows = self._connection.execute(f"SELECT {columns} FROM api_key ORDER BY created_s, id").fetchall()
            return {
                digest: ApiKey(
                    key_id,
                    Identity(name, frozenset(json.loads(namespaces)), frozenset(map(Role, json.loads(roles)))),
                    *times,
                )
                for digest, key_id, name, namespaces, roles, *times in rows
            }

    def create(
        self, name: str, *, namespaces: Collection[str], roles: Collection[Role], now_s: float, expires_s: float | None
    ) -> str:
        """Make a key and return it; it is shown this once.

        Args:
            name: Whose it is, 1 to 100 characters; two live keys may share a name, while one replaces the other.
            namespaces: What it reaches; `*` for all, and for what concerns the whole server.
            roles: What it may do there.
            now_s: The time.
            expires_s: When it ends, if it does.

        Raises:
            AccessFileError: Two keys of this name are live, or an argument makes no sense.
        """
        if not 0 < len(name) <= _NAME_CHARACTERS_MAX or not name.isprintable():
            raise AccessFileError(f"a key's name has 1 to {_NAME_CHARACTERS_MAX} printable characters, not {name!r}.")
        if not roles or not namespaces or "" in namespaces:
            raise AccessFileError("a key needs at least one role and one namespace ('*' is all of them).")
        if expires_s is not None and expires_s <= now_s:
            raise AccessFileError("the key would have expired already.")
        key_id = secrets.token_hex(4)
        key = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        spaces, kinds = json.dumps(sorted(namespaces)), json.dumps(sorted(role.value for role in roles))
        row = (key_id, name, hash_of(key), spaces, kinds, now_s, expires_s)
        with _explained(self.path), self._transaction():
            live = [key.id for key in self.keys().values() if key.identity.name == name and key.state(now_s) == "live"]
            if len(live) >= LIVE_KEYS_MAX:
                raise AccessFileError(
                    f"'{name}' has {LIVE_KEYS_MAX} live keys already: {', '.join(live)}. Revoke one first."
                )
            self._connection.execute("INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", row)
        return key

    def revoke(self, key_id: str, *, now_s: float) -> ApiKey:
        """End a key for good; one that is revoked already stays so.

        Raises:
            AccessFileError: There is no such key.
        """
        with _explained(self.path), self._transaction():
            self._connection.execute(
                "UPDATE api_key SET revoked_s = ? WHERE id = ? AND revoked_s IS NULL", (now_s, key_id)
            )
            for key in self.keys().values():
                if key.id == key_id:
                    return key
        raise AccessFileError(f"there is no key '{key_id}' in {self.path}; `tsuzuki server api-key list` shows them.")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield


class KeyRing:
    """The keys of a file as a running server knows them; looks at the file at most once in `FRESH_S`."""

    def __init__(self, file: AccessFile, clock_s: Callable[[], float]) -> None:
        self._file = file
        self._clock_s = clock_s
        self._version = file.version
        self._keys = file.keys()
        self._looked_s = clock_s()

    def find(self, key: str) -> tuple[ApiKey | None, float]:
        """What is known of a key, and the time."""
        now_s = self._clock_s()
        if not 0 <= now_s - self._looked_s < FRESH_S:
            self._looked_s = now_s
            if (version := self._file.version) != self._version:
                self._keys, self._version = self._file.keys(), version
        return self._keys.get(hash_of(key)), now_s


def hash_of(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise AccessFileError(f"{path} cannot be used: {error}. It holds the API keys of the database.") from error
