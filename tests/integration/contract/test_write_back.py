"""The write-back: where the record of a run goes, who wins, and what comes first."""

import dataclasses
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ml_assets.branches.graph_at_commit import CommitGraph, load_graph
from ml_assets.branches.lock_records import (
    AUTHOR,
    COMMIT_TRAILER,
    RUN_TRAILER,
    is_written_by_run,
    open_records,
)
from ml_assets.branches.watch import Watch, watch_project
from ml_assets.branches.write_back import PROPOSALS, Recorder
from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.project.settings.watch import WriteBack
from ml_assets.proof.store import Proofs
from resources.errors import UnavailableError
from resources.git.remote_repository import LOCKS

from .repository import Repository

REF = f"{LOCKS}/main"
BY_HAND = "schema: '2.0'\nstages: {}\n"


@pytest.fixture
def pushed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A repository with a Git remote and a DVC remote, pushed and never run."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)  # the home directory is that of commands
    for name, value in repository.environment().items():
        monkeypatch.setenv(name, value)
    repository.write("in.txt", "one\n")
    stage = {"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}
    count = {"cmd": "echo 1 > n", "deps": ["out.txt"], "metrics": [{"n": {"cache": False}}]}
    repository.stages({"copy": stage, "count": count})
    store = repository.outside / "store"
    repository.dvc("remote", "add", "--default", "--quiet", "store", str(store))
    repository.commit("one")
    remote = repository.outside / "remote.git"
    repository.git("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    repository.git("remote", "add", "origin", str(remote))
    push(repository)
    yield repository


def push(repository: Repository) -> str:
    repository.git("push", "--quiet", "--force", "origin", "main")
    repository.git("fetch", "--quiet", "origin")
    return repository.git("rev-parse", "HEAD").strip()


def another(repository: Repository, text: str) -> str:
    repository.write("in.txt", text)
    repository.commit(text.strip())
    return push(repository)


def watch_of(repository: Repository, how: WriteBack = WriteBack.REF) -> Watch:
    watch = watch_project(Project(repository.project))
    assert watch is not None
    watch.mirror.fetch(["main"], "main")
    return dataclasses.replace(watch, settings=dataclasses.replace(watch.settings, write_back=how))


def ran(repository: Repository, watch: Watch, commit: str) -> CommitGraph:
    """Run a commit in its worktree, as somebody else would."""
    root = watch.open_worktree("main", commit).root
    done = repository.ml_assets("--project", str(root), "run", "--pull")
    assert done.code == 0, done
    return load_graph(watch, "main", commit)


def write_back(
    watch: Watch, graph: CommitGraph, commit: str, waits: Sequence[float] = ()
) -> list[str]:
    notices: list[str] = []
    signer = Proofs(graph.project, find_rules(graph.project.root)).signer
    records = open_records(watch)
    Recorder(
        watch, records, signer.sign, graph, "main", commit, "run-1", notices.append, waits
    ).write_back()
    return notices


def test_record_holds_what_git_keeps_and_says_of_which_commit(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    assert write_back(watch, graph, commit) == []
    tip = watch.mirror.read_remote_ref(REF)
    assert tip is not None
    files = watch.mirror.read_files(tip)
    assert set(files) == {"dvc.lock", "n"}
    assert files["dvc.lock"] == (graph.project.root / "dvc.lock").read_bytes()
    message = watch.mirror.read_message(tip)
    assert f"\n{COMMIT_TRAILER}: {commit}\n{RUN_TRAILER}: run-1\n" in message
    record = open_records(watch).verify(tip, "main")
    assert (record.commit, record.invocation, set(record.files)) == (commit, "run-1", set(files))
    branches = pushed.git("ls-remote", "--heads", "origin").split()
    assert branches == [commit, "refs/heads/main"]


def test_data_is_there_before_the_record(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    (pushed.outside / "store").write_text("a file where the remote's directory should be")
    with pytest.raises(UnavailableError):
        write_back(watch, graph, commit)
    assert watch.mirror.read_remote_ref(REF) is None
    (pushed.outside / "store").unlink()
    write_back(watch, graph, commit)
    assert watch.mirror.read_remote_ref(REF) is not None
    assert list((pushed.outside / "store").rglob("*"))


def test_same_record_is_written_once(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    write_back(watch, graph, commit)
    first = watch.mirror.read_remote_ref(REF)
    write_back(watch, graph, commit)
    assert watch.mirror.read_remote_ref(REF) == first


def stored(repository: Repository) -> list[Path]:
    return [one for one in (repository.outside / "store").rglob("*") if one.is_file()]


def test_data_is_pushed_even_if_the_commit_holds_its_lock_files(pushed: Repository) -> None:
    """A user ran in his checkout, committed the lock files, and pushed no data."""
    assert pushed.ml_assets("run").code == 0
    commit = another(pushed, "one\n")
    watch = watch_of(pushed)

    write_back(watch, ran(pushed, watch, commit), commit)

    assert stored(pushed)
    assert watch.mirror.read_remote_ref(REF) is None


def test_record_of_a_replaced_commit_is_none_of_its_successor(pushed: Repository) -> None:
    """The amended commit has the same lock files, but no clone would take the old record."""
    watch = watch_of(pushed)
    first = push(pushed)
    write_back(watch, ran(pushed, watch, first), first)
    old = watch.mirror.read_remote_ref(REF)
    pushed.git("commit", "--quiet", "--amend", "--message", "another subject")
    second = push(pushed)
    watch = watch_of(pushed)

    write_back(watch, ran(pushed, watch, second), second)

    tip = watch.mirror.read_remote_ref(REF)
    assert tip is not None and tip != old
    assert open_records(watch).verify(tip, "main").commit == second


def test_lock_files_that_came_late_do_not_hide_a_record(pushed: Repository) -> None:
    """A commit brings lock files as old as the recorded ones of its parent are not."""
    assert pushed.ml_assets("run").code == 0
    lock = (pushed.project / "dvc.lock").read_text(encoding="utf-8")
    pushed.remove("dvc.lock")
    pushed.write("in.txt", "two\n")
    pushed.git("add", "--all", "--", ".", ":!dvc.lock")
    pushed.commit("two")
    second = push(pushed)
    watch = watch_of(pushed)
    write_back(watch, ran(pushed, watch, second), second)
    pushed.write("in.txt", "one\n")
    pushed.write("dvc.lock", lock)
    third = another(pushed, "one\n")
    watch = watch_of(pushed)

    graph = ran(pushed, watch, third)
    write_back(watch, graph, third)

    found = open_records(watch).find("main", lambda _: None)
    files = watch.mirror.read_files(third, ("dvc.lock", "n"))
    assert found is not None
    files |= open_records(watch).select(found, third, ".", lambda _: None)
    assert files["dvc.lock"] == (graph.project.root / "dvc.lock").read_bytes()


def test_remote_that_comes_back_gets_data_and_record(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    store, remote = pushed.outside / "store", pushed.outside / "remote.git"
    store.write_text("a file where the remote's directory should be")
    remote.rename(remote.with_suffix(".away"))
    timers = [
        threading.Timer(3, store.unlink),
        threading.Timer(9, remote.with_suffix(".away").rename, [remote]),
    ]
    for timer in timers:
        timer.start()

    notices = write_back(watch, graph, commit, (1, 1, 2, 4, 4, 8))

    for timer in timers:
        timer.join()
    assert any("next attempt in 1 s" in one for one in notices)
    assert stored(pushed) and watch.mirror.read_remote_ref(REF) is not None


def test_record_of_a_later_commit_stays(pushed: Repository) -> None:
    first = push(pushed)
    watch = watch_of(pushed)
    old = ran(pushed, watch, first)
    second = another(pushed, "two\n")
    watch = watch_of(pushed)
    write_back(watch, ran(pushed, watch, second), second)
    tip = watch.mirror.read_remote_ref(REF)
    notices = write_back(watch, old, first)
    assert "lock files not recorded: a later commit of main has recorded its own" in notices
    assert watch.mirror.read_remote_ref(REF) == tip


def test_who_loses_the_race_tries_again_over_what_won(pushed: Repository) -> None:
    """Somebody pushes another record after ours has looked at the reference."""
    first = push(pushed)
    second = another(pushed, "two\n")
    watch = watch_of(pushed)
    graph = ran(pushed, watch, second)
    other = watch_of(pushed)  # knows of no record, as ours
    message = f"Record\n\n{COMMIT_TRAILER}: {first}\n{RUN_TRAILER}: run-0\n"
    theirs = other.mirror.write_commit({"dvc.lock": b"x"}, message, AUTHOR, 1, None, whole=True)
    other.mirror.push_ref(REF, theirs, None)
    other.mirror._run("update-ref", "-d", REF)
    write_back(watch, graph, second)
    tip = watch.mirror.read_remote_ref(REF)
    assert tip is not None and tip != theirs
    assert watch.mirror.is_ancestor(theirs, tip)


def test_remote_that_refuses_the_record_is_an_error_with_a_way_out(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    hook = pushed.outside / "remote.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(UnavailableError, match="rejects a push") as caught:
        write_back(watch, graph, commit)
    assert "write-back" in caught.value.hint
    off = dataclasses.replace(watch.settings, write_back=WriteBack.OFF)
    write_back(dataclasses.replace(watch, settings=off), graph, commit)


def test_without_a_dvc_remote_the_record_stays_here(pushed: Repository) -> None:
    pushed.dvc("remote", "remove", "store")
    commit = another(pushed, "two\n")
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    assert write_back(watch, graph, commit) == [
        "no DVC remote: the lock files of this run stay on this machine"
    ]
    assert watch.mirror.read_remote_ref(REF) is None
    assert watch.mirror.read_ref(REF) is not None


def test_record_on_the_branch_is_one_commit_and_gives_way_to_a_newer_one(
    pushed: Repository, tmp_path: Path
) -> None:
    commit = push(pushed)
    watch = watch_of(pushed, WriteBack.COMMIT)
    graph = ran(pushed, watch, commit)
    write_back(watch, graph, commit)
    head = watch.mirror.read_remote(["main"]).heads["main"]
    remote = pushed.outside / "remote.git"
    log = subprocess.run(
        ["git", "-C", remote, "log", "--format=%H %an", head],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert log[0] == f"{head} ml-assets"
    assert log[1].startswith(commit)
    watch.mirror.fetch(["main"], "main")
    assert is_written_by_run(open_records(watch), watch, "main", head)
    assert not is_written_by_run(open_records(watch), watch, "main", commit)
    newer = another(pushed, "three\n")
    assert "the next run records the lock files" in write_back(watch, graph, commit)[-1]
    assert watch.mirror.read_remote(["main"]).heads["main"] == newer


def test_record_is_proposed_on_a_branch_of_its_own(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed, WriteBack.PULL_REQUEST)
    graph = ran(pushed, watch, commit)
    assert write_back(watch, graph, commit) == ["proposed for main: ml-assets/locks/main"]
    tip = watch.mirror.read_remote_ref(f"{PROPOSALS}/main")
    assert tip is not None
    assert watch.mirror.is_ancestor(commit, tip)
    assert watch.mirror.read_remote(["main"]).heads["main"] == commit


def test_lock_pull_brings_the_record_and_refuses_to_overwrite(pushed: Repository) -> None:
    commit = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    write_back(watch, graph, commit)
    pulled = pushed.ml_assets("lock", "pull", "--json")
    assert pulled.document == {"branch": "main", "written": ["dvc.lock", "n"]}
    assert (pushed.project / "dvc.lock").read_bytes() == (
        graph.project.root / "dvc.lock"
    ).read_bytes()
    pushed.git("add", "--all", ":!out.txt")
    pushed.git("commit", "--quiet", "--message", "locks")
    again = pushed.ml_assets("lock", "pull", "--json")
    assert again.document["written"] == []
    unknown = pushed.ml_assets("lock", "pull", "--branch", "develop")
    assert (unknown.code, "no recorded run of branch" in unknown.stderr) == (2, True)


def test_lock_pull_keeps_what_is_not_committed(pushed: Repository) -> None:
    pushed.run()
    pushed.git("add", "dvc.lock", "n", ".gitignore")
    pushed.git("commit", "--quiet", "--message", "locks")
    commit = another(pushed, "two\n")
    watch = watch_of(pushed)
    graph = ran(pushed, watch, commit)
    write_back(watch, graph, commit)
    (pushed.project / "dvc.lock").write_text(BY_HAND)
    refused = pushed.ml_assets("lock", "pull")
    assert refused.code == 2, refused
    assert "uncommitted changes: dvc.lock" in refused.stderr
    assert (pushed.project / "dvc.lock").read_text() == BY_HAND
    assert pushed.ml_assets("lock", "pull", "--force").code == 0
    recorded = (graph.project.root / "dvc.lock").read_bytes()
    assert (pushed.project / "dvc.lock").read_bytes() == recorded


def forge(pushed: Repository, watch: Watch, text: str) -> None:
    """Push a record by hand, as anyone who may push can."""
    commit = pushed.git("rev-parse", "HEAD").strip()
    message = f"Record\n\n{COMMIT_TRAILER}: {commit}\n{RUN_TRAILER}: run-1\n"
    files = {"dvc.lock": text.encode()}
    forged = watch.mirror.write_commit(files, message, AUTHOR, 1, None, whole=True)
    pushed.git("fetch", "--quiet", str(watch.mirror.directory), forged)
    pushed.git("push", "--quiet", "--force", "origin", f"{forged}:{REF}")


def test_record_that_is_pushed_by_hand_is_not_pulled(pushed: Repository) -> None:
    push(pushed)
    forge(pushed, watch_of(pushed), BY_HAND)
    pulled = pushed.ml_assets("lock", "pull", "--json")
    assert pulled.code == 1, pulled
    assert pulled.document["error"]["kind"] == "lock-record"
    assert pulled.document["error"]["message"].startswith("record not signed")
    assert not (pushed.project / "dvc.lock").exists()


def test_record_that_is_pushed_by_hand_does_not_stop_the_next_one(pushed: Repository) -> None:
    """Neither with the same files nor for a later commit: the run records its own."""
    first = push(pushed)
    watch = watch_of(pushed)
    graph = ran(pushed, watch, first)
    another(pushed, "two\n")
    forge(pushed, watch, (graph.project.root / "dvc.lock").read_text())
    watch = watch_of(pushed)
    assert write_back(watch, graph, first) == []
    tip = watch.mirror.read_remote_ref(REF)
    assert tip is not None
    assert open_records(watch).read(tip, "main").record.commit == first


def test_record_of_a_key_that_this_machine_does_not_trust_is_not_pulled(
    pushed: Repository, tmp_path: Path
) -> None:
    """Another user's clone trusts the server's key once the protected branch lists it."""
    commit = push(pushed)
    watch = watch_of(pushed)
    write_back(watch, ran(pushed, watch, commit), commit)
    key = Path(pushed.environment()["HOME"]) / ".config" / "ml-assets"
    key.rename(key.with_name("server"))
    refused = pushed.ml_assets("lock", "pull")
    assert (refused.code, "signing key not trusted" in refused.stderr) == (1, True)
    assert "add it to .ml-assets/trust" in refused.stderr
    public = next(key.with_name("server").glob("*.pub")).read_text()
    pushed.write(".ml-assets/trust/server.pem", public)
    pushed.write(".ml-assets/trust/trust.toml", 'version = 1\n[[keys]]\nfile = "server.pem"\n')
    pushed.commit("trust the server")
    push(pushed)
    pulled = pushed.ml_assets("lock", "pull", "--json")
    assert pulled.document["written"] == ["dvc.lock", "n"]
