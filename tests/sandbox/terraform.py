"""Terraform against the sandbox: where its providers come from, and workspaces that never touch the
checkout.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

REGISTRY = "registry.terraform.io"
REGISTRY_SECONDS = 3.0
ARCHIVE_VERSION = "2.7.1"
AWS_VERSION = "5.100.0"
_PINNED = f"""terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{AWS_VERSION}"
    }}
  }}
}}
"""
COMMAND_SECONDS = 1200.0

SEARCH_DEPTH = 4
SEARCH_SECONDS = 15.0
_NOT_SEARCHED = frozenset(("proc", "sys", "dev", "run", "tmp", "boot", "lost+found", "node_modules", "site-packages"))

_COPIED = ("modules", "functions", "examples")
_LEFT_OUT = shutil.ignore_patterns(
    ".*_cache",
    ".build",
    ".git",
    ".hypothesis",
    ".terraform",
    ".terraform.lock.hcl",
    ".venv",
    ".venv-checkov",
    "*.pyc",
    "*.tfplan",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
    "__pycache__",
    "tf_resources.json",
)
# Settings of the host that would lead Terraform or a function somewhere else than to the sandbox.
_FOREIGN = ("AWS_", "TF_", "REVENIUM_", "PYTHONPATH")

Progress = Callable[[str], None]


class TerraformError(RuntimeError):
    """A Terraform command failed; the message has the command and everything it wrote to standard error."""


class Result(NamedTuple):
    """What a Terraform command printed to standard output, and its exit code."""

    output: str
    code: int


class MirrorNotFoundError(RuntimeError):
    """No registry and no folder with the aws provider; the message says where it was looked for."""


class Terraform:
    """Runs Terraform with the providers that can be had here.

    :param folder: existing folder for the generated configuration; the caller removes it
    :param settings: environment variables that point the aws provider at an endpoint
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = dict(settings)
        self._env: dict[str, str] | None = None

    def env(self) -> dict[str, str]:
        """The complete environment for a `terraform` process, also for one that somebody else starts.

        :raises MirrorNotFoundError: there is neither registry nor mirror
        """
        if self._env is None:
            self._env = clean_environment() | self._settings | self._provider_settings()
        return dict(self._env)

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        *,
        codes: Iterable[int] = (0,),
        progress: Progress | None = None,
        timeout: float = COMMAND_SECONDS,
    ) -> Result:
        """Run `terraform <arguments>`.

        :param codes: exit codes that are no error
        :param progress: called with each line of output as it comes
        :raises TerraformError: another exit code, or no end within `timeout` seconds
        """
        command = ["terraform", *arguments]
        process = subprocess.Popen(
            command, cwd=cwd, env=self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        out, err = _Reader(process.stdout, progress), _Reader(process.stderr, progress)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            ended = f"did not end within {timeout:.0f} s"
        else:
            ended = "" if process.returncode in codes else f"ended with code {process.returncode}"
        finally:
            # Providers are children of Terraform: none may outlive it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.join()
            err.join()
        if ended:
            message = f"in {cwd}: {shlex.join(command)}\n{ended}\n{err.text}"
            raise TerraformError(message if err.text.strip() else message + out.text[-4000:])
        return Result(out.text, process.returncode)

    def _provider_settings(self) -> dict[str, str]:
        settings = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TMPDIR": str(self._folder)}
        if registry_reachable():
            config = os.environ.get("TF_CLI_CONFIG_FILE")
            if config and Path(config).is_file():
                settings["TF_CLI_CONFIG_FILE"] = config
            # One download of each provider, however many folders are initialized.
            cache = Path(os.environ.get("TF_PLUGIN_CACHE_DIR") or self._folder / "plugin-cache")
            cache.mkdir(parents=True, exist_ok=True)
            return settings | {
                "TF_PLUGIN_CACHE_DIR": str(cache),
                "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "true",
            }
        platform = terraform_platform()
        mirror = find_mirror(platform)
        archive = f"{REGISTRY}/hashicorp/archive"
        if _has_provider(mirror, "hashicorp/archive", platform):
            blocks = [_mirror_block(mirror)]
        else:
            _say_stand_in()
            own = self._install_stand_in(platform)
            blocks = [_mirror_block(mirror, exclude=[archive]), _mirror_block(own, include=[archive])]
        file = self._folder / "cli.tfrc"
        file.write_text("provider_installation {\n" + "".join(blocks) + "}\n", encoding="utf-8")
        return settings | {"TF_CLI_CONFIG_FILE": str(file)}

    def _install_stand_in(self, platform: str) -> Path:
        mirror = self._folder / "mirror"
        place = mirror / REGISTRY / "hashicorp" / "archive" / ARCHIVE_VERSION / platform
        place.mkdir(parents=True, exist_ok=True)
        executable = place / f"terraform-provider-archive_v{ARCHIVE_VERSION}"
        script = Path(__file__).with_name("archive_provider.py")
        # The plugin library keeps a certificate in the home folder, where nothing may be left behind.
        executable.write_text(
            f"#!/bin/sh\nHOME={shlex.quote(str(self._folder))} "
            f'exec {shlex.quote(sys.executable)} -I {shlex.quote(str(script))} "$@"\n',
            encoding="utf-8",
        )
        executable.chmod(0o755)
        return mirror


class Workspace:
    """A copy of the repository's Terraform code and functions, to apply without dirtying the checkout.

    :param terraform: how to run it
    :param folder: does not exist yet; the caller removes it. Destroy what was applied before that.
    :param source: the repository
    :param progress: called with each line that Terraform prints
    """

    def __init__(self, terraform: Terraform, folder: Path, source: Path, progress: Progress | None = None) -> None:
        self.root = folder
        self._terraform = terraform
        self._progress = progress
        self._files = 0
        folder.mkdir(parents=True)
        for file in sorted(source.glob("*.tf")):
            shutil.copy2(file, folder)
        for name in _COPIED:
            if (source / name).is_dir():
                shutil.copytree(source / name, folder / name, ignore=_LEFT_OUT)

    def init(self, directory: str | Path = ".") -> None:
        """`terraform init` in a directory of the workspace, e.g. `examples/rest-api`.

        Where the registry is at hand the newest aws provider would come: an override keeps to the version that
        the emulator was tried with.
        """
        if registry_reachable():
            (self.root / directory / "sandbox_override.tf").write_text(_PINNED, encoding="utf-8")
        self._run(directory, "init")

    def validate(self, directory: str | Path = ".") -> None:
        """`terraform validate`."""
        self._run(directory, "validate", asks=False)

    def plan(
        self,
        directory: str | Path = ".",
        *,
        out: str | Path | None = None,
        variables: Mapping[str, Any] | None = None,
        destroy: bool = False,
        options: Sequence[str] = (),
    ) -> bool:
        """`terraform plan`.

        :param out: file for the plan, relative to the directory
        :return: whether the plan changes something
        """
        arguments = ["-detailed-exitcode", *options]
        arguments += [f"-out={out}"] if out else []
        arguments += ["-destroy"] if destroy else []
        return self._run(directory, "plan", *arguments, variables=variables, codes=(0, 2)).code == 2

    def apply(
        self,
        directory: str | Path = ".",
        *,
        plan: str | Path | None = None,
        variables: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """`terraform apply`, of a saved plan or without asking."""
        target = [str(plan)] if plan else ["-auto-approve"]
        self._run(directory, "apply", *options, *target, variables=variables)

    def destroy(self, directory: str | Path = ".", *, variables: Mapping[str, Any] | None = None) -> None:
        """`terraform destroy`, without asking."""
        self._run(directory, "destroy", "-auto-approve", variables=variables)

    def state(self, directory: str | Path, *arguments: str) -> None:
        """`terraform state`, such as `mv` of one address to another."""
        self._terraform.run(["state", *arguments], self.root / directory)

    def show_json(self, directory: str | Path = ".", plan: str | Path | None = None) -> dict[str, Any]:
        """`terraform show -json` of a saved plan, or of the state."""
        target = [str(plan)] if plan else []
        result = self._terraform.run(["show", "-json", "-no-color", *target], self.root / directory)
        shown: dict[str, Any] = json.loads(result.output)
        return shown

    def output(self, directory: str | Path = ".") -> dict[str, Any]:
        """The outputs' values by name."""
        result = self._terraform.run(["output", "-json", "-no-color"], self.root / directory)
        return {name: output["value"] for name, output in json.loads(result.output).items()}

    def _run(
        self,
        directory: str | Path,
        command: str,
        *arguments: str,
        variables: Mapping[str, Any] | None = None,
        codes: Iterable[int] = (0,),
        asks: bool = True,
    ) -> Result:
        given = [command, "-no-color", *(["-input=false"] if asks else [])]
        file = None
        if variables:
            self._files += 1
            file = self.root / f".variables-{self._files}.tfvars.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(dict(variables)), encoding="utf-8")
            given.append(f"-var-file={file}")
        try:
            return self._terraform.run(
                [*given, *arguments], self.root / directory, codes=codes, progress=self._progress
            )
        finally:
            if file:
                file.unlink()


def _mirror_block(folder: Path, **rules: list[str]) -> str:
    lines = [f"    {name} = {json.dumps(value)}\n" for name, value in {"path": str(folder), **rules}.items()]
    return "  filesystem_mirror {\n" + "".join(lines) + "  }\n"


class _Reader(threading.Thread):
    """Collects a stream's lines while the process runs."""

    def __init__(self, stream: IO[str], progress: Progress | None) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._progress = progress
        self._lines: list[str] = []
        self.start()

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                self._lines.append(line)
                if self._progress:
                    self._progress(line.rstrip("\n"))

    @property
    def text(self) -> str:
        """Everything read."""
        return "".join(self._lines)


def clean_environment() -> dict[str, str]:
    """The host's environment without what would lead elsewhere than to the sandbox, and no proxy for
    loopback.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1", "localhost")))
    return kept


@functools.cache
def registry_reachable() -> bool:
    """Whether Terraform's registry answers. Asked once per process; `SANDBOX_OFFLINE=1` answers no."""
    if os.environ.get("SANDBOX_OFFLINE") == "1":
        return False
    try:
        with urllib.request.urlopen(f"https://{REGISTRY}/.well-known/terraform.json", timeout=REGISTRY_SECONDS):
            return True
    except (OSError, urllib.error.URLError):
        return False


@functools.cache
def terraform_platform() -> str:
    """Terraform's name of this platform, e.g. `linux_amd64`.

    :raises TerraformError: there is no `terraform` on the PATH
    """
    try:
        found = subprocess.run(["terraform", "version", "-json"], capture_output=True, check=True, timeout=60)
    except FileNotFoundError:
        raise TerraformError("there is no terraform on the PATH: install Terraform 1.11 or newer") from None
    return str(json.loads(found.stdout)["platform"])


@functools.cache
def _say_stand_in() -> None:
    print(
        f"sandbox: {REGISTRY} cannot be reached, so a stand-in serves hashicorp/archive's archive_file",
        file=sys.stderr,
        flush=True,
    )


def find_mirror(
    platform: str,
    *,
    environment: Mapping[str, str] | None = None,
    search: Path = Path("/"),
) -> Path:
    """The folder of a filesystem mirror that has the aws provider for this platform.

    Looks into `TERRAFORM_PROVIDER_MIRROR`, Terraform's implied mirror folders, then below `search`.

    :param environment: instead of the process's own
    :param search: below it every folder down to `SEARCH_DEPTH` is looked at
    :raises MirrorNotFoundError: there is none; says where it was looked for
    """
    variables = os.environ if environment is None else environment
    named = variables.get("TERRAFORM_PROVIDER_MIRROR")
    looked = []
    for candidate in [Path(named)] if named else _implied_mirrors(variables):
        looked.append(str(candidate))
        if _has_provider(candidate, "hashicorp/aws", platform):
            return candidate
    if not named:
        looked.append(f"{search} and {SEARCH_DEPTH} levels below it")
        if (found := _search(search, platform)) is not None:
            return found
    raise MirrorNotFoundError(
        f"{REGISTRY} cannot be reached, and no provider mirror has hashicorp/aws for {platform}. A mirror "
        f"holds {REGISTRY}/hashicorp/aws/<version>/{platform}/. Looked in: {'; '.join(looked)}. Set "
        "TERRAFORM_PROVIDER_MIRROR to a mirror made by `terraform providers mirror`, with its zips unpacked."
    )


def _implied_mirrors(variables: Mapping[str, str]) -> list[Path]:
    home = variables.get("HOME", "")
    data = [variables.get("XDG_DATA_HOME") or (f"{home}/.local/share" if home else "")]
    data += (variables.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    folders = [Path(home) / ".terraform.d" / "plugins"] if home else []
    folders += [Path(folder) / "terraform" / "plugins" for folder in data if folder]
    folders += [Path("/usr/local/share/terraform/plugins"), Path("/usr/share/terraform/plugins")]
    return list(dict.fromkeys(folders))


def _has_provider(mirror: Path, source: str, platform: str) -> bool:
    folder = mirror / REGISTRY / source
    name = source.split("/")[1]
    with contextlib.suppress(OSError):
        return any(folder.glob(f"*/{platform}/terraform-provider-{name}*"))
    return False


def _search(top: Path, platform: str) -> Path | None:
    """Breadth first, without links and other file systems' special folders, for a bounded time."""
    deadline = time.monotonic() + SEARCH_SECONDS
    level = [top]
    for _ in range(SEARCH_DEPTH):
        below: list[Path] = []
        for folder in level:
            if time.monotonic() > deadline:
                return None
            try:
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
            except OSError:
                continue
            if REGISTRY in names and _has_provider(folder, "hashicorp/aws", platform):
                return folder
            below += [folder / name for name in names if name not in _NOT_SEARCHED]
        level = below
    return None
