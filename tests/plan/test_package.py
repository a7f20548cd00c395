"""The zips: our own code, and the same bytes wherever and however they are built.

Built here with the stand-in where the registry cannot be reached; hashicorp/archive fixes times and modes alike.
"""

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

from sandbox import Sandbox, Workspace

HERE = Path(__file__).parent
DIRECTORY = "tests/plan/terraform/given_secret"
MODULES = ("metering", "authorizer")


def build(workspace: Workspace) -> dict[str, Path]:
    """Has Terraform write the zips, and nothing else; the paths by module."""
    workspace.init(DIRECTORY)
    packages = [f"module.revenium.module.{module}[0].module.function.data.archive_file.package" for module in MODULES]
    workspace.apply(DIRECTORY, options=[f"-target={package}" for package in packages])
    built = workspace.root / "modules" / "function" / ".build"
    return {module: next(built.glob(f"*-{module}.zip")) for module in MODULES}


def disturb(functions: Path) -> None:
    """The same sources as another checkout may have them: made in another order, with other modes, and used."""
    contents = {path.relative_to(functions): path.read_bytes() for path in functions.rglob("*.py")}
    shutil.rmtree(functions)
    for path in sorted(contents, reverse=True):
        (functions / path).parent.mkdir(parents=True, exist_ok=True)
        (functions / path).write_bytes(contents[path])
        (functions / path).chmod(0o700)
    for package in ("metering", "revenium"):
        (functions / package / "__pycache__").mkdir()
        (functions / package / "__pycache__" / "handler.cpython-312.pyc").write_bytes(b"stray")
        (functions / package / "handler.py~").write_text("stray")


def test_a_second_build_elsewhere_gives_the_same_bytes_and_nothing_but_our_code(
    sandbox: Sandbox,
) -> None:
    first, second = sandbox.workspace(), sandbox.workspace()
    for workspace in (first, second):
        shutil.copytree(HERE / "terraform", workspace.root / "tests" / "plan" / "terraform")
    built = build(first)
    disturb(second.root / "functions")
    umask = os.umask(0o077)
    try:
        built_again = build(second)
    finally:
        os.umask(umask)
    for module in MODULES:
        with zipfile.ZipFile(built[module]) as archive:
            names = set(archive.namelist())
        functions = first.root / "functions"
        assert names == {
            str(path.relative_to(functions))
            for part in (module, "revenium")
            for path in (functions / part).rglob("*.py")
        }
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (built[module], built_again[module])]
        assert digests[0] == digests[1]


def test_a_hook_lies_at_the_root_of_the_zip_and_a_change_of_it_is_taken_up(sandbox: Sandbox) -> None:
    workspace = sandbox.workspace()
    shutil.copytree(HERE / "terraform", workspace.root / "tests" / "plan" / "terraform")
    directory = "tests/plan/terraform/authorizer_variants"
    workspace.init(directory)
    hook = workspace.root / "examples" / "signed-clients" / "authenticate.py"
    module = 'module.variant["hook"].module.authorizer[0].module.function'
    hashes = set()
    for source in (hook.read_text(), hook.read_text() + "# another\n"):
        hook.write_text(source)
        workspace.apply(directory, options=[f"-target={module}.data.archive_file.package"])
        [package] = (workspace.root / "modules" / "function" / ".build").glob("*hook-authorizer.zip")
        with zipfile.ZipFile(package) as archive:
            assert archive.read("authenticate.py").decode() == source
            assert "authorizer/handler.py" in archive.namelist()
        shown = workspace.show_json(directory)["values"]["root_module"]
        [triggers] = [
            resource["values"]["triggers_replace"]
            for variant in shown["child_modules"]
            for part in variant["child_modules"]
            for function in part["child_modules"]
            for resource in function["resources"]
            if resource["address"] == f"{module}.terraform_data.package"
        ]
        hashes.add(triggers[1])
    assert len(hashes) == 2, "without it in the hash the zip is written at plan, and a saved plan has none elsewhere"
