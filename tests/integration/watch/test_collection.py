"""What runs leave behind goes by age and size: nothing in use, no statement and no data."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ml_assets.branches.cleanup import Collector
from ml_assets.branches.passed_commit import mark_passed
from ml_assets.branches.run_claim import claim
from ml_assets.branches.watch import SHOWN, Watch, watch_project
from ml_assets.project.project import Project
from resources.dvc.lock.repository_lock import hold_repository
from resources.stores import digest_store
from resources.stores.digest_store import DigestStore
from resources.stores.seal import seal_with

from .pushed import Pushed, make_pushed

DAY = 86400.0
NOW = time.time()


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pushed:
    """A repository with six commits."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    pushed = make_pushed(tmp_path, "")
    for number in range(5):
        pushed.push("main", {"depth.txt": f"{number}\n"})
    return pushed


@pytest.fixture
def watch(pushed: Pushed) -> Watch:
    """The watch over it, with a worktree for each commit, none used for 30 days."""
    watch = watch_project(Project(pushed.served))
    assert watch is not None
    watch.mirror.fetch(["main"], "main")
    for commit in _commits(pushed):
        watch.open_worktree("main", commit)
        (watch.worktree("main", commit) / "model.txt").write_bytes(bytes(1 << 20))
        _age(watch.worktree("main", commit), 30)
    return watch


def _commits(pushed: Pushed) -> list[str]:
    """Return the commits, the oldest first."""
    return pushed.git("rev-list", "--reverse", "main").split()


def _age(path: Path, days: float) -> None:
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


def _collect(watch: Watch, *used: str, seconds: float = 20.0) -> int:
    return Collector(watch, watch.home / "workers", NOW, seconds).collect(used)


def _left(watch: Watch, commits: list[str]) -> list[int]:
    return [n for n, one in enumerate(commits) if watch.worktree("main", one).exists()]


def test_worktrees_that_nobody_needs_go_and_no_other_one(pushed: Pushed, watch: Watch) -> None:
    """Shown, passed, used by a run, opened just now, the head of a branch: these stay."""
    commits = _commits(pushed)
    watch.mirror.write_ref(f"{SHOWN}/main", commits[1], None)
    mark_passed(watch.mirror, "main", commits[2])
    watch.open_worktree("main", commits[4])
    assert _collect(watch, commits[3]) == 1
    assert _left(watch, commits) == [1, 2, 3, 4, 5]
    assert not (watch.home / "trash").exists()
    project = watch.open_worktree("main", commits[0])  # and it can be had again
    assert (project.root / "depth.txt").read_text() == "1\n"


def test_worktree_that_a_run_works_in_stays(pushed: Pushed, watch: Watch) -> None:
    """A run that began after it was asked which runs there are has its checkout locked."""
    commits = _commits(pushed)
    root = watch.worktree("main", commits[0])
    with hold_repository(root, shared=True, wait=0, on_wait=print):
        _age(root, 30)
        _collect(watch)
        assert _left(watch, commits) == [0, 5]
    _collect(watch)
    assert _left(watch, commits) == [5]


