"""Blob stores: one set of promises, kept by a folder and by a bucket."""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsuzuki.converter import BlobNotFoundError, BlobStore, FolderBlobStore, S3BlobStore

NAME = "ab" * 32


class BucketError(Exception):
    """Shaped as the errors of boto3: the code is in the answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class Bucket:
    """An S3 client with one bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fails_with: Exception | None = None

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> Any:
        self._check(Bucket)
        self.objects[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        self._check(Bucket)
        if Key not in self.objects:
            raise BucketError("NoSuchKey")
        return {"Body": io.BytesIO(self.objects[Key])}

    def _check(self, name: str) -> None:
        assert name == "bucket"
        if self.fails_with is not None:
            raise self.fails_with


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderBlobStore(tmp_path / "made" / "when missing")
    return S3BlobStore(Bucket(), "bucket", prefix="payloads/")


def test_what_was_put_is_found(store: BlobStore) -> None:
    data = bytes(range(256)) * 1000
    asyncio.run(store.put(NAME, data))

    assert asyncio.run(store.get(NAME)) == data


def test_putting_twice_is_as_once(store: BlobStore) -> None:
    async def both() -> None:
        await asyncio.gather(*(store.put(NAME, b"content") for _ in range(8)))

    asyncio.run(both())

    assert asyncio.run(store.get(NAME)) == b"content"


def test_a_missing_blob_has_its_own_error(store: BlobStore) -> None:
    with pytest.raises(BlobNotFoundError, match=NAME):
        asyncio.run(store.get(NAME))


# ---- the folder ----------------------------------------------------------------------------------------------


class Calls:
    """Notes what is synced and moved, in order, by path."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, Path]] = []
        opened: dict[int, Path] = {}
        fsync, replace, open_ = os.fsync, os.replace, os.open

        def noting_fsync(descriptor: int) -> None:
            self.made.append(("sync", opened.get(descriptor, Path("<a file>"))))
            fsync(descriptor)

        def noting_replace(source: Any, target: Any) -> None:
            self.made.append(("move", Path(target)))
            replace(source, target)

        def noting_open(path: Any, *arguments: Any, **options: Any) -> int:
            descriptor = open_(path, *arguments, **options)
            opened[descriptor] = Path(path) if Path(path).is_dir() else Path("<a file>")
            return descriptor

        monkeypatch.setattr(os, "fsync", noting_fsync)
        monkeypatch.setattr(os, "replace", noting_replace)
        monkeypatch.setattr(os, "open", noting_open)


def test_a_blob_is_on_disk_before_put_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "one" / "two"
    calls = Calls(monkeypatch)

    asyncio.run(FolderBlobStore(folder).put(NAME, b"content"))

    place = folder / NAME[:2]
    assert calls.made[:2] == [("sync", Path("<a file>")), ("move", place / NAME)]
    synced = {path for _, path in calls.made[2:]}
    assert {place, folder, folder.parent, tmp_path} <= synced, "each new name must be on disk too"


def test_a_blob_that_another_writer_moved_here_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who moved it may not have synced the folder, and this writer's reference goes to disk at once."""
    store = FolderBlobStore(tmp_path)
    asyncio.run(store.put(NAME, b"content"))
    calls = Calls(monkeypatch)

    asyncio.run(store.put(NAME, b"content"))

    assert ("sync", tmp_path / NAME[:2]) in calls.made
    assert all(what == "sync" for what, _ in calls.made), "it was written again"


def test_a_full_disk_leaves_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    store = FolderBlobStore(tmp_path)

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(store.put(NAME, b"content"))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_blobs_are_for_their_owner(tmp_path: Path) -> None:
    asyncio.run(FolderBlobStore(tmp_path).put(NAME, b"content"))

    assert stat.S_IMODE((tmp_path / NAME[:2] / NAME).stat().st_mode) == 0o600


# ---- the bucket ----------------------------------------------------------------------------------------------


def put(store: BlobStore) -> None:
    asyncio.run(store.put(NAME, b"content"))


def get(store: BlobStore) -> None:
    asyncio.run(store.get(NAME))


@pytest.mark.parametrize("call", [put, get])
def test_trouble_with_the_bucket_is_an_os_error(call: Callable[[BlobStore], None]) -> None:
    """Which whoever asked may meet by trying again."""
    bucket = Bucket()
    bucket.fails_with = BucketError("SlowDown")

    with pytest.raises(OSError, match=f"payloads/{NAME} of bucket bucket was not .*SlowDown"):
        call(S3BlobStore(bucket, "bucket", prefix="payloads/"))
