"""What is pushed to a watched branch becomes one run, and nothing else does."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import TickStatus

from .service import Service

pytestmark = [pytest.mark.slow]


def test_history_becomes_no_run_and_a_push_becomes_one(service: Service) -> None:
    """What was there at the first look is noted; the next commit runs, once, at its own tree."""
    pushed = service.pushed
    assert service.runs() == []
    commit = pushed.push("develop", {"depth.txt": "2\n"})
    run = service.wait_for_pass(commit)
    assert run.tags["ml-assets/branch"] == "develop"
    assert pushed.noted(commit) == ["prepare", "train"]
    service.wait_for_tick()
    service.wait_for_tick()
    assert [one.run_id for one in service.runs(commit)] == [run.run_id]


def test_user_checkout_is_not_touched(service: Service) -> None:
    """A run reads and writes nothing in the checkout that the server was started in."""
    (service.pushed.served / ".dvc" / "cache").mkdir(exist_ok=True)  # the one thing that is shared
    before = _snapshot(service.pushed.served)
    commit = service.pushed.push("main", {"raw.txt": f"{time.time()}\n"})
    run = service.wait_for_pass(commit)
    assert run.tags["ml-assets/branch"] == "main"
    assert service.pushed.noted(commit) == ["prepare", "train"]
    assert _snapshot(service.pushed.served) == before


def _snapshot(root: Path) -> dict[str, object]:
    """Return what there is of a checkout: all but local state and DVC's cache."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith((".ml-assets/state", ".dvc/cache")):
            continue
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[name] = (status.st_mtime_ns, status.st_mode, hashlib.sha256(content).hexdigest())
    return found


def test_newest_of_several_commits_runs(service: Service) -> None:
    """Of what one push brings, the head becomes a run; the commits below it do not."""
    pushed = service.pushed
    pushed.switch("several")
    older = [pushed.commit({"depth.txt": f"{number}\n"}) for number in range(3)]
    newest = pushed.push("several", {"depth.txt": "newest\n"})
    service.wait_for_pass(newest)
    assert [service.runs(commit) for commit in older] == [[], [], []]


def test_rewritten_history_runs_once_and_its_former_head_not_again(service: Service) -> None:
    """A force-push is a move like any other; back to a commit that has run is no second run."""
    pushed = service.pushed
    first = pushed.push("forced", {"depth.txt": "first\n"})
    service.wait_for_pass(first)
    pushed.git("reset", "--quiet", "--hard", "HEAD~1")
    second = pushed.push("forced", {"depth.txt": "second\n"})
    service.wait_for_pass(second)
    pushed.git("reset", "--quiet", "--hard", first)
    pushed.git("push", "--quiet", "--force", "origin", "forced")
    service.wait_for_tick()
    service.wait_until_idle()
    assert len(service.runs(first)) == 1
    assert service.cursor()["heads"]["forced"] == first


def test_branch_that_comes_back_runs_only_what_is_new(service: Service) -> None:
    """Deleted and made again at the same commit there is no run; its next commit is one."""
    pushed = service.pushed
    head = pushed.push("again", {"depth.txt": "again\n"})
    service.wait_for_pass(head)
    pushed.git("push", "--quiet", "--delete", "origin", "again")
    service.wait_for_tick()
    assert "again: deleted on the remote" in service.said()[0]
    pushed.git("push", "--quiet", "origin", "again")
    service.wait_for_tick()
    service.wait_for_tick()
    assert len(service.runs(head)) == 1
    service.wait_for_pass(pushed.push("again", {"depth.txt": "and again\n"}))


def test_tag_becomes_no_run(service: Service) -> None:
    """Neither a tag becomes a run, nor one that is named like a branch."""
    pushed = service.pushed
    pushed.git("switch", "--quiet", "--detach", "main")
    tagged = pushed.commit({"depth.txt": "tagged\n"})
    for name in ("v1.0.0", "main"):
        pushed.git("tag", "--annotate", "--message", "A release", name)
        pushed.git("push", "--quiet", "origin", f"refs/tags/{name}")
    service.wait_for_tick()
    service.wait_for_tick()
    pushed.git("push", "--quiet", "--delete", "origin", "refs/tags/main")
    pushed.git("tag", "--delete", "main")
    assert service.runs(tagged) == []


