"""A stand-in for the data source `archive_file` of hashicorp/archive, for where the Terraform registry is
not.

Inputs, outputs and errors are those that the provider documents, for the type `zip`. What can differ is the
bytes: times in the archive are fixed, names sorted, and modes `output_file_mode` or 0644, so that equal
sources give equal archives everywhere. An executable that runs this file as a script is the provider's
plugin.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tf.blocks import SetNestedBlock
from tf.iface import (
    Config,
    DataSource,
    Provider,
    ReadDataContext,
    Resource,
    State,
)
from tf.runner import run_provider
from tf.schema import Attribute, Block, Schema
from tf.types import Bool, Number, Set, String, Unknown
from tf.utils import Diagnostics

DEFAULT_MODE = 0o644
# The latest year that other tools read well, which the provider uses too.
FIXED_TIME = (2049, 1, 1, 0, 0, 0)
_SOURCES = ("source", "source_content", "source_dir", "source_file")
_HASHES = (
    "output_md5",
    "output_sha",
    "output_sha256",
    "output_base64sha256",
    "output_sha512",
    "output_base64sha512",
)


class ArchiveError(ValueError):
    """An archive that cannot be made; the message is for the user's Terraform configuration."""


def archive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write the archive and return the computed attributes.

    :param config: the data source's arguments by name, None or missing where not given
    :return: `id`, `output_size` in bytes and all hashes: hexadecimal, or base64 where the name says so
    :raises ArchiveError: the arguments contradict each other, or a file cannot be read or written
    """
    if problem := argument_problem(config):
        raise ArchiveError(problem)
    mode = _mode(config.get("output_file_mode"))
    try:
        files = dict(_files(config))
        if not files:
            raise ArchiveError("archive has not been created as it would be empty")
        path = Path(config["output_path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as output:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, FIXED_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3
                entry.external_attr = (0o100000 | mode) << 16
                output.writestr(entry, files[name])
        content = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"could not archive: {error}") from error
    sha1, sha256, sha512 = (hashlib.new(name, content) for name in ("sha1", "sha256", "sha512"))
    return {
        "id": sha1.hexdigest(),
        "output_size": len(content),
        "output_md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "output_sha": sha1.hexdigest(),
        "output_sha256": sha256.hexdigest(),
        "output_base64sha256": base64.b64encode(sha256.digest()).decode(),
        "output_sha512": sha512.hexdigest(),
        "output_base64sha512": base64.b64encode(sha512.digest()).decode(),
    }


def argument_problem(config: Mapping[str, Any]) -> str | None:
    """Why these arguments cannot make an archive, or None. Values that are not known yet are not judged."""
    # A single value or a set of dynamic blocks can be unknown, and turn out to be absent.
    unknown = any(config.get(name) is Unknown for name in (*_SOURCES, "source_content_filename"))
    given = [name for name in _SOURCES if config.get(name) not in (None, [])]
    if not unknown and len(given) != 1:
        return "exactly one of source, source_content, source_dir and source_file must be given, got " + (
            " and ".join(given) or "none"
        )
    if not unknown and (config.get("source_content") is None) != (config.get("source_content_filename") is None):
        return "source_content and source_content_filename must be given together"
    if not unknown and config.get("excludes") and given != ["source_dir"]:
        return "excludes can be given with source_dir only"
    kind = config.get("type")
    if kind is not Unknown and kind != "zip":
        return f"type {kind!r} is not supported here, only zip"
    mode = config.get("output_file_mode")
    if mode is not Unknown:
        try:
            _mode(mode)
        except ArchiveError as error:
            return str(error)
    return None


def _mode(text: str | None) -> int:
    if text is None:
        return DEFAULT_MODE
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ArchiveError(f"output_file_mode {text!r} is not an octal mode such as 0644")
    return int(text, 8)


def _files(config: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Names in the archive with their contents."""
    if config.get("source_content") is not None:
        yield config["source_content_filename"], config["source_content"].encode()
    elif config.get("source_file") is not None:
        path = Path(config["source_file"])
        if not path.is_file():
            raise ArchiveError(f"could not archive missing file: {path}")
        yield path.name, path.read_bytes()
    elif config.get("source_dir") is not None:
        root = Path(config["source_dir"])
        if not root.is_dir():
            raise ArchiveError(f"could not archive missing directory: {root}")
        yield from _directory(root, config)
    for block in config.get("source") or []:
        yield block["filename"], block["content"].encode()


