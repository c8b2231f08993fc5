"""The commit counter's mirror: a small file beside the database that notices a store that went backwards.

SQLite accepts a write-ahead log that lost its tail, or a file restored from last week, as a healthy older
database. The mirror holds the counter of the last commit that somebody may have been told about; a store
that counts less than its mirror lost something.

The mirror is written after the commit and without a sync: it may lag behind, never run ahead. A torn or
foreign mirror says nothing, so it is treated as absent and must never keep a store from opening.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import NamedTuple

from tsuzuki.store._failures import read_only

_LAYOUT = struct.Struct("<8s16sQ")
_CHECKSUM = struct.Struct("<I")
_MAGIC = b"tsuzuki1"
_SIZE = _LAYOUT.size + _CHECKSUM.size


class MirroredCount(NamedTuple):
    """What a readable mirror says."""

    store_id: bytes
    commits: int


def mirror_path(database: str) -> str:
    return f"{database}-commits"


def read_mirror(path: str) -> MirroredCount | None:
    """What a mirror file says, or None when it says nothing: absent, torn or foreign."""
    try:
        with open(path, "rb") as file:
            data = file.read(_SIZE + 1)
    except OSError:
        return None
    if len(data) != _SIZE or data[: len(_MAGIC)] != _MAGIC:
        return None
    if _CHECKSUM.unpack_from(data, _LAYOUT.size)[0] != zlib.crc32(data[: _LAYOUT.size]):
        return None
    _, store_id, commits = _LAYOUT.unpack_from(data)
    return MirroredCount(store_id, commits)


class CommitMirror:
    """The mirror file of one database."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, database: str) -> CommitMirror:
        """Open or create the mirror of a database.

        Raises:
            StoreReadOnlyError: The file cannot be written.
        """
        path = mirror_path(database)
        try:
            return cls(path, os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644))
        except OSError as error:
            raise read_only(database, f"{path}: {error.strerror}") from error

    def read(self) -> MirroredCount | None:
        """What the mirror says, or None when it says nothing."""
        return read_mirror(self.path)

    def record(self, store_id: bytes, commits: int) -> None:
        """Note a commit that is already durable. A failure is ignored: the mirror may lag."""
        data = _LAYOUT.pack(_MAGIC, store_id, commits)
        data += _CHECKSUM.pack(zlib.crc32(data))
        try:
            if hasattr(os, "pwrite"):
                os.pwrite(self._descriptor, data, 0)
            else:  # pragma: no cover - Windows
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                os.write(self._descriptor, data)
        except OSError:
            return

    def close(self) -> None:
        os.close(self._descriptor)