def test_commit_that_changes_only_what_is_ignored_becomes_no_run(service: Service) -> None:
    """It is said why; a later commit with more in it runs."""
    pushed = service.pushed
    ignored = pushed.push("ignored", {"README.md": "words\n", "docs/why.txt": "more\n"})
    service.wait_for_tick()
    service.wait_for_tick()
    assert any(
        f"ignored at {ignored[:12]}: changes only ignored files" in s for s in service.said()
    )
    after = pushed.push("ignored", {"README.md": "other words\n", "depth.txt": "deep\n"})
    service.wait_for_pass(after)
    assert service.runs(ignored) == []


def test_new_graph_is_shown_and_run_without_a_restart(service: Service) -> None:
    """A commit that adds a stage: its run makes the new out, and lineage shows it."""
    pushed = service.pushed
    pushed.switch("drawn")
    stages = (pushed.work / "dvc.yaml").read_text() + (
        "  report:\n    cmd: wc model.txt > report.txt\n    deps: [model.txt]\n"
        "    outs: [report.txt]\n"
    )
    assert "drawn/report.txt" not in service.assets()
    commit = pushed.push("drawn", {"dvc.yaml": stages, ".gitignore": "/*.txt\n!/raw.txt\n"})
    run = service.wait_for_pass(commit)
    assert "drawn/report.txt" in service.assets()
    key = dg.AssetKey(["drawn", "report.txt"])
    with service.instance() as instance:
        event = instance.get_latest_materialization_event(key)
    assert event is not None and event.run_id == run.run_id


BAD: dict[str, tuple[dict[str, str | None], str]] = {
    "missing": ({"dvc.yaml": None}, "no stage"),
    "broken": ({"dvc.yaml": "stages:\n  - ]\n"}, "dvc.yaml"),
    "cyclic": (
        {
            "dvc.yaml": "stages:\n"
            "  a: {cmd: 'true', deps: [x], outs: [y]}\n  b: {cmd: 'true', deps: [y], outs: [x]}\n"
        },
        "cycl",
    ),
}


def test_commits_without_a_graph_fail_with_words_and_the_next_ones_run(service: Service) -> None:
    """Nothing hangs, nothing else is shown less, and a commit that mends it runs."""
    pushed = service.pushed
    shown = service.assets()
    good = (pushed.work / "dvc.yaml").read_text()
    commits = {branch: pushed.push(branch, files) for branch, (files, _) in BAD.items()}
    for branch, commit in commits.items():
        run = service.wait_for_run(commit, 240)
        assert run.status is dg.DagsterRunStatus.FAILURE, branch
        assert BAD[branch][1] in service.why(run), branch
        assert pushed.noted(commit) == []
    assert shown <= service.assets()
    mended = [pushed.push(branch, {"dvc.yaml": good}) for branch in BAD]
    for commit in mended:
        service.wait_for_pass(commit, 240)


def test_record_of_a_run_and_its_data_are_on_the_remotes(service: Service) -> None:
    """Lock files go to a reference that no branch holds, outs to the DVC remote before that."""
    pushed = service.pushed
    commit = pushed.push("develop", {"depth.txt": "recorded\n"})
    service.wait_for_pass(commit)
    ref = "refs/ml-assets/locks/develop"
    pushed.git("fetch", "--quiet", "origin", f"+{ref}:{ref}")
    assert f"Ml-Assets-Commit: {commit}" in pushed.git("log", "-1", "--format=%B", ref)
    lock = pushed.git("show", f"{ref}:dvc.lock")
    assert "model.txt" in lock
    stored = pushed.store / "files" / "md5"
    text = (pushed.work / "raw.txt").read_bytes() + b"recorded\n"
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    assert md5 in lock
    assert (stored / md5[:2] / md5[2:]).read_bytes() == text
    assert pushed.read_remote("refs/heads/develop") == commit


def test_remote_that_is_away_is_said_once_and_comes_back(service: Service) -> None:
    """Nothing is lost while a remote does not answer; it is not asked all the time."""
    pushed = service.pushed
    service.wait_until_idle()
    earlier = {tick.tick_id for tick in service.ticks() if tick.status is not TickStatus.STARTED}
    away = pushed.home / "away.git"
    pushed.remote.rename(away)
    try:
        for _ in range(3):
            service.wait_for_tick()
        commit = pushed.commit({"depth.txt": f"{time.time()}\n"})
    finally:
        away.rename(pushed.remote)
    branch = pushed.git("branch", "--show-current")
    pushed.git("push", "--quiet", "--force", "origin", branch)
    service.wait_for_pass(commit, 180)
    said = [tick.skip_reason or "" for tick in service.ticks() if tick.tick_id not in earlier]
    assert len([one for one in said if "cannot read the remote" in one]) == 1, said
    assert service.cursor()["failures"] == 0
