"""Fixtures of the tests with Dagster: a small flow, made once and copied, and its instance."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.integration.dagster.asset_flow import Flow, build_flow
from tests.unit.resources.dvc_project import DvcProject, create_project


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration directory of each test's own: the user's secret is none of its business."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path / "configuration"


@pytest.fixture(scope="session")
def flow_template(tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """The flow as it is committed, with nothing run yet; only ever copied."""
    project = create_project(tmp_path_factory.mktemp("flow") / "project")
    build_flow(project)
    return project


@pytest.fixture
def repository(flow_template: DvcProject, tmp_path: Path) -> DvcProject:
    """A copy of the flow in which nothing has run."""
    return flow_template.copy(tmp_path / "project")


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's memory for one test."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def flow(repository: DvcProject, instance: dg.DagsterInstance) -> Flow:
    """The flow with nothing run, and a storage that knows nothing."""
    return Flow(repository, instance)
