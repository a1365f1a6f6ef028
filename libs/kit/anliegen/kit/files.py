"""The object store for files: bytes under the hash of their content, in a folder or a bucket, whichever is set."""

import asyncio
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from .errors import NotFound

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileNotKept(NotFound):
    """There is no file with this content in the object store."""


class Files:
    """Files of one deployment. The same content is kept once; whoever wrote it deletes it."""

    def __init__(self, url: str) -> None:
        """`url` is `file:///folder` or `s3://bucket/prefix`; credentials for S3 come from its usual variables."""
        self._store: ObjectStore = _open(url)

    async def put(self, content: bytes) -> str:
        """Keep these bytes and tell their SHA-256 in small hexadecimal letters. Kept again, nothing changes."""
        digest = await asyncio.to_thread(_sha256, content) if len(content) > 1_000_000 else _sha256(content)
        await self._store.put_async(_path(digest), content)
        return digest

    async def get(self, sha256: str) -> bytes:
        """The bytes. Raises FileNotKept."""
        try:
            found = await self._store.get_async(_path(sha256))
        except (FileNotFoundError, NotFoundError) as problem:
            raise FileNotKept from problem
        return bytes(await found.bytes_async())

    async def delete(self, sha256: str) -> None:
        """Delete these bytes; none there is fine."""
        try:
            await self._store.delete_async(_path(sha256))
        except (FileNotFoundError, NotFoundError):
            return


def _open(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)), mkdir=True)
    return from_url(url)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _path(sha256: str) -> str:
    # Two levels of folders, so that none gets too full.
    if not _SHA256.fullmatch(sha256):
        raise FileNotKept
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
