"""The project's instance: where Dagster keeps its memory, and with which settings."""

import os
from pathlib import Path

import dagster as dg
import pytest

from ml_assets.orchestration.instance.event_log import PooledSqliteEventLogStorage
from ml_assets.orchestration.instance.home import use_instance
from ml_assets.project.project import Project


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget afterwards what the tests put into the environment."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")


def open_project(directory: Path) -> Project:
    (directory / ".dvc").mkdir(parents=True)
    return Project(directory)


def test_memory_lies_in_the_local_state_and_tells_nobody(tmp_path: Path) -> None:
    project = open_project(tmp_path / "project")

    home = use_instance(project)

    assert home == project.state / "dagster"
    with dg.DagsterInstance.get() as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["project"]
    assert [path.name for path in project.root.iterdir() if path.name != ".dvc"] == [".ml-assets"]


@pytest.mark.parametrize(
    "name",
    ["a b", "{a}", "'a\"", "- a", "&a", "100%", "ü", "a #b", "a: b", "😀", "a\nb", "\x7f", "a\\b"],
)
def test_memory_of_a_project_with_an_odd_name_lies_in_its_local_state(
    tmp_path: Path, name: str
) -> None:
    project = open_project(tmp_path / name / "x")

    use_instance(project)

    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert list((project.state / "dagster" / "storage").rglob("*.db"))


def test_home_that_the_user_has_set_wins_and_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    project = open_project(tmp_path / "project")

    assert use_instance(project) == home
    assert os.environ["DAGSTER_HOME"] == str(home)
    assert list(home.iterdir()) == []
    assert not project.state.exists()


def test_settings_of_ours_that_were_edited_are_written_anew(tmp_path: Path) -> None:
    project = open_project(tmp_path / "project")
    file = use_instance(project) / "dagster.yaml"
    written = file.read_bytes()
    file.write_text("telemetry: {enabled: true}\n")
    del os.environ["DAGSTER_HOME"]

    use_instance(project)

    assert file.read_bytes() == written
