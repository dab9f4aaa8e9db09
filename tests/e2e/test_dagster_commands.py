"""Dagster's own commands on a repository: `dagster dev` and `dagster asset materialize`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .sample import Sample, copy_sample
from .server import Server, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
_LOCATIONS = """
{
  workspaceOrError {
    ... on Workspace { locationEntries { locationOrLoadError { __typename } } }
  }
}
"""


@pytest.fixture
def sample(template: Sample, tmp_path: Path) -> Sample:
    """A repository of its own, which Dagster has never seen."""
    return copy_sample(template, tmp_path / "project")


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    """A user's own DAGSTER_HOME."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    return home


def test_dagster_dev_serves_the_workspace(
    sample: Sample, dagster_home: Path, tmp_path: Path
) -> None:
    """`dagster dev -w workspace.yaml` lists the repository's assets."""
    shutil.copy(ROOT / "workspace.yaml", tmp_path)
    port = free_port()
    with Server(
        ["dagster", "dev", "--workspace", "workspace.yaml", "--port", str(port)],
        port,
        environment={
            **sample.environment,
            "DAGSTER_HOME": str(dagster_home),
            "ML_ASSETS_PROJECT": str(sample.root),
        },
        directory=tmp_path,
        log=tmp_path / "server.log",
        announces=False,
    ) as server:
        assert set(server.assets()) == {
            "main/data/measurements.csv",
            "main/models/best.json",
            "main/models/cubic.json",
            "main/models/linear.json",
            "main/reports/announcement.txt",
            "main/reports/card.md",
            "main/reports/metrics.json",
            "main/reports/roc.csv",
            "main/source",
        }
        entries = server.query(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        assert [entry["locationOrLoadError"]["__typename"] for entry in entries] == [
            "RepositoryLocation"
        ]


def test_dagster_asset_materialize_runs_what_its_selection_means(
    sample: Sample, dagster_home: Path
) -> None:
    """The command runs one stale stage in the repository that it is started in."""
    sample.edit("params.yaml", "scale: 1.0", "scale: 3.0")
    before = sample.read("models/linear.json")
    finished = sample.run(
        *("dagster", "asset", "materialize"),
        *("--select", 'key:"main/models/linear.json"', "-m", "ml_assets.definitions"),
        extra={"DAGSTER_HOME": str(dagster_home)},
    )
    assert finished.code == 0, finished
    assert sample.ran() == ["train@linear"]
    assert sample.read("models/linear.json") != before
    assert sample.dvc_status("train@linear") == {}
    assert "[train@linear] fitting linear to 200 rows" in finished.stdout


def test_dagster_asset_materialize_fails_where_a_stage_fails(
    sample: Sample, dagster_home: Path
) -> None:
    """Its exit code is not 0, and it says why."""
    sample.edit("params.yaml", "fail: false", "fail: true")
    finished = sample.run(
        *("dagster", "asset", "materialize"),
        *("--select", 'key:"main/reports/card.md"+', "-m", "ml_assets.definitions"),
        extra={"DAGSTER_HOME": str(dagster_home)},
    )
    assert finished.code != 0
    assert sample.ran() == ["publish"]
    assert "publish: command exited with 1" in finished.stdout + finished.stderr
