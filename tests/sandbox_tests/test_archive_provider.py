"""The stand-in for `archive_file`: the same bytes everywhere, and errors that a user can read."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.archive_provider import ArchiveError, archive


def make(tmp_path: Path, name: str = "out.zip", **arguments: Any) -> tuple[dict[str, Any], zipfile.ZipFile]:
    path = tmp_path / "deep" / "er" / name
    return archive({"type": "zip", "output_path": str(path), **arguments}), zipfile.ZipFile(path)


def blocks(**files: str) -> list[dict[str, str]]:
    return [{"filename": name, "content": content} for name, content in files.items()]


def test_hashes_are_those_of_the_file(tmp_path: Path) -> None:
    result, opened = make(tmp_path, source=blocks(a="1", b="2"))
    content = Path(str(opened.filename)).read_bytes()
    assert result["output_size"] == len(content)
    assert result["id"] == result["output_sha"] == hashlib.sha1(content).hexdigest()
    assert result["output_md5"] == hashlib.md5(content).hexdigest()
    assert result["output_sha256"] == hashlib.sha256(content).hexdigest()
    assert result["output_base64sha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert result["output_sha512"] == hashlib.sha512(content).hexdigest()
    assert result["output_base64sha512"] == base64.b64encode(hashlib.sha512(content).digest()).decode()


def test_order_and_host_do_not_matter(tmp_path: Path) -> None:
    first, opened = make(tmp_path, "1.zip", source=blocks(a="1", b="2"))
    second, _ = make(tmp_path, "2.zip", source=blocks(b="2", a="1"))
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in (("b", "2"), ("a", "1")):
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
        os.utime(folder / name, (1, 1))
    third, _ = make(tmp_path, "3.zip", source_dir=str(folder))
    assert first == second == third
    assert opened.namelist() == ["a", "b"]
    assert {info.external_attr >> 16 for info in opened.infolist()} == {0o100644}


def test_contents_and_modes_matter(tmp_path: Path) -> None:
    first, _ = make(tmp_path, source=blocks(a="1"))
    second, _ = make(tmp_path, source=blocks(a="2"))
    third, opened = make(tmp_path, source=blocks(a="1"), output_file_mode="0755")
    assert len({r["output_sha"] for r in (first, second, third)}) == 3
    assert opened.getinfo("a").external_attr >> 16 == 0o100755


def test_single_sources(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x")
    _, opened = make(tmp_path, source_file=str(tmp_path / "one.py"))
    assert opened.read("one.py") == b"x"
    _, opened = make(tmp_path, source_content="y", source_content_filename="sub/two.py")
    assert opened.read("sub/two.py") == b"y"


def test_excludes(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    for name in ("a.py", "b.pyc", "sub/c.py", "sub/d.pyc", "cache/e.py", "x/cache/f.py", "g.md", "g.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    _, opened = make(tmp_path, source_dir=str(folder), excludes=["**/*.pyc", "cache", "g.{md,rst}"])
    assert opened.namelist() == ["a.py", "g.txt", "sub/c.py", "x/cache/f.py"]
    _, opened = make(tmp_path, source_dir=str(folder), excludes=["*.pyc", "**/cache/**", "g.*"])
    assert opened.namelist() == ["a.py", "sub/c.py", "sub/d.pyc"]


def test_symlinked_folders(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "a").write_text("1")
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "b").write_text("2")
    (folder / "link").symlink_to(tmp_path / "target")
    assert make(tmp_path, source_dir=str(folder))[1].namelist() == ["b", "link/a"]
    _, opened = make(tmp_path, source_dir=str(folder), exclude_symlink_directories=True)
    assert opened.namelist() == ["b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of .* got none"),
        ({"source_file": "a", "source_dir": "b"}, "got source_dir and source_file"),
        ({"source_content": "a"}, "together"),
        ({"source_file": "missing"}, "missing file: missing"),
        ({"source_dir": "missing"}, "missing directory: missing"),
        ({"source": blocks(a="1"), "output_file_mode": "rw"}, "not an octal mode"),
        ({"source": blocks(a="1"), "type": "tar.gz"}, "only zip"),
        ({"source": blocks(a="1"), "excludes": ["a"]}, "source_dir only"),
        ({"source": blocks(a="1"), "output_path": "/proc/none/out.zip"}, "could not archive"),
    ],
)
def test_errors(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        archive({"type": "zip", "output_path": str(tmp_path / "o.zip"), **arguments})


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="would be empty"):
        make(tmp_path, source_dir=str(tmp_path / "empty"))
