"""The record: what Dagster's storage was told, kept inside that storage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ml_assets.orchestration.known_states import KnownStates
from ml_assets.project.project import Project
from tests.file_version import read_version


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_only_what_was_told_is_known(project: Project) -> None:
    record = KnownStates(project)
    assert not record.knows("main/a", "1")

    record.add({"main/a": "1", "main/b": "2"})

    for again in (record, KnownStates(project)):
        assert again.knows("main/a", "1")
        assert not again.knows("main/a", "2")
        assert not again.knows("main/c", "1")


def test_later_versions_replace_earlier_ones_and_leave_the_others(project: Project) -> None:
    KnownStates(project).add({"main/a": "1", "main/b": "2"})
    KnownStates(project).add({"main/a": "3"})

    record = KnownStates(project)
    assert record.knows("main/a", "3") and record.knows("main/b", "2")
    assert not record.knows("main/a", "1")


def test_what_somebody_else_may_have_changed_is_unknown_again(project: Project) -> None:
    early = KnownStates(project)
    early.add({"main/a": "1", "main/b": "2"})

    KnownStates(project).forget({"main/a", "main/c"})

    early.add({"main/d": "4"})  # what it read before is not written back
    for record in (early, KnownStates(project)):
        assert not record.knows("main/a", "1")
        assert record.knows("main/b", "2") and record.knows("main/d", "4")


@pytest.mark.process
def test_many_processes_lose_nothing_of_each_other(project: Project) -> None:
    code = (
        "import sys; from pathlib import Path; from ml_assets.project.project import Project\n"
        "from ml_assets.orchestration.known_states import KnownStates as Known\n"
        "for n in range(40): Known(Project(Path(sys.argv[1]))).add({f'{sys.argv[2]}/{n}': '1'})"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(project.root), name]) for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]

    record = KnownStates(project)
    assert all(record.knows(f"{name}/{n}", "1") for name in "abc" for n in range(40))


def test_nothing_new_writes_nothing(project: Project) -> None:
    record = KnownStates(project)
    record.add({})
    assert files(project.root) == []

    record.add({"main/a": "1"})
    (file,) = files(project.root)
    before = read_version(file)
    KnownStates(project).add({"main/a": "1"})
    assert read_version(file) == before


def test_record_goes_when_the_storage_goes(project: Project) -> None:
    KnownStates(project).add({"main/a": "1"})

    (file,) = files(project.root)

    assert file.is_relative_to(project.state / "dagster")


def test_record_lies_in_the_storage_that_is_used(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KnownStates(project).add({"main/a": "1"})
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))

    assert not KnownStates(project).knows("main/a", "1")
    KnownStates(project).add({"main/a": "2"})
    assert len(files(tmp_path / "home")) == 1
    assert KnownStates(project).knows("main/a", "2")


def test_projects_in_one_storage_do_not_share_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))

    KnownStates(Project(tmp_path / "one")).add({"main/a": "1"})

    assert not KnownStates(Project(tmp_path / "other")).knows("main/a", "1")


def test_projects_with_similar_paths_do_not_share_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))

    KnownStates(Project(tmp_path / "a" / "b")).add({"main/a": "1"})

    assert not KnownStates(Project(tmp_path / "a_b")).knows("main/a", "1")


def test_project_deep_down_has_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    project = Project(tmp_path / "/".join(["d" * 60] * 5))

    KnownStates(project).add({"main/a": "1"})

    assert KnownStates(project).knows("main/a", "1")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\0"])
def test_broken_record_knows_nothing_and_is_written_anew(project: Project, text: str) -> None:
    KnownStates(project).add({"main/a": "1"})
    (file,) = files(project.root)
    file.write_text(text)

    assert not KnownStates(project).knows("main/a", "1")
    KnownStates(project).add({"main/a": "1"})

    assert json.loads(file.read_text()) == {"main/a": "1"}
