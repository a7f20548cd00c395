"""One sandbox for the session; the examples are applied once, by pytest-terraform."""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from e2e.deployed import API_KEY, ROOT_MODULES, TOKEN, Applied, TwoInstances, variables
from sandbox import Sandbox


@pytest.fixture(scope="session", autouse=True)
def sandbox() -> Iterator[Sandbox]:
    # pytest-terraform works in these folders; an earlier run's lock file names the providers of an earlier sandbox.
    for lock_file in ROOT_MODULES.glob("*/.terraform.lock.hcl"):
        lock_file.unlink()
    with Sandbox() as running:
        running.revenium.set_api_keys(API_KEY)
        with running.in_environment():
            os.environ.update({f"TF_VAR_{name}": value for name, value in variables(running).items()})
            yield running


@pytest.fixture(autouse=True)
def nothing_went_wrong_beside_the_test(sandbox: Sandbox) -> Iterator[None]:
    """Each test begins with a Revenium that behaves, and ends with access logs written and the contract kept."""
    sandbox.revenium.clear_faults()
    sandbox.revenium.entitle("acme")
    yield
    sandbox.revenium.clear_faults()
    sandbox.gateway.flush()
    sandbox.check()


class Backend(BaseHTTPRequestHandler):
    """Answers each GET. The emulator adds an HTTP API's path to the integration's URL, which AWS takes as it is."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def backend() -> Iterator[str]:
    """URL of a backend that is no function."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session", autouse=True)
def applying(sandbox: Sandbox, backend: str, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Any]]]:
    """What the tests of this run want applied beside the demo's examples, by the fixture's name, on its way at once."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(3) as executor:
        yield {
            name: executor.submit(make, sandbox, backend) for name, make in IN_THE_BACKGROUND.items() if name in wanted
        }


def in_the_background(name: str) -> Any:
    @pytest.fixture(scope="session", name=name)
    def applied(applying: dict[str, Future[Any]]) -> Any:
        return applying[name].result()

    return applied


two_instances = in_the_background("two_instances")
authorizers = in_the_background("authorizers")
signed_clients = in_the_background("signed_clients")
websocket = in_the_background("websocket")
multiple_apis = in_the_background("multiple_apis")
metering_only = in_the_background("metering_only")


def apply(sandbox: Sandbox, directory: str, **more: Any) -> Applied:
    workspace = sandbox.workspace()
    if not (workspace.root / directory).exists():
        shutil.copytree(ROOT_MODULES.parents[2] / directory, workspace.root / directory)
    given = variables(sandbox) | more
    workspace.init(directory)
    workspace.apply(directory, variables=given)
    return Applied(directory, workspace, workspace.output(directory), given)


def apply_two_instances(sandbox: Sandbox) -> TwoInstances:
    directory = "tests/e2e/terraform/two_instances"
    workspaces = []
    for _ in range(2):
        workspace = sandbox.workspace()
        shutil.copytree(ROOT_MODULES / "two_instances", workspace.root / directory)
        workspace.init(directory)
        workspaces.append(workspace)
    planned_in, applied_in = workspaces
    planned_in.plan(directory, out="saved.tfplan", variables=variables(sandbox))
    plan = applied_in.root / directory / "saved.tfplan"
    shutil.copy(planned_in.root / directory / "saved.tfplan", plan)
    # The first checkout is gone by the time the second job runs.
    shutil.rmtree(planned_in.root / "modules")
    shutil.rmtree(planned_in.root / "functions")
    applied_in.apply(directory, plan=plan.name, variables={"revenium_api_key": API_KEY})
    return TwoInstances(directory, planned_in, applied_in, applied_in.output(directory))


def apply_multiple_apis(sandbox: Sandbox, backend: str) -> Applied:
    apis = {
        "catalog": {"kind": "HTTP", "source_id": "source-of-catalog"},
        "invoices": {"kind": "REST"},
        "orders": {"kind": "REST", "source_id": "source-of-orders"},
    }
    return apply(
        sandbox,
        "examples/multiple-apis",
        apis={name: {**api, "backend_url": backend} for name, api in apis.items()},
    )


def apply_metering_only(sandbox: Sandbox, backend: str) -> Applied:
    return apply(
        sandbox,
        "examples/metering-only",
        backend_url=f"{backend}/products",
        clients={"acme": hashlib.sha256(TOKEN.encode()).hexdigest()},
    )


IN_THE_BACKGROUND: dict[str, Callable[[Sandbox, str], Any]] = {
    "two_instances": lambda sandbox, _: apply_two_instances(sandbox),
    "authorizers": lambda sandbox, _: apply(sandbox, "tests/e2e/terraform/authorizers"),
    "signed_clients": lambda sandbox, _: apply(sandbox, "examples/signed-clients"),
    "websocket": lambda sandbox, _: apply(sandbox, "examples/websocket"),
    "multiple_apis": apply_multiple_apis,
    "metering_only": apply_metering_only,
}
