"""The mirror: what a remote repository has, on real repositories."""

import os
import subprocess
from pathlib import Path

import pytest

from resources.errors import ConfigurationError, UnavailableError
from resources.git.command import mask
from resources.git.commit_history import Author
from resources.git.mirror import (
    VERIFIED,
    LostRaceError,
    Mirror,
    open_mirror,
)
from resources.git.remote_repository import LOCKS

pytestmark = pytest.mark.process

ANN = Author("Ann", "ann@example.org")
_ANN = "Ann <ann@example.org>"


class Repositories:
    """A bare remote, and a clone to push from."""

    def __init__(self, directory: Path) -> None:
        self.remote, self.clone = directory / "remote.git", directory / "clone"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", self.remote, at=directory)
        self.git("clone", "--quiet", self.remote, self.clone, at=directory)

    def git(self, *arguments: str | Path, at: Path | None = None) -> str:
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
        done = subprocess.run(
            command, cwd=at or self.clone, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def push(self, branch: str, **files: str) -> str:
        """Commit files on a branch, push it, and return the commit."""
        self.git("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            (self.clone / name).write_text(text)
        self.git("add", "--all")
        self.git(
            "commit", "--quiet", "--allow-empty", "--author", _ANN, "--message", f"To {branch}"
        )
        self.git("push", "--quiet", "--force", "origin", branch)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repositories(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path)


def _count(directory: Path) -> dict[str, int]:
    command = ["git", "-C", str(directory), "count-objects", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    pairs = (line.split(": ") for line in done.stdout.splitlines())
    return {name: int(value) for name, value in pairs if value.isdigit()}


@pytest.fixture
def mirror(repositories: Repositories, tmp_path: Path) -> Mirror:
    return open_mirror(tmp_path / "mirror.git", str(repositories.remote))


def test_empty_repository_has_no_heads(mirror: Mirror) -> None:
    assert not mirror.read_remote(["main"]).heads


def test_heads_are_those_that_are_asked_for_and_there(
    repositories: Repositories, mirror: Mirror
) -> None:
    head = repositories.push("main", a="1")
    repositories.push("other/main", a="2")
    repositories.git("tag", "main-tag")
    repositories.git("push", "--quiet", "origin", "main-tag")
    remote = mirror.read_remote(["main", "develop"])
    assert remote.heads == {"main": head}
    assert remote.default == "main"


def test_fetched_branches_and_the_protected_one_are_known(
    repositories: Repositories, mirror: Mirror
) -> None:
    main = repositories.push("main", a="1")
    develop = repositories.push("develop", a="2")
    assert mirror.fetch(["main", "develop"], "main") == {"main": main, "develop": develop}
    assert mirror.read_default() == "main"
    assert mirror.read_tracked("develop") == develop
    assert mirror.is_ancestor(main, develop)
    assert not mirror.is_ancestor(develop, main)
    assert mirror.list_changed(main, develop) == {"a"}
    assert mirror.list_commits(main, develop, None) == [develop]
    assert mirror.read_author(develop) == ANN
    assert mirror.read_message(develop) == "To develop"
    assert mirror.read_files(develop, ("a", "b")) == {"a": b"2"}


def test_rewritten_history_is_fetched_and_the_old_one_kept(
    repositories: Repositories, mirror: Mirror
) -> None:
    old = repositories.push("main", a="1")
    mirror.fetch(["main"], "main")
    repositories.git("commit", "--quiet", "--amend", "--message", "Rewritten")
    repositories.git("push", "--quiet", "--force", "origin", "main")
    new = repositories.git("rev-parse", "HEAD")
    assert mirror.fetch(["main"], "main") == {"main": new}
    assert mirror.has(old)
    assert not mirror.is_ancestor(old, new)


def test_branch_that_went_away_between_two_calls_is_no_answer(
    repositories: Repositories, mirror: Mirror
) -> None:
    repositories.push("main", a="1")
    with pytest.raises(UnavailableError, match="cannot read the remote repository"):
        mirror.fetch(["main", "gone"], "main")


def test_remote_that_is_not_there_is_no_answer(
    repositories: Repositories, mirror: Mirror, tmp_path: Path
) -> None:
    repositories.remote.rename(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError, match="cannot read the remote repository"):
        mirror.read_remote(["main"])


def test_remote_that_never_answers_is_given_up(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        open_mirror(tmp_path / "mirror.git", f"git://127.0.0.1:{port}/x.git")
        with pytest.raises(UnavailableError, match="timed out after 1 s"):
            Mirror(tmp_path / "mirror.git", patience=1).read_remote(["main"])


def test_password_of_the_remote_is_in_no_message(tmp_path: Path) -> None:
    mirror = open_mirror(tmp_path / "mirror.git", "http://ann:hunter2@127.0.0.1:1/x.git")
    with pytest.raises(UnavailableError) as caught:
        mirror.read_remote(["main"])
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    assert mask("see https://ann:hunter2@host/x and ssh://git@host") == (
        "see https://host/x and ssh://host"
    )


@pytest.mark.parametrize("url", ["--upload-pack=touch /tmp/x", "-x", ""])
def test_address_that_is_empty_or_an_option_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not the address"):
        open_mirror(tmp_path / "mirror.git", url)


def test_address_that_is_a_program_is_not_run(tmp_path: Path) -> None:
    mirror = open_mirror(tmp_path / "mirror.git", f"ext::touch {tmp_path / 'ran'}")
    with pytest.raises(UnavailableError, match="not allowed"):
        mirror.read_remote(["main"])
    assert not (tmp_path / "ran").exists()


def test_worktree_is_a_commit_and_nothing_else(
    repositories: Repositories, mirror: Mirror, tmp_path: Path
) -> None:
    first = repositories.push("main", a="1")
    repositories.push("main", a="2")
    mirror.fetch(["main"], "main")
    mirror.add_worktree(first, tmp_path / "w" / "tree")
    assert (tmp_path / "w" / "tree" / "a").read_text() == "1"
    mirror.remove_worktree(tmp_path / "w" / "tree")
    assert not (tmp_path / "w" / "tree").exists()
    mirror.add_worktree(first, tmp_path / "w" / "tree")


def test_worktree_of_which_only_a_part_is_left_can_be_made_again(
    repositories: Repositories, mirror: Mirror, tmp_path: Path
) -> None:
    commit = repositories.push("main", a="1")
    mirror.fetch(["main"], "main")
    mirror.add_worktree(commit, tmp_path / "tree")
    os.unlink(tmp_path / "tree" / ".git")
    mirror.remove_worktree(tmp_path / "tree")
    mirror.add_worktree(commit, tmp_path / "tree")
    assert (tmp_path / "tree" / "a").is_file()


def test_hooks_of_the_user_do_not_run_in_the_mirror(
    repositories: Repositories, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repositories.push("main", a="1")
    hook = tmp_path / "template" / "hooks" / "post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    other = open_mirror(tmp_path / "other.git", str(repositories.remote))
    other.fetch(["main"], "main")
    other.add_worktree(commit, tmp_path / "tree")
    assert not (tmp_path / "ran").exists()


def test_reference_changes_only_from_what_it_was(
    repositories: Repositories, mirror: Mirror
) -> None:
    one, two = repositories.push("main", a="1"), repositories.push("main", a="2")
    mirror.fetch(["main"], "main")
    ref = f"{VERIFIED}/main"
    mirror.write_ref(ref, one, None)
    with pytest.raises(LostRaceError):
        mirror.write_ref(ref, two, None)
    with pytest.raises(LostRaceError):
        mirror.write_ref(ref, one, two)
    mirror.write_ref(ref, two, one)
    assert mirror.read_refs(VERIFIED) == {"main": two}


def test_of_two_that_push_a_reference_one_loses(
    repositories: Repositories, mirror: Mirror, tmp_path: Path
) -> None:
    repositories.push("main", a="1")
    ref = f"{LOCKS}/main"
    other = open_mirror(tmp_path / "other.git", str(repositories.remote))
    mine = mirror.write_commit({"dvc.lock": b"mine"}, "m", ANN, 1, None, whole=True)
    theirs = other.write_commit({"dvc.lock": b"theirs"}, "t", ANN, 2, None, whole=True)
    other.push_ref(ref, theirs, None)
    with pytest.raises(LostRaceError):
        mirror.push_ref(ref, mine, None)
    mirror.fetch((), None)
    assert mirror.read_ref(ref) == theirs
    new = mirror.write_commit({"dvc.lock": b"mine"}, "m", ANN, 1, theirs, whole=True)
    mirror.push_ref(ref, new, theirs)
    assert mirror.read_remote_ref(ref) == new


def test_remote_that_refuses_a_reference_says_why(
    repositories: Repositories, mirror: Mirror
) -> None:
    hook = repositories.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    new = mirror.write_commit({"dvc.lock": b"x"}, "m", ANN, 1, None, whole=True)
    with pytest.raises(UnavailableError, match="rejects a push to refs/ml-assets/locks/main"):
        mirror.push_ref(f"{LOCKS}/main", new, None)


@pytest.mark.parametrize("name", ["dvc.lock", 'a "b"/c\\d/dvc.lock', "ünï/x y.json", "tab\tname"])
def test_commit_holds_just_the_files_that_it_was_given(name: str, mirror: Mirror) -> None:
    first = mirror.write_commit({"old": b"1", name: b"\0\n2"}, "One\n\nKey: v\n", ANN, 7, None)
    assert mirror.read_files(first) == {"old": b"1", name: b"\0\n2"}
    second = mirror.write_commit({name: b"3"}, "Two", ANN, 8, first, whole=True)
    assert mirror.read_files(second) == {name: b"3"}
    third = mirror.write_commit({name: b"4"}, "Three", ANN, 9, first)
    assert mirror.read_files(third) == {"old": b"1", name: b"4"}
    assert mirror.read_author(third) == ANN
    assert not mirror.read_refs("refs/ml-assets/scratch")


def test_small_files_are_put_together_and_nothing_is_lost(
    repositories: Repositories, mirror: Mirror, tmp_path: Path
) -> None:
    """Also what no reference names any more: a run may still work at it."""
    commits = []
    for number in range(6):
        commits.append(repositories.push("main", a=f"{number}\n"))
        mirror.fetch(["main"], "main")
        mirror.tidy()
    repositories.git("reset", "--quiet", "--hard", commits[2])
    commits.append(repositories.push("main", a="another\n"))
    mirror.fetch(["main"], "main")
    mirror.add_worktree(commits[5], tmp_path / "worktree")
    mirror.prune_worktrees()

    for _ in range(3):
        mirror.tidy()

    counted = _count(mirror.directory)
    assert counted["count"] == 0 and counted["packs"] <= 2, "the largest pack stays as it is"
    assert all(mirror.has(commit) for commit in commits)
    assert (tmp_path / "worktree" / "a").read_text() == "5\n"


@pytest.mark.parametrize(
    "name",
    ["info/grafts", "info/attributes", "objects/info/alternates", "config.worktree", "commondir"],
)
def test_files_that_mislead_git_are_removed_before_it_uses_the_network(
    repositories: Repositories, mirror: Mirror, name: str
) -> None:
    head = repositories.push("main", a="1")
    file = mirror.directory / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("/nowhere\n")
    assert mirror.fetch(["main"], "main") == {"main": head}
    assert not file.exists()


def test_program_in_the_configuration_of_a_mirror_does_not_start(
    repositories: Repositories, mirror: Mirror, tmp_path: Path
) -> None:
    """A stage of one branch writes it, and the next fetch would start it with our credentials."""
    head = repositories.push("main", a="1")
    trace = tmp_path / "trace"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {trace}\nexec git-upload-pack "$@"\n')
    program.chmod(0o755)
    for key in ("remote.origin.uploadpack", "core.sshCommand", "credential.helper"):
        mirror._run("config", key, str(program))
    (tmp_path / "more").write_text(f'[remote "origin"]\n\tuploadpack = {program}\n')
    mirror._run("config", "include.path", str(tmp_path / "more"))

    assert mirror.fetch(["main"], "main") == {"main": head}
    assert not trace.exists()


@pytest.mark.parametrize("name", ['a "quoted" one', "back\\slash", "semi;colon # hash", "ü x"])
def test_address_is_written_as_git_reads_it(tmp_path: Path, name: str) -> None:
    mirror = open_mirror(tmp_path / "mirror.git", f"/x/{name}")
    assert mirror._run("config", "--get", "remote.origin.url").stdout.decode() == f"/x/{name}\n"
    assert (mirror.directory / "config").stat().st_mode & 0o777 == 0o600
