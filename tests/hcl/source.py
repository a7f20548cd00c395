"""The project's HCL as python-hcl2 reads it, with the quotes off the strings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"root": ROOT} | {
    name: ROOT / "modules" / name for name in ("metering", "authorizer", "account_logging", "function", "kms_key")
}
EXAMPLES = {path.name: path for path in sorted((ROOT / "examples").iterdir()) if path.is_dir()}
CONFIGURATIONS = MODULES | EXAMPLES


@dataclass(frozen=True)
class Block:
    """A block of a module: `labels` as in `resource "type" "name"`, its arguments, and the file it stands in."""

    kind: str
    labels: tuple[str, ...]
    body: dict[str, Any]
    file: Path

    @property
    def where(self) -> str:
        return f"{self.file.relative_to(ROOT)}: {self.kind} {'.'.join(self.labels)}"


LABELS = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1}


def blocks(folder: Path, kind: str | None = None) -> list[Block]:
    """The top-level blocks of a folder's .tf files, of one kind or all."""
    return [
        block for file in sorted(folder.glob("*.tf")) for block in blocks_of(file) if kind is None or block.kind == kind
    ]


def blocks_of(file: Path) -> list[Block]:
    """The top-level blocks of a file."""
    with file.open(encoding="utf-8") as text:
        document = hcl2.load(text)
    return [
        Block(each, *_labelled(block, LABELS.get(each, 0)), file)
        for each in document
        if not each.startswith("__")
        for block in document[each]
    ]


def variables(folder: Path) -> dict[str, dict[str, Any]]:
    return {block.labels[0]: block.body for block in blocks(folder, "variable")}


def outputs(folder: Path) -> dict[str, dict[str, Any]]:
    return {block.labels[0]: block.body for block in blocks(folder, "output")}


def text(value: Any) -> str:
    """A string literal or heredoc without its marks."""
    shown = str(value)
    if shown.startswith('"<<') or shown.startswith("<<"):
        lines = shown.strip('"').splitlines()[1:]
        while lines and (not lines[-1].strip() or lines[-1].strip().isupper()):
            lines.pop()
        return "\n".join(line.strip() for line in lines)
    return shown.removeprefix('"').removesuffix('"').replace('\\"', '"').replace("\\\\", "\\")


def _labelled(block: dict[str, Any], depth: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    labels = []
    for _ in range(depth):
        [(label, block)] = [(key, value) for key, value in block.items() if not key.startswith("__")]
        labels.append(label.strip('"'))
    return tuple(labels), {key: value for key, value in block.items() if not key.startswith("__")}
