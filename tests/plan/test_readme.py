"""The README's HCL is valid as it stands, next to resources like those that its reader has."""

import re
import shutil
from pathlib import Path

import pytest

from hcl.source import ROOT
from sandbox import Sandbox

HERE = Path(__file__).parent
BLOCKS = re.findall(r"```hcl\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
MODULE = BLOCKS[0]


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 6
    assert MODULE.startswith('module "revenium"')


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_a_block_of_the_readme_is_valid(block: str, sandbox: Sandbox) -> None:
    workspace = sandbox.workspace()
    folder = workspace.root / "tests" / "readme"
    folder.mkdir(parents=True)
    (folder / "given.tf").write_text((HERE / "readme_given.tf.txt").read_text())
    shutil.copy(ROOT / "examples" / "signed-clients" / "authenticate.py", folder)
    used = block if block.startswith('module "revenium"') else MODULE + "\n" + block
    local = re.sub(r'source  = "<namespace>/revenium-metering/aws"\n  version = "[^"]*"', 'source = "../.."', used)
    assert local != used
    (folder / "block.tf").write_text(local)
    workspace.init("tests/readme")
    workspace.validate("tests/readme")
