"""The README says what the HCL and the Makefile say."""

import re

import pytest

from hcl.source import ROOT
from hcl.tables import README, with_tables

MARKDOWN = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not {".venv", ".venv-checkov", ".terraform", ".pytest_cache"} & set(path.parts)
]


def test_the_tables_are_those_of_the_hcl() -> None:
    readme = README.read_text(encoding="utf-8")
    assert with_tables(readme, ROOT) == readme, "`make docs` writes them"


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_linked_is_there(path: object) -> None:
    from pathlib import Path

    assert isinstance(path, Path)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text()))
    for path in MARKDOWN:
        named = set(re.findall(r"\bmake ([a-z0-9-]+)\b", " ".join(re.findall(r"`[^`]*`", path.read_text()))))
        assert named <= targets, f"{path.name} names {named - targets}"
