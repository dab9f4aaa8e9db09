"""Repositories: temporary Git + DVC repositories, generated, copied and removed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import WrongRun
from benchmarks.graphs import Graph, md5
from benchmarks.programs import Programs


@dataclass(frozen=True)
class Repository:
    """One working tree, with its home directory and caches.

    Layout below ``home``: ``work`` is the repository, ``user`` is $HOME, ``site`` is DVC's site
    cache, ``output`` takes what commands print. Copies share nothing.
    """

    home: Path

    @property
    def work(self) -> Path:
        """The repository: its Git root and its DVC root."""
        return self.home / "work"

    @property
    def output(self) -> Path:
        """The directory for the output of commands."""
        return self.home / "output"

    def make(self) -> None:
        """Make the directories."""
        for directory in (self.work, self.output, self.home / "user", self.home / "site"):
            directory.mkdir(parents=True)

    def read_lock(self) -> bytes:
        """Return the bytes of ``dvc.lock``; empty without the file."""
        lock = self.work / "dvc.lock"
        return lock.read_bytes() if lock.exists() else b""


def build_repository(home: Path, files: Mapping[str, bytes], programs: Programs) -> Repository:
    """Build a repository with these files, committed, before its first run.

    Args:
        home: a directory that does not exist yet.
        files: contents by path.
    """
    repository = Repository(home)
    repository.make()
    _call(repository, programs, "git", "init", "--quiet", "--initial-branch=main")
    _call(repository, programs, *programs.dvc.command, "init", "--quiet")
    for path, content in files.items():
        target = repository.work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    commit_all(repository, programs)
    return repository


def graph_files(graph: Graph) -> dict[str, bytes]:
    """Return the files of a graph's repository before its first run."""
    return {"dvc.yaml": graph.dvc_yaml().encode(), graph.source: graph.source_content}


def write_done_state(repository: Repository, graph: Graph) -> None:
    """Write the result of a run of all stages: outs, cache objects, lock and ignored names.

    Thousands of stages take minutes to run. The tests check that DVC finds nothing to do here.
    """
    cache = repository.work / ".dvc" / "cache" / "files" / "md5"
    for stage in graph.stages:
        (repository.work / stage.out).write_bytes(stage.content)
        digest = md5(stage.content)
        cached = cache / digest[:2] / digest[2:]
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(stage.content)
        cached.chmod(0o444)
    ignored = "".join(f"/{stage.out}\n" for stage in graph.stages)
    (repository.work / ".gitignore").write_text(ignored, encoding="utf-8")
    (repository.work / "dvc.lock").write_text(graph.dvc_lock(), encoding="utf-8")


def commit_all(repository: Repository, programs: Programs) -> None:
    """Commit everything that Git does not ignore."""
    _call(repository, programs, "git", "add", "--all")
    _call(repository, programs, "git", "commit", "--quiet", "--allow-empty", "--message", "state")


@contextmanager
def copied(template: Repository, home: Path) -> Iterator[Repository]:
    """Copy a repository before its first run, and remove the copy at the end.

    Args:
        home: a directory that does not exist yet.
    """
    copy = Repository(home)
    try:
        copy.make()
        shutil.copytree(template.work, copy.work, symlinks=True, dirs_exist_ok=True)
        yield copy
    finally:
        shutil.rmtree(home)


def _call(repository: Repository, programs: Programs, *command: str) -> None:
    """Run a preparing command, which must succeed."""
    finished = subprocess.run(
        command,
        cwd=repository.work,
        env=programs.environment(repository.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if finished.returncode:
        name = Path(command[0]).name
        raise WrongRun(
            f"cannot prepare a repository: {name} {command[1]}: {finished.stderr.strip()}",
            f"try it by hand: {name} {command[1]}",
        )
