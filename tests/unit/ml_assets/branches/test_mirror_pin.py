"""The mirror pin: a stage of one branch cannot choose the protected commit of all branches."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_assets.branches.mirror_pin import fetch_protected, find_mirrored
from ml_assets.branches.watch import Watch
from ml_assets.project.settings.watch import WatchSettings
from resources.errors import UnavailableError
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

MAIN = "refs/remotes/origin/main"


@pytest.fixture
def remote(tmp_path: Path) -> DvcProject:
    remote = DvcProject(tmp_path / "remote")
    remote.root.mkdir()
    remote.git("init", "--quiet", "--initial-branch=main")
    remote.write("policy", "strict")
    remote.commit()
    return remote


@pytest.fixture
def watch(tmp_path: Path, remote: DvcProject, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    home = tmp_path / "home"
    watch = Watch(str(remote.root), home, home / "state", home / "cache", WatchSettings())
    fetch_protected(watch)
    return watch


def found(watch: Watch) -> str | None:
    branch = find_mirrored(watch)
    return branch.commit if branch is not None else None


def move(watch: Watch) -> None:
    mirror = watch.mirror
    evil = mirror.write_commit(
        {"policy": b"lax"}, "x", mirror.read_author(tip(watch)), 1, tip(watch)
    )
    mirror.write_ref(MAIN, evil, tip(watch))


def tip(watch: Watch) -> str:
    commit = watch.mirror.read_ref(MAIN)
    assert commit is not None
    return commit


def move_and_forget(watch: Watch) -> None:
    move(watch)
    (watch.home / "protected").unlink()


def move_and_pin(watch: Watch) -> None:
    move(watch)
    (watch.home / "protected").write_text("0" * 64)


def redirect(watch: Watch) -> None:
    mirror = watch.mirror
    mirror.write_ref("refs/remotes/origin/evil", tip(watch), None)
    mirror._run("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/evil")
    move(watch)


def move_and_change_the_address(watch: Watch) -> None:
    move(watch)
    evil = DvcProject(watch.home.parent / "evil")
    evil.root.mkdir()
    evil.git("init", "--quiet", "--initial-branch=main")
    evil.commit()
    watch.mirror._run("config", "remote.origin.url", str(evil.root))
    watch.mirror._run("config", f"url.{evil.root}.insteadOf", watch.url)


@pytest.mark.parametrize(
    "attack", [move, move_and_forget, move_and_pin, redirect, move_and_change_the_address]
)
def test_moved_protected_branch_of_the_mirror_is_fetched_anew(
    watch: Watch, remote: DvcProject, attack: Callable[[Watch], None]
) -> None:
    head = remote.git("rev-parse", "HEAD")
    assert found(watch) == head
    attack(watch)
    assert found(watch) == head
    assert found(watch) == head


def test_pinned_commit_needs_no_network(watch: Watch, remote: DvcProject) -> None:
    head = remote.git("rev-parse", "HEAD")
    remote.root.rename(remote.root.with_name("away"))
    assert found(watch) == head
    move(watch)
    with pytest.raises(UnavailableError, match="cannot read the remote"):
        found(watch)


def test_pin_of_another_watch_does_not_count(watch: Watch, tmp_path: Path) -> None:
    home = tmp_path / "other"
    other = Watch(watch.url, home, home / "state", home / "cache", WatchSettings())
    fetch_protected(other)
    move(other)
    (other.home / "protected").write_bytes((watch.home / "protected").read_bytes())
    assert found(other) == found(watch)
