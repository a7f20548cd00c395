"""The AWS emulator in a process of its own: start it, talk to it, stop it with everything it started."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "123456789012"
ACCESS_KEY_ID = "sandbox"
SECRET_ACCESS_KEY = "sandbox"

START_SECONDS = 60.0
STOP_SECONDS = 5.0
START_ATTEMPTS = 3


class EmulatorError(RuntimeError):
    """The emulator did not do what was asked; the message holds the end of its log."""


class Emulator:
    """One emulator on a free loopback port.

    :param folder: existing folder for its log, its events and the unpacked code of the functions. The caller
        removes it after `stop`.
    """

    region = REGION
    account = ACCOUNT

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._log = folder / "emulator.log"
        self._events = folder / "emulator-events.jsonl"
        self._empty = folder / "empty.ini"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL of the emulator, for clients of every service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id, which is the id of its process group too; None while stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and wait until it answers.

        :raises EmulatorError: it ended or did not answer within `START_SECONDS`
        """
        self._empty.touch()
        for attempt in range(1, START_ATTEMPTS + 1):
            self.port = free_port()
            self._launch()
            try:
                self._await_health()
                return
            except EmulatorError:
                self.stop()
                # Another process can take the free port between the choice and the bind.
                if attempt == START_ATTEMPTS or "already in use" not in self.log_tail():
                    raise

    def stop(self) -> None:
        """End the emulator and the functions' processes. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()

    def settings(self) -> dict[str, str]:
        """Environment variables that point Terraform's provider, boto3 and the AWS CLI at the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self._empty),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._empty),
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client as the account's administrator, whatever profile the host has.

        :param options: passed to boto3, e.g. `aws_access_key_id` to act as somebody else
        """
        nothing = (None, None, None, None)
        variables = {
            "profile": nothing,
            "config_file": (None, None, str(self._empty), None),
            "credentials_file": (None, None, str(self._empty), None),
        }
        session = boto3.Session(
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            region_name=REGION,
            botocore_session=botocore.session.Session(session_vars=variables),
        )
        config = Config(retries={"max_attempts": 2}, max_pool_connections=50, connect_timeout=5, read_timeout=60)
        return session.client(service, **{"endpoint_url": self.endpoint, "config": config, **options})

    def events(self) -> list[dict[str, Any]]:
        """What the emulator delivered or refused, oldest first.

        Each has `time` (epoch seconds), `outcome` (`delivered`, `refused`, `missing`, `error`), `caller`
        (`filter`, `put filter`, `authorizer`, `integration`), `function`, and `source` or `group` and
        `records`.
        """
        if not self._events.exists():
            return []
        lines = self._events.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def count(self, outcome: str, caller: str | None = None) -> int:
        """How many of the `events` had this outcome (and caller)."""
        return sum(e["outcome"] == outcome and caller in (None, e["caller"]) for e in self.events())

    def log_tail(self, lines: int = 40) -> str:
        """The end of the emulator's log, which holds the output of the functions too."""
        return log_tail(self._log, lines)

    def _launch(self) -> None:
        scratch = self.folder / "emulator-tmp"
        scratch.mkdir(exist_ok=True)
        # Nothing else of the host's environment: functions inherit the emulator's.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "1",
            "LOG_LEVEL": "INFO",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        script = Path(__file__).with_name("emulator_main.py")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(script), "--events", str(self._events)],
                env=environment,
                cwd=scratch,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_health(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (code := self._process.poll()) is not None:
                raise EmulatorError(f"the emulator ended with code {code} while starting\n{self.log_tail()}")
            if self._healthy():
                return
            time.sleep(0.05)
        raise EmulatorError(
            f"the emulator did not answer on {self.endpoint} within {START_SECONDS:.0f} s\n{self.log_tail()}"
        )

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    """A loopback TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def log_tail(path: Path, lines: int = 40) -> str:
    """The last lines of a log file, headed by a line that says so; empty if there is no file."""
    if not path.exists():
        return ""
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return f"--- last lines of {path.name}\n" + "\n".join(text)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
