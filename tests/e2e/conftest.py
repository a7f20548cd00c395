"""One sandbox for the session; the examples are applied once, by pytest-terraform."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from e2e.deployed import API_KEY, ROOT_MODULES, Applied, TwoInstances, variables
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


@dataclass(frozen=True)
class Applying:
    """Root modules on their way from the beginning, while the examples are applied and called."""

    two_instances: Future[TwoInstances]
    authorizers: Future[Applied]
    signed_clients: Future[Applied]


@pytest.fixture(scope="session", autouse=True)
def applying(sandbox: Sandbox) -> Iterator[Applying]:
    with ThreadPoolExecutor(3) as executor:
        yield Applying(
            executor.submit(apply_two_instances, sandbox),
            executor.submit(apply, sandbox, "authorizers"),
            executor.submit(apply, sandbox, "signed_clients"),
        )


@pytest.fixture(scope="session")
def two_instances(applying: Applying) -> TwoInstances:
    return applying.two_instances.result()


@pytest.fixture(scope="session")
def authorizers(applying: Applying) -> Applied:
    return applying.authorizers.result()


@pytest.fixture(scope="session")
def signed_clients(applying: Applying) -> Applied:
    return applying.signed_clients.result()


def apply(sandbox: Sandbox, name: str) -> Applied:
    directory = f"tests/e2e/terraform/{name}"
    workspace = sandbox.workspace()
    shutil.copytree(ROOT_MODULES / name, workspace.root / directory)
    workspace.init(directory)
    workspace.apply(directory, variables=variables(sandbox))
    return Applied(directory, workspace, workspace.output(directory))


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
