"""The README says what the HCL and the Makefile say."""

import re
from pathlib import Path

import pytest

from hcl.source import ROOT
from hcl.tables import DOCUMENTED, with_tables

MARKDOWN = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not {".venv", ".venv-checkov", ".terraform", ".pytest_cache"} & set(path.parts)
]


@pytest.mark.parametrize("folder", DOCUMENTED.values(), ids=DOCUMENTED)
def test_the_tables_are_those_of_the_hcl(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert with_tables(readme, folder) == readme, "`make docs` writes them"


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_linked_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text()))
    for path in MARKDOWN:
        named = set(re.findall(r"\bmake ([a-z0-9-]+)\b", " ".join(re.findall(r"`[^`]*`", path.read_text()))))
        assert named <= targets, f"{path.name} names {named - targets}"
