"""The pushed repository: a bare remote, a checkout that pushes and one that is served, a home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

POLICY = """\
version = 1
[environments.materialize]
default = { level = "advisory" }
[environments.staging]
extends = "materialize"
branch = "develop"
[environments.staging.gates]
data = { level = "if-present", severity = "critical", missing-severity = "warn" }
"""

#: Both stages note the commit that they run at, so that a test need not believe any tool.
STAGES = """\
stages:
  prepare:
    cmd: echo "prepare $(git rev-parse HEAD)" >> {notes} && cp raw.txt data.txt
    deps: [raw.txt]
    outs: [data.txt]
  train:
    cmd: echo "train $(git rev-parse HEAD)" >> {notes} && cat data.txt depth.txt > model.txt
    deps: [data.txt, depth.txt]
    outs: [model.txt]
"""

#: What `dvc init` and `dvc remote add` write; the two commands cost two seconds.
_DVC = {
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvc/config": "[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n",
    ".dvcignore": "# Add patterns of files dvc should ignore, which could improve\n",
}
_KEPT = ("PATH", "TMPDIR", "LANG")


@dataclass(frozen=True)
class Pushed:
    """The repository.

    Attributes:
        home: holds everything, the home directory of all commands also.
    """

    home: Path

    @property
    def remote(self) -> Path:
        """The remote, which is bare."""
        return self.home / "remote.git"

    @property
    def work(self) -> Path:
        """The checkout of somebody who pushes."""
        return self.home / "work"

    @property
    def served(self) -> Path:
        """The checkout that a server is started in."""
        return self.home / "served"

    @property
    def store(self) -> Path:
        """The DVC remote."""
        return self.home / "store"

    @property
    def notes(self) -> Path:
        """Where stages note that they have run; they may write nothing directly above keys."""
        return self.home / "notes" / "stages.txt"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command: few, and none of the user's."""
        kept = {name: os.environ[name] for name in os.environ if name in _KEPT or "GIT_" in name}
        programs = str(Path(sys.executable).parent)
        user = self.home / "user"
        user.mkdir(exist_ok=True)
        return {
            **kept,
            "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
            "HOME": str(user),
            "XDG_STATE_HOME": str(user / "state"),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(user / "dvc-site"),
            "DVC_GLOBAL_CONFIG_DIR": str(user / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(user / "dvc-system"),
        }

    def must(self, *command: str, stdin: str = "", directory: Path | None = None) -> str:
        """Run a command in the checkout, which must succeed; return what it says."""
        done = subprocess.run(
            command,
            cwd=directory or self.work,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done}"
        return done.stdout.strip()

    def git(self, *arguments: str, stdin: str = "") -> str:
        """Run Git in the checkout; return what it says."""
        return self.must("git", *arguments, stdin=stdin)

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files of the checkout; None removes one."""
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")

    def commit(self, files: Mapping[str, str | None], message: str = "A change") -> str:
        """Commit what the checkout's branch is to hold; return the commit."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def switch(self, branch: str) -> None:
        """Let the checkout be on a branch, which is made where there is none."""
        known = self.git("branch", "--list", branch)
        there = self.git("branch", "--remotes", "--list", f"origin/{branch}")
        new = ["--no-track", "--create", branch, there or "main"]
        self.git("switch", "--quiet", *([branch] if known else new))

    def push(self, branch: str, files: Mapping[str, str | None], message: str = "A change") -> str:
        """Commit on a branch, and push it; return the commit."""
        self.switch(branch)
        commit = self.commit(files, message)
        self.git("push", "--quiet", "--force", "origin", branch)
        return commit

    def noted(self, commit: str) -> list[str]:
        """Return the stages that have run at a commit, in order."""
        lines = self.notes.read_text("utf-8").splitlines() if self.notes.exists() else []
        return [line.split()[0] for line in lines if line.endswith(commit)]

    def read_remote(self, ref: str) -> str | None:
        """Return what a reference of the remote names; None where there is none."""
        listed = self.git("ls-remote", str(self.remote), ref).split()
        return listed[0] if listed else None


def make_pushed(home: Path, settings: str, *, stages: str = STAGES) -> Pushed:
    """Make a repository with a pipeline, a DVC remote and one commit on ``main``, pushed."""
    home.mkdir(parents=True, exist_ok=True)
    pushed = Pushed(home)
    pushed.work.mkdir()
    pushed.store.mkdir()
    pushed.notes.parent.mkdir()
    pushed.must("git", "init", "--quiet", "--bare", "--initial-branch", "main", str(pushed.remote))
    pushed.git("init", "--quiet", "--initial-branch", "main")
    pushed.git("remote", "add", "origin", str(pushed.remote))
    pushed.commit(
        {
            **{name: text.format(store=pushed.store) for name, text in _DVC.items()},
            "dvc.yaml": stages.format(notes=pushed.notes),
            "raw.txt": "raw\n",
            "depth.txt": "1\n",
            "ml-assets.toml": settings,
            ".gitignore": "/data.txt\n/model.txt\n",
            ".ml-assets/policy.toml": POLICY,
        },
        "The pipeline",
    )
    pushed.git("push", "--quiet", "origin", "main")
    pushed.must("git", "clone", "--quiet", str(pushed.remote), str(pushed.served))
    return pushed