def _directory(root: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    patterns = [_glob(pattern) for pattern in config.get("excludes") or []]
    follow = not config.get("exclude_symlink_directories")

    def excluded(name: str) -> bool:
        return any(pattern.fullmatch(name) for pattern in patterns)

    output = Path(config["output_path"]).resolve()
    for folder, folders, names in os.walk(root, followlinks=follow):
        place = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not excluded((place / name).relative_to(root).as_posix()) and (follow or not (place / name).is_symlink())
        ]
        for name in names:
            path = place / name
            inside = path.relative_to(root).as_posix()
            # An archive in its own source would hold the one before it, and never be the same twice.
            if not excluded(inside) and path.resolve() != output:
                yield inside, path.read_bytes()


def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern with `*` and `?` inside a path segment, `**` across segments, `[...]` and `{a,b}`."""
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    parts = re.split(r"(\*\*/|\*\*|[*?]|\[[^\]]+\]|[{},])", pattern.removeprefix("./").rstrip("/"))
    inside = 0
    out = ""
    for part in parts:
        inside += (part == "{") - (part == "}")
        if part.startswith("[") and part.endswith("]"):
            out += "[" + part[1:-1].replace("!", "^", 1).replace("\\", "\\\\") + "]"
        elif part in tokens and (part != "," or inside):
            out += tokens[part]
        else:
            out += re.escape(part)
    return re.compile(out)


class _ArchiveFile(DataSource):  # type: ignore[misc]
    """`data "archive_file"`."""

    def __init__(self, provider: Provider) -> None:
        pass

    @classmethod
    def get_name(cls) -> str:
        return "file"

    @classmethod
    def get_schema(cls) -> Schema:
        text = String()
        source = Block([Attribute("content", text, required=True), Attribute("filename", text, required=True)])
        optional = (
            "source_dir",
            "source_file",
            "source_content",
            "source_content_filename",
            "output_file_mode",
        )
        return Schema(
            attributes=[
                Attribute("type", text, required=True),
                Attribute("output_path", text, required=True),
                *(Attribute(name, text, optional=True) for name in optional),
                Attribute("excludes", Set(text), optional=True),
                Attribute("exclude_symlink_directories", Bool(), optional=True),
                Attribute("id", text, computed=True),
                Attribute("output_size", Number(), computed=True),
                *(Attribute(name, text, computed=True) for name in _HASHES),
            ],
            block_types=[SetNestedBlock("source", source)],
        )

    def validate(self, diags: Diagnostics, type_name: str, config: Config) -> None:
        if problem := argument_problem(config):
            diags.add_error("Invalid archive", problem)

    def read(self, ctx: ReadDataContext, config: Config) -> State | None:
        try:
            return {**config, **archive(config)}
        except ArchiveError as error:
            ctx.diagnostics.add_error("Archive creation error", str(error))
            return None


class _Archive(Provider):  # type: ignore[misc]
    """The provider, without the deprecated resource of the same name."""

    def get_model_prefix(self) -> str:
        return "archive_"

    def full_name(self) -> str:
        return "registry.terraform.io/hashicorp/archive"

    def get_provider_schema(self, diags: Diagnostics) -> Schema:
        return Schema(version=0, attributes=[])

    def validate_config(self, diags: Diagnostics, config: Config) -> None:
        pass

    def configure_provider(self, diags: Diagnostics, config: Config) -> None:
        pass

    def get_data_sources(self) -> list[type[DataSource]]:
        return [_ArchiveFile]

    def get_resources(self) -> list[type[Resource]]:
        return []


if __name__ == "__main__":
    run_provider(_Archive(), sys.argv)
