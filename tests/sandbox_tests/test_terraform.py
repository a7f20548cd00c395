"""Where providers come from, what a workspace holds, and the stand-in provider under the real Terraform."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sandbox import terraform
from sandbox.terraform import MirrorNotFoundError, Terraform, TerraformError, Workspace, find_mirror

PLATFORM = "plan9_mips"


def provider(mirror: Path, platform: str = PLATFORM) -> Path:
    folder = mirror / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0" / platform
    folder.mkdir(parents=True)
    (folder / "terraform-provider-aws_v5.100.0_x5").touch()
    return mirror


def test_the_named_mirror_is_the_only_one_looked_at(tmp_path: Path) -> None:
    named = provider(tmp_path / "named")
    found = find_mirror(PLATFORM, environment={"TERRAFORM_PROVIDER_MIRROR": str(named)}, search=tmp_path)
    assert found == named
    provider(tmp_path / "other")
    with pytest.raises(MirrorNotFoundError, match=r"Looked in: .*nowhere\. Set TERRAFORM_PROVIDER_MIRROR"):
        find_mirror(PLATFORM, environment={"TERRAFORM_PROVIDER_MIRROR": str(tmp_path / "nowhere")}, search=tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("HOME", "", ".terraform.d/plugins"),
        ("HOME", "", ".local/share/terraform/plugins"),
        ("XDG_DATA_HOME", "", "terraform/plugins"),
        ("XDG_DATA_DIRS", "/nowhere:", "terraform/plugins"),
    ],
)
def test_implied_mirrors(tmp_path: Path, variable: str, value: str, place: str) -> None:
    mirror = provider(tmp_path / place)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert find_mirror(PLATFORM, environment={variable: value + str(tmp_path)}, search=empty) == mirror


def test_search(tmp_path: Path) -> None:
    provider(tmp_path / "a" / "wrong", platform="other_arch")
    provider(tmp_path / "proc" / "x")
    provider(tmp_path / "tmp")
    (tmp_path / "link").symlink_to(tmp_path / "proc" / "x")
    provider(tmp_path / "1" / "2" / "3" / "4" / "5")
    with pytest.raises(MirrorNotFoundError, match="4 levels below"):
        find_mirror(PLATFORM, environment={}, search=tmp_path)
    mirror = provider(tmp_path / "opt" / "some" / "plugins")
    assert find_mirror(PLATFORM, environment={}, search=tmp_path) == mirror


def test_offline_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    assert terraform.registry_reachable.__wrapped__() is False


def test_a_workspace_leaves_out_what_is_not_source(tmp_path: Path) -> None:
    source = tmp_path / "repository"
    kept = ("main.tf", "modules/m/main.tf", "functions/f/h.py", "examples/e/main.tf")
    dropped = (
        ".git/config",
        "README.md",
        "examples/e/.terraform.lock.hcl",
        "examples/e/terraform.tfstate.backup",
        "functions/.mypy_cache/x",
        "functions/f/__pycache__/h.pyc",
        "modules/m/.terraform/x",
        "terraform.tfstate",
        "tests/t.py",
    )
    for name in (*kept, *dropped):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    workspace = Workspace(Terraform(tmp_path, {}), tmp_path / "copy", source)
    copied = [p.relative_to(workspace.root).as_posix() for p in workspace.root.rglob("*") if p.is_file()]
    assert sorted(copied) == sorted(kept)


def test_foreign_settings_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "TF_VAR_x", "TF_DATA_DIR", "REVENIUM_API_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "host")
    environment = terraform.clean_environment()
    assert "host" not in environment.values()
    assert "127.0.0.1" in environment["NO_PROXY"]


ROOT = """
terraform {
  required_providers {
    archive = { source = "hashicorp/archive", version = ">= 2.6, < 3.0" }
  }
}
variable "folder" { default = null }
data "archive_file" "this" {
  type        = "zip"
  output_path = "${path.module}/out/x.zip"
  source_dir  = var.folder
  dynamic "source" {
    for_each = var.folder == null ? { "b.py" = "b", "a.py" = "a" } : {}
    content {
      filename = source.key
      content  = source.value
    }
  }
}
output "hash" { value = data.archive_file.this.output_base64sha256 }
output "size" { value = data.archive_file.this.output_size }
"""


def test_archive_file_under_terraform(tmp_path: Path) -> None:
    source = tmp_path / "repository"
    source.mkdir()
    (source / "main.tf").write_text(ROOT)
    lines: list[str] = []
    workspace = Workspace(Terraform(tmp_path, {}), tmp_path / "copy", source, lines.append)
    workspace.init()
    assert workspace.plan(out="p")
    workspace.apply(plan="p")
    file = workspace.root / "out" / "x.zip"
    assert zipfile.ZipFile(file).namelist() == ["a.py", "b.py"]
    assert workspace.output()["size"] == file.stat().st_size
    assert workspace.plan() is False
    assert any("Apply complete" in line for line in lines)
    with pytest.raises(TerraformError, match=r"terraform plan[^$]*could not archive missing directory: nowhere"):
        workspace.plan(variables={"folder": "nowhere"})
