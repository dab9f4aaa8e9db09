"""A throw-away Git + DVC repository: files, Git commands, and DVC's own Repo in this process."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from resources.dvc.graph.manifest import Manifest

if TYPE_CHECKING:
    from dvc.repo import Repo


class DvcProject:
    """A working tree whose root holds ``.git`` and ``.dvc``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        """Run Git, which must succeed, and return its output without the last newline."""
        finished = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, f"git {arguments}: {finished.stderr}"
        return finished.stdout.removesuffix("\n")

    def commit(self) -> str:
        """Commit everything that is not ignored and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a state")
        return self.git("rev-parse", "HEAD")

    def write(self, path: str, content: str | bytes, *, executable: bool = False) -> Path:
        """Write a file, with its directories."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        if executable:
            file.chmod(0o755)
        return file

    def stages(self, stages: dict[str, Any], path: str = "dvc.yaml", **more: Any) -> None:
        """Write a ``dvc.yaml`` with these stages; ``more`` are its other sections."""
        self.write(path, yaml.safe_dump({**more, "stages": stages}, sort_keys=False))

    @contextmanager
    def dvc(self) -> Iterator["Repo"]:
        """Open the repository with DVC itself."""
        from dvc.repo import Repo

        with Repo(os.fspath(self.root)) as repo:
            yield repo

    def add(self, *paths: str) -> dict[str, Any]:
        """Track a path with a real ``dvc add`` and return what its ``.dvc`` file says of it."""
        with self.dvc() as repo:
            repo.add([os.fspath(self.root / path) for path in paths])
        written = yaml.safe_load((self.root / f"{paths[-1]}.dvc").read_text())
        out: dict[str, Any] = written["outs"][0]
        return out

    def reproduce(self) -> None:
        """Run every stage with DVC, whose run cache works in the current directory only."""
        with chdir(self.root), self.dvc() as repo:
            repo.reproduce(all_pipelines=True)

    def locked(self) -> dict[str, dict[str, Any]]:
        """Return what ``dvc.lock`` records, by stage."""
        from dvc.utils.serialize import load_yaml

        stages: dict[str, dict[str, Any]] = load_yaml(str(self.root / "dvc.lock"))["stages"]
        return stages

    def manifest(self) -> Manifest:
        """Read the graph from DVC, past every cache."""
        from resources.dvc.graph.reader import read_manifest

        return read_manifest(self.root, None)

    def copy(self, root: Path) -> "DvcProject":
        """Copy everything to a directory that is not there yet."""
        shutil.copytree(self.root, root, symlinks=True)
        return DvcProject(root)


def create_project(root: Path) -> DvcProject:
    """Make an empty repository with a real ``git init`` and ``dvc init``."""
    from dvc.repo import Repo

    root.mkdir(parents=True)
    project = DvcProject(root)
    project.git("init", "--quiet", "--initial-branch=main")
    Repo.init(os.fspath(root)).close()
    project.commit()
    return project
