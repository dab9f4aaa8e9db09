"""The commits that `verify` knows: those of the checkout, and those of its watched branches."""

from pathlib import Path

import pytest

from ml_assets.project.watch_home import find_watch_home
from ml_assets.proof.project_history import ProjectHistory
from ml_assets.signer.user_directories import MIRROR
from resources.git.mirror import open_mirror
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DvcProject:
    """A repository whose second commit was pushed after the clone was made."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tree = DvcProject(tmp_path / "pushed")
    tree.root.mkdir()
    tree.git("init", "--quiet", "--initial-branch=main")
    tree.write("train.py", "print(1)\n")
    tree.commit()
    tree.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    tree.write("train.py", "print(2)\n")
    tree.commit()
    return tree


def test_commit_of_a_watched_branch_need_not_be_in_the_checkout(
    pushed: DvcProject, tmp_path: Path
) -> None:
    clone, commit = tmp_path / "clone", pushed.git("rev-parse", "HEAD")
    elsewhere = "1" * 40
    assert ProjectHistory(clone).find_missing([commit]) == [commit]

    mirror = open_mirror(find_watch_home(clone) / MIRROR, str(pushed.root))
    mirror.fetch(("main",), "main")

    assert ProjectHistory(clone).find_missing([commit, elsewhere]) == [elsewhere]


def test_mirror_of_another_checkout_does_not_count(pushed: DvcProject, tmp_path: Path) -> None:
    commit = pushed.git("rev-parse", "HEAD")
    mirror = open_mirror(find_watch_home(tmp_path / "other" / "clone") / MIRROR, str(pushed.root))
    mirror.fetch(("main",), "main")

    assert ProjectHistory(tmp_path / "clone").find_missing([commit]) == [commit]


def test_damaged_mirror_holds_no_commit(pushed: DvcProject, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    known, unknown = pushed.git("rev-parse", "HEAD~1"), pushed.git("rev-parse", "HEAD")
    (find_watch_home(clone) / MIRROR).mkdir(parents=True)

    assert ProjectHistory(clone).find_missing([known, unknown]) == [unknown]
