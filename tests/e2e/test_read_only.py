"""`ml-assets ui --read-only`: a page to look at, for who may not start anything."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.integration.watch.pushed import make_pushed
from tests.integration.watch.service import Service, serve

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_SELECTOR = {
    "repositoryLocationName": "ml_assets.definitions",
    "repositoryName": "__repository__",
}
LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) { __typename }
}
"""
OTHERS = {
    "terminateRun": 'terminateRun(runId: "x")',
    "deleteRun": 'deleteRun(runId: "x")',
    "wipeAssets": 'wipeAssets(assetPartitionRanges: [{assetKey: {path: ["main", "data.txt"]}}])',
    "shutdownRepositoryLocation": (
        'shutdownRepositoryLocation(repositoryLocationName: "ml_assets.definitions")'
    ),
    "startSensor": (
        'startSensor(sensorSelector: {repositoryLocationName: "ml_assets.definitions",'
        ' repositoryName: "__repository__", sensorName: "branches"})'
    ),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that shows a repository of which nothing has run."""
    pushed = make_pushed(tmp_path_factory.mktemp("looked"), "[watch]\ninterval = 1\n")
    with serve(pushed, "--read-only") as service:
        yield service


def test_who_may_only_look_sees_the_graph(service: Service) -> None:
    """The assets of the branches are there."""
    assert {"main/source", "main/data.txt", "main/model.txt"} <= service.assets()


def test_run_is_not_launched_for_who_may_only_look(service: Service) -> None:
    """The web server refuses, and there is no run."""
    parameters = {
        "selector": {**_SELECTOR, "jobName": "reproduce_main"},
        "runConfigData": {},
        "mode": "default",
    }
    answer = service.query(LAUNCH, parameters=parameters)
    assert answer == {"launchRun": {"__typename": "UnauthorizedError"}}
    assert service.runs() == []


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_nothing_else_is_changed_by_who_may_only_look(service: Service, name: str) -> None:
    """Each of what an operator can do is refused."""
    answer = service.query(f"mutation {{ {OTHERS[name]} {{ __typename }} }}")
    assert answer == {name: {"__typename": "UnauthorizedError"}}


def test_server_listens_on_the_loopback_interface_only(service: Service) -> None:
    """Whatever its processes listen at, nobody reaches it from another machine."""
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in service.family()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", service.port) in listening
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}


def test_no_daemon_runs_beside_a_page_that_is_only_looked_at(service: Service) -> None:
    """Two daemons would both want the commits: who only looks starts none."""
    assert service.find("dagster", "daemon") == []