def test_objects_of_the_cache_stay_known_when_a_worktree_goes(
    pushed: Pushed, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking a linked file away changes its object's time; nobody reads it again for that."""
    pushed.switch("main")
    large = "x" * (2 << 20)
    pushed.write({"large.txt": large})
    pushed.must("dvc", "remote", "add", "--default", "shared", str(pushed.store))
    pushed.must("dvc", "add", "large.txt")
    pushed.must("dvc", "push")
    commits = [pushed.push("main", {}), pushed.push("main", {"depth.txt": "last\n"})]
    watch.mirror.fetch(["main"], "main")
    checkout = watch.open_worktree("main", commits[0]).open_checkout(pull=True)
    checkout.supply("large.txt")
    checkout.store.save()
    file = watch.worktree("main", commits[0]) / "large.txt"
    if file.stat().st_nlink == 1:
        pytest.skip("the file system shares blocks")
    _age(watch.worktree("main", commits[0]), 30)
    _collect(watch)
    assert not file.exists()

    def refuse(path: object) -> object:
        raise AssertionError(f"read again: {path}")

    monkeypatch.setattr(digest_store, "digest_file", refuse)
    watch.open_worktree("main", commits[1]).open_checkout(pull=True).supply("large.txt")


def test_worktree_that_cannot_be_read_goes_all_the_same(pushed: Pushed, watch: Watch) -> None:
    commits = _commits(pushed)
    (watch.worktree("main", commits[0]) / "dvc.yaml").write_text("stages: [\n")
    _age(watch.worktree("main", commits[0]), 30)
    _collect(watch)
    assert _left(watch, commits) == [5]


def test_oldest_worktrees_go_where_all_are_too_large(pushed: Pushed, watch: Watch) -> None:
    """The limit counts what is kept, too; what was used within the hour stays whatever its size."""
    commits = _commits(pushed)
    for number, commit in enumerate(commits):
        _age(watch.worktree("main", commit), 3 - number / 2 if number < 4 else 0.01)
    limited = replace(watch, settings=replace(watch.settings, keep_size=4.5 / 1024))
    assert _collect(watch) == 0
    assert _collect(limited) == 2
    assert _left(watch, commits) == [2, 3, 4, 5]
    nothing = replace(watch, settings=replace(watch.settings, keep_size=0.0))
    _collect(nothing)
    assert _left(watch, commits) == [4, 5]


def test_what_belongs_to_gone_worktrees_goes_too(pushed: Pushed, watch: Watch) -> None:
    """DVC's databases and the digests of files; those of worktrees that stay, stay."""
    commits = _commits(pushed)
    store = DigestStore(watch.state / "digests.sqlite")
    files = [watch.worktree("main", one) / "model.txt" for one in (commits[0], commits[5])]
    for file in (*files, pushed.work / "raw.txt"):
        store.digest(str(file))
    store.save()
    sites = [watch.home / "dvc" / "main" / one for one in (commits[0], commits[5])]
    for site in sites:
        site.mkdir(parents=True, exist_ok=True)
    _collect(watch)
    assert [site.exists() for site in sites] == [False, True]
    known = DigestStore(watch.state / "digests.sqlite")
    assert known.recall(str(files[1])) is not None
    assert known.recall(str(pushed.work / "raw.txt")) is not None
    files[0].parent.mkdir()
    files[0].write_bytes(bytes(1 << 20))
    assert known.recall(str(files[0])) is None


def test_claims_of_a_commit_go_together_once_the_last_one_is_old(watch: Watch) -> None:
    """The first of them alone would be free, and another run would get the commit."""
    names = [f"main@{'a' * 40}", f"main@{'a' * 40}+1", f"main@{'b' * 40}", f"main@{'b' * 40}+1"]
    claims = [watch.home / "claims" / name for name in names]
    for name in names:
        claim(watch.home / "claims", name, "a run", seal_with(b"secret"))
    for file in (claims[0], claims[2], claims[3]):
        _age(file, 30)
    _collect(watch)
    assert [file.exists() for file in claims] == [True, True, False, False]


def test_old_claims_and_results_go_and_neither_statements_nor_data(watch: Watch) -> None:
    """Only what is of no use for as long as the settings say, and can be made again."""
    claim(watch.home / "claims", "main@old", "a run", seal_with(b"secret"))
    claim(watch.home / "claims", "main@new", "a run", seal_with(b"secret"))
    places = {
        watch.home / "claims" / "main@old": False,
        watch.home / "claims" / "main@new": True,
        watch.home / "workers" / "a-run": False,
        watch.state / "results" / "ab" / "old": False,
        watch.state / "results" / "ab" / "new": True,
        watch.state / "ledger" / "ab" / "old": True,
        watch.cache / "ab" / "old": True,
    }
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        _age(path, 0 if path.name.endswith("new") else 30)
    _collect(watch)
    assert {path: path.exists() for path in places} == places


def test_collection_is_due_once_an_hour_and_after_a_clock_was_set_back(watch: Watch) -> None:
    """What there was no time for goes at the next tick."""
    assert Collector(watch, watch.home / "workers", NOW).is_due()
    _collect(watch, seconds=-1.0)
    assert Collector(watch, watch.home / "workers", NOW).is_due()
    _collect(watch)
    assert not Collector(watch, watch.home / "workers", NOW + 3599).is_due()
    assert Collector(watch, watch.home / "workers", NOW + 3600).is_due()
    assert Collector(watch, watch.home / "workers", NOW - 1000 * DAY).is_due()
