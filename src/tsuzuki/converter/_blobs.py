"""Where large payloads are kept: blobs under the SHA-256 of their content.

A blob never changes and may be written twice, so writing needs no lock and a crash leaves nothing half done:
either the blob is there, whole and on disk, or it is not.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol


class BlobNotFoundError(Exception):
    """There is no blob of this name."""


class BlobStore(Protocol):
    """Keeps bytes under names. A blob is durable once `put` has returned."""

    async def put(self, name: str, data: bytes) -> None:
        """Keep a blob; one of the same name has the same content.

        Raises:
            OSError: It could not be written; trying again later is safe.
        """
        ...

    async def get(self, name: str) -> bytes:
        """Read a blob.

        Raises:
            BlobNotFoundError: There is none of this name.
            OSError: It could not be read; trying again later may help.
        """
        ...


class FolderBlobStore:
    """Blobs as files of a folder, which all workers must share.

    Args:
        folder: Made if missing. Its files are for the user of this process alone (mode 0600), as their content may
            be anything. A crash can leave files whose names begin with "tmp"; they may be deleted.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()

    async def put(self, name: str, data: bytes) -> None:
        """Write a file beside its place, sync it, move it there, sync the folder."""
        await asyncio.to_thread(self._put, name, data)

    async def get(self, name: str) -> bytes:
        """Read the file."""
        try:
            return await asyncio.to_thread(self._path(name).read_bytes)
        except FileNotFoundError:
            raise BlobNotFoundError(f"{self._path(name)} does not exist") from None

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        missing = [folder for folder in self._folder.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            self._write(path, data)
        # Also where another writer moved it here, who may not have come to this yet.
        for folder in (path.parent, self._folder, self._folder.parent, *(parent.parent for parent in missing)):
            _sync_folder(folder)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class S3Client(Protocol):
    """The two calls of an S3 client that are used; a `boto3` client has them."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> Any:
        """Store an object."""
        ...

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        """Return an object; its `Body` has `read()`."""
        ...


class S3BlobStore:
    """Blobs as objects of a bucket of S3, or of something that speaks its protocol.

    Args:
        client: Such as `boto3.client("s3")`; its calls run in threads.
        bucket: Name of the bucket; it must exist.
        prefix: Begins the key of each object.
    """

    def __init__(self, client: S3Client, bucket: str, *, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    async def put(self, name: str, data: bytes) -> None:
        """Store the object."""
        try:
            await asyncio.to_thread(self._client.put_object, Bucket=self._bucket, Key=self._prefix + name, Body=data)
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"object {self._prefix}{name} of bucket {self._bucket} was not stored: {error}") from error

    async def get(self, name: str) -> bytes:
        """Read the object."""
        key = self._prefix + name
        try:
            found = await asyncio.to_thread(self._client.get_object, Bucket=self._bucket, Key=key)
            data: bytes = await asyncio.to_thread(found["Body"].read)
        except OSError:
            raise
        except Exception as error:
            if _says_not_found(error):
                raise BlobNotFoundError(f"bucket {self._bucket} has no object {key}") from error
            raise OSError(f"object {key} of bucket {self._bucket} was not read: {error}") from error
        return data


def _says_not_found(error: Exception) -> bool:
    """Clients raise classes of their own making; what they share is the error code of the answer."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code in ("NoSuchKey", "404", "NotFound") or type(error).__name__ == "NoSuchKey"
