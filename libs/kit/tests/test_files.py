"""The object store: the same content once, under its hash, and nothing outside its folder."""

import hashlib
from pathlib import Path

import pytest

from anliegen.kit.files import FileNotKept, Files


async def test_content_is_kept_under_its_hash(tmp_path: Path) -> None:
    files = Files(f"file://{tmp_path}/with%20blank")
    for content in (b"", b"an invoice", b"x" * 2_000_000):
        digest = await files.put(content)
        assert digest == hashlib.sha256(content).hexdigest()
        assert await files.put(content) == digest
        assert await files.get(digest) == content
    kept = [path for path in (tmp_path / "with blank").rglob("*") if path.is_file()]
    assert len(kept) == 3


async def test_deleted_content_is_gone(tmp_path: Path) -> None:
    files = Files(f"file://{tmp_path}")
    digest = await files.put(b"words")
    await files.delete(digest)
    await files.delete(digest)
    with pytest.raises(FileNotKept):
        await files.get(digest)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64])
async def test_only_hashes_are_looked_up(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotKept):
        await Files(f"file://{tmp_path}").get(name)
