"""Projects: which one a directory lies in, its branch, and its local state."""

import os
from pathlib import Path

import pytest

from ml_assets.project.project import Project, find_project
from resources.errors import ConfigurationError
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process


def test_project_is_the_nearest_directory_upwards_that_holds_dvc(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "inner" / ".dvc").mkdir(parents=True)
    (tmp_path / "inner" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "beside").mkdir()

    assert find_project(tmp_path) == Project(tmp_path)
    assert find_project(tmp_path / "beside") == Project(tmp_path)
    assert find_project(tmp_path / "inner" / "deep" / "er") == Project(tmp_path / "inner")


def test_directory_that_is_given_wins_over_the_environment_and_that_over_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "named", "current"):
        (tmp_path / name / ".dvc").mkdir(parents=True)
    monkeypatch.delenv("ML_ASSETS_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path / "current")

    assert find_project() == Project(tmp_path / "current")
    monkeypatch.setenv("ML_ASSETS_PROJECT", str(tmp_path / "named"))
    assert find_project() == Project(tmp_path / "named")
    assert find_project(tmp_path / "given") == Project(tmp_path / "given")


def test_relative_directory_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project" / ".dvc").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")

    assert find_project(Path("../project")) == Project(tmp_path / "project")


def test_outside_of_any_project_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"not in a DVC repository: {tmp_path}") as error:
        find_project(tmp_path)

    assert "dvc init" in error.value.hint and "--project" in error.value.hint


def test_file_named_like_the_directory_of_dvc_makes_no_project(tmp_path: Path) -> None:
    (tmp_path / ".dvc").write_text("")

    with pytest.raises(ConfigurationError, match="not in a DVC repository"):
        find_project(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_directory_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match=f"no such directory: .*/{name}"):
        find_project(tmp_path / name)


def test_branch_names_the_assets(repository: DvcProject) -> None:
    assert Project(repository.root).branch == "main"

    repository.git("checkout", "--quiet", "-b", "feature/x")
    assert Project(repository.root).branch == "feature/x"

    repository.git("checkout", "--quiet", "--detach")
    assert Project(repository.root).branch == "detached"


def test_outside_of_git_a_project_stands_nowhere(tmp_path: Path) -> None:
    head = Project(tmp_path).head

    assert (head.commit, head.branch) == (None, None)
    assert Project(tmp_path).branch == "detached"


def test_local_state_is_not_seen_by_git(repository: DvcProject) -> None:
    project = Project(repository.root)
    before = repository.git("status", "--porcelain")

    state = project.make_state()
    (state / "anything").write_text("x")

    assert state == repository.root / ".ml-assets" / "state"
    assert repository.git("status", "--porcelain") == before == ""
    assert Project(repository.root).dirty is False


def test_making_the_state_twice_changes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    marker = project.make_state() / ".gitignore"
    marker.write_text("by hand\n")

    project.make_state()

    assert marker.read_text() == "by hand\n"


def test_state_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / ".ml-assets").write_text("in the way")

    with pytest.raises(ConfigurationError, match="cannot write: .*/.ml-assets/state: .") as error:
        Project(tmp_path).make_state()

    assert error.value.hint


def test_checkout_judges_the_stages_of_the_working_tree(repository: DvcProject) -> None:
    repository.stages({"one": {"cmd": "echo 1 > one.txt", "outs": ["one.txt"]}})

    checkout = Project(repository.root).open_checkout()

    assert [stage.name for stage in checkout.manifest.stages] == ["one"]
    assert checkout.commit is None
    assert checkout.root == repository.root


def test_commit_is_judged_without_a_checkout(repository: DvcProject) -> None:
    repository.stages({"one": {"cmd": "echo 1 > one.txt", "outs": ["one.txt"]}})
    commit = repository.commit()
    repository.stages({"two": {"cmd": "echo 2 > two.txt", "outs": ["two.txt"]}})

    view = Project(repository.root).view_commit("HEAD")

    assert view.commit == commit
    assert [stage.name for stage in view.manifest.stages] == ["one"]
    assert view.parse("dvc.yaml")["stages"].keys() == {"one"}
    assert not os.path.exists(repository.root / "one.txt")
    with pytest.raises(ConfigurationError, match="not a commit: nowhere"):
        Project(repository.root).view_commit("nowhere")
