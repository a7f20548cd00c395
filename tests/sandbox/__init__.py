"""Stands in for AWS and for Revenium: everything on loopback, started and stopped by one context manager.

with Sandbox() as sandbox:
    workspace = sandbox.workspace()
    workspace.init("examples/rest-api")
    workspace.apply("examples/rest-api", variables={...})
    address = sandbox.gateway.locate(workspace.output("examples/rest-api")["invoke_url"])
    requests.get(address.url, headers=address.headers | {"clientId": "..."}, timeout=10)
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(lambda revenium: revenium.count() == 1)
    sandbox.check()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox.emulator import Emulator
from sandbox.gateway import Address, Gateway
from sandbox.revenium import Revenium, Transaction
from sandbox.terraform import Progress, Terraform, Workspace

__all__ = ["Address", "Emulator", "Gateway", "Revenium", "Sandbox", "Terraform", "Transaction", "Workspace"]

REPOSITORY = Path(__file__).resolve().parents[2]


class Sandbox:
    """The emulator with its gateway front, and Revenium.

    :param source: the repository whose code workspaces copy
    :param revenium_port: a fixed port for Revenium; 0 chooses a free one
    :param logging_role: whether the account has the role that REST and WebSocket stages need for access logs, as
        most accounts do
    """

    emulator: Emulator
    gateway: Gateway
    revenium: Revenium
    terraform: Terraform
    folder: Path

    def __init__(self, *, source: Path = REPOSITORY, revenium_port: int = 0, logging_role: bool = True) -> None:
        self._source = source
        self._logging_role = logging_role
        self._revenium_port = revenium_port
        self._cleanup = contextlib.ExitStack()
        self._workspaces = 0

    def __enter__(self) -> Sandbox:
        with contextlib.ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
            stack.callback(_remove, self.folder)
            self.revenium = Revenium(self._revenium_port)
            stack.callback(self.revenium.stop)
            self.revenium.start()
            self.emulator = Emulator(self.folder)
            stack.callback(self.emulator.stop)
            self.emulator.start()
            if self._logging_role:
                self._set_logging_role()
            self.gateway = Gateway(self.emulator)
            stack.callback(self.gateway.stop)
            self.gateway.start()
            self.terraform = Terraform(self.folder, self.emulator.settings())
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _set_logging_role(self) -> None:
        role = f"arn:aws:iam::{self.emulator.account}:role/api-gateway-writes-logs"
        self.client("apigateway").update_account(
            patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
        )

    @property
    def env(self) -> dict[str, str]:
        """The complete environment for processes that talk to the sandbox: Terraform, the AWS CLI, boto3."""
        return self.terraform.env()

    @contextlib.contextmanager
    def in_environment(self) -> Iterator[None]:
        """Make `env` this process's own environment for a while: for pytest-terraform and code under test."""
        before, inside = dict(os.environ), self.env
        os.environ.clear()
        os.environ.update(inside)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client as the account's administrator."""
        return self.emulator.client(service, **options)

    def workspace(self, progress: Progress | None = None) -> Workspace:
        """A new copy of the repository's Terraform code and functions."""
        self._workspaces += 1
        folder = self.folder / f"workspace-{self._workspaces}"
        return Workspace(self.terraform, folder, self._source, progress)

    def check(self) -> None:
        """Raise if an access log could not be written or a request broke Revenium's contract.

        :raises AssertionError: says what went wrong, with the end of the emulator's log
        """
        problems = []
        for part in (self.gateway.check, self.revenium.check):
            try:
                part()
            except (AssertionError, RuntimeError) as error:
                problems.append(str(error))
        if problems:
            raise AssertionError("\n".join([*problems, self.emulator.log_tail()]))


def _remove(folder: Path) -> None:
    # A function that is just ending can still write into its folder once.
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)
