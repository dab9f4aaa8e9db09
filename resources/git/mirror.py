"""The mirror: a bare copy of what a remote Git repository has on some branches, and its worktrees.

Its references are those of any clone (``refs/remotes/origin/*``), so that whatever reads a clone
reads a worktree of it in the same way. Nobody works in it but this program.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from resources.errors import ConfigurationError, LostRaceError, UnavailableError
from resources.git.command import decode_output, explain_failure, run_git

#: Where the lock files that runs have written are kept, by the name of their branch.
LOCKS = "refs/ml-assets/locks"
#: Where the last commit of a branch is kept that passed.
VERIFIED = "refs/ml-assets/verified"
_HEADS = "refs/heads"
#: Where the branches of the remote are, as they were when they were fetched.
TRACKING = "refs/remotes/origin"
_TRANSFER = 3600.0  # seconds
#: What a push says that found another value than the one that was to be replaced.
_STALE = re.compile(rb"stale info|fetch first|cannot lock ref|reference already exists")


@dataclass(frozen=True)
class RemoteHeads:
    """What a remote repository answers.

    Attributes:
        default: the branch that it protects, as far as Git knows: the one that HEAD names.
        heads: the commits of those of some branches that it has.
    """

    default: str | None
    heads: Mapping[str, str]


@dataclass(frozen=True)
class Author:
    """Who a commit is by: a name and an e-mail address."""

    name: str
    email: str


class Mirror:
    """A bare repository that follows a remote one.

    Args:
        directory: of the bare repository (``open_mirror``).
        patience: seconds that the remote may take to say where its branches are. What is fetched or
            pushed may take much longer than a sensor's tick, and goes on when that is given up.
    """

    def __init__(self, directory: Path, patience: float = 20.0) -> None:
        self.directory = directory
        self._patience = patience

    def read_remote(self, branches: Collection[str]) -> RemoteHeads:
        """Ask the remote which commits branches are at.

        Raises:
            UnavailableError: it does not answer.
        """
        refs = {f"{_HEADS}/{name}": name for name in branches}
        done = self._call("ls-remote", "--symref", "origin", "HEAD", *refs, timeout=self._patience)
        heads: dict[str, str] = {}
        default = None
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            value, _, ref = line.partition("\t")
            if value.startswith(f"ref: {_HEADS}/") and ref == "HEAD":
                default = value.removeprefix(f"ref: {_HEADS}/")
            elif ref in refs:  # a pattern also finds names that only end in it
                heads[refs[ref]] = value
        return RemoteHeads(default, heads)

    def fetch(self, branches: Collection[str], default: str | None) -> dict[str, str]:
        """Fetch branches, and what runs have written of their locks; return their commits now.

        Args:
            default: the branch whose commit rules (``find_protected_branch``), which is among them.

        Raises:
            UnavailableError: the remote does not answer, or has lost one of them meanwhile.
        """
        wanted = [f"+{_HEADS}/{name}:{TRACKING}/{name}" for name in branches]
        locks = f"+{LOCKS}/*:{LOCKS}/*"
        self._call(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", *wanted, locks
        )
        if default is not None:
            self._run("symbolic-ref", f"{TRACKING}/HEAD", f"{TRACKING}/{default}")
        found = self.read_refs(TRACKING)
        return {name: found[name] for name in branches if name in found}

    def read_default(self) -> str | None:
        """Return the branch that the remote protected when it was fetched; None before that."""
        done = run_git(self.directory, "symbolic-ref", "--quiet", f"{TRACKING}/HEAD")
        return decode_output(done).removeprefix(f"{TRACKING}/") if done.returncode == 0 else None

    def read_tracked(self, branch: str) -> str | None:
        """Return the commit of a branch when it was fetched."""
        return self.read_ref(f"{TRACKING}/{branch}")

    def read_refs(self, below: str) -> dict[str, str]:
        """Return the commits of all references below a place, by the rest of their names."""
        done = self._run("for-each-ref", "--format=%(objectname) %(refname)", below)
        pairs = (line.split(" ", 1) for line in decode_output(done).splitlines())
        return {ref.removeprefix(f"{below}/"): sha for sha, ref in pairs}

    def read_ref(self, ref: str) -> str | None:
        """Return the commit that a reference names; None where there is no such reference."""
        done = run_git(self.directory, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return decode_output(done) if done.returncode == 0 else None

    def write_ref(self, ref: str, new: str, old: str | None) -> None:
        """Let a reference name another commit, if it still names the old one.

        Raises:
            LostRaceError: it does not.
        """
        done = run_git(self.directory, "update-ref", ref, new, old or "0" * len(new))
        if done.returncode != 0:
            raise LostRaceError(f"another process has changed {ref}", "run it again")

    def push_ref(self, ref: str, new: str, old: str | None) -> None:
        """Let a reference of the remote name another commit, if it still names the old one.

        Raises:
            LostRaceError: it does not.
            UnavailableError: the remote does not answer, or refuses.
        """
        lease = f"--force-with-lease={ref}:{old or ''}"
        arguments = ("push", "--porcelain", "--no-verify", lease, "origin", f"{new}:{ref}")
        done = run_git(self.directory, *arguments, timeout=_TRANSFER)
        if done.returncode != 0:
            if _STALE.search(done.stdout + done.stderr):
                raise LostRaceError(f"somebody else has changed {ref}", "fetch, then try again")
            raise UnavailableError(
                f"the remote repository does not take {ref}: {explain_failure(done)}",
                'allow it to be pushed, or set write-back = "off" in [tool.ml-assets.watch]',
            )

    def read_remote_ref(self, ref: str) -> str | None:
        """Ask the remote for the value of one reference.

        Raises:
            UnavailableError: it does not answer.
        """
        lines = decode_output(self._call("ls-remote", "origin", ref)).splitlines()
        pairs = (line.partition("\t") for line in lines)
        return next((sha for sha, _, name in pairs if name == ref), None)

    def has(self, commit: str) -> bool:
        """Whether a commit is here."""
        return run_git(self.directory, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether one commit is an ancestor of another, or the same."""
        done = run_git(self.directory, "merge-base", "--is-ancestor", old, new)
        if done.returncode not in (0, 1):
            raise UnavailableError(
                f"git merge-base failed: {explain_failure(done)}", "look: git fsck"
            )
        return done.returncode == 0

    def list_commits(self, old: str, new: str, most: int | None) -> list[str]:
        """List the commits of a branch after one, oldest first, along its first parents.

        Args:
            most: only so many of the newest ones; None: all.
        """
        limit = [f"--max-count={most}"] if most is not None else []
        done = self._run("rev-list", "--first-parent", "--reverse", *limit, f"{old}..{new}")
        return decode_output(done).split()

    def list_changed(self, old: str, new: str) -> frozenset[str]:
        """Return the paths that differ between two commits."""
        done = self._run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
        return frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)

    def read_message(self, commit: str) -> str:
        """Return a commit's message."""
        return decode_output(self._run("show", "--no-patch", "--format=%B", commit))

    def read_author(self, commit: str) -> Author:
        """Return who a commit says that it is by; anybody can say anything here."""
        done = self._run("show", "--no-patch", "--format=%an%x00%ae", commit)
        name, _, email = decode_output(done).partition("\0")
        return Author(name, email)

    def read_files(self, commit: str, paths: Collection[str] = ()) -> dict[str, bytes]:
        """Return those of some files that a commit has, by their paths; all where none is named."""
        listed = self._run("ls-tree", "-r", "-z", "--name-only", commit, "--", *paths).stdout
        names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
        return {name: self._run("cat-file", "blob", f"{commit}:{name}").stdout for name in names}

    def write_commit(
        self,
        files: Mapping[str, bytes],
        message: str,
        author: Author,
        at: int,
        parent: str | None,
        *,
        whole: bool = False,
    ) -> str:
        """Write a commit; return its hash.

        Args:
            files: contents by path.
            at: seconds since 1970.
            whole: it holds nothing else; otherwise the rest is as in its parent.
        """
        ref = f"refs/ml-assets/scratch/{secrets.token_hex(8)}"
        said = message.encode()
        head = f"commit {ref}\nmark :1\ncommitter {author.name} <{author.email}> {at} +0000\n"
        stream = [head.encode(), b"data %d\n" % len(said), said, b"\n"]
        stream += [f"from {parent}\n".encode()] if parent else []
        stream += [b"deleteall\n"] if whole else []
        for path, content in sorted(files.items()):
            quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            stream += [os.fsencode(f'M 100644 inline "{quoted}"\n')]
            stream += [b"data %d\n" % len(content), content, b"\n"]
        stream += [b"get-mark :1\ndone\n"]
        done = run_git(self.directory, "fast-import", "--quiet", "--done", stdin=b"".join(stream))
        if done.returncode != 0:
            raise UnavailableError(
                f"git fast-import failed: {explain_failure(done)}", "look: git fsck"
            )
        self._run("update-ref", "-d", ref)
        return decode_output(done)

    def add_worktree(self, commit: str, directory: Path) -> None:
        """Check a commit out into a directory of its own, which must not exist.

        Raises:
            UnavailableError: it cannot be written.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        self._run("worktree", "add", "--quiet", "--detach", os.fspath(directory), commit)

    def remove_worktree(self, directory: Path) -> None:
        """Remove a worktree, whatever is left of it."""
        run_git(self.directory, "worktree", "remove", "--force", "--force", os.fspath(directory))
        shutil.rmtree(directory, ignore_errors=True)
        self.prune_worktrees()

    def prune_worktrees(self) -> None:
        """Forget the worktrees whose directories are gone."""
        self._run("worktree", "prune")

    def tidy(self) -> None:
        """Put loose objects into packs, and small packs into larger ones; remove none."""
        for task in ("loose-objects", "incremental-repack"):  # the second needs packs
            self._run("maintenance", "run", "--quiet", f"--task={task}")

    def _call(self, *arguments: str, timeout: float = _TRANSFER) -> CompletedProcess[bytes]:
        """Call the remote."""
        done = run_git(self.directory, *arguments, timeout=timeout)
        if done.returncode != 0:
            raise UnavailableError(
                f"the remote repository cannot be read: {explain_failure(done)}",
                f"try: git -C {self.directory} ls-remote origin",
            )
        return done

    def _run(self, *arguments: str) -> CompletedProcess[bytes]:
        done = run_git(self.directory, *arguments)
        if done.returncode != 0:
            raise UnavailableError(
                f"git {arguments[0]} failed: {explain_failure(done)}",
                f"look: git -C {self.directory} fsck",
            )
        return done


def open_mirror(directory: Path, url: str) -> Mirror:
    """Open the mirror of a repository, which is made where there is none.

    Raises:
        ConfigurationError: it is not one.
        UnavailableError: it cannot be made.
    """
    if url.startswith("-"):
        raise ConfigurationError(f"not the address of a repository: {url}", "name a URL or a path")
    steps = [["config", "remote.origin.url", url], ["config", "gc.auto", "0"]]
    if not (directory / "HEAD").is_file():
        directory.mkdir(parents=True, exist_ok=True)
        # Without a template, so that no hook of the user's runs in it.
        steps.insert(0, ["init", "--quiet", "--bare", "--template=", "."])
    for words in steps:
        done = run_git(directory, *words)
        if done.returncode != 0:
            raise UnavailableError(
                f"git {words[0]} failed: {explain_failure(done)}", f"look: {directory}"
            )
    os.chmod(directory / "config", 0o600)  # the address may hold a password
    return Mirror(directory)
