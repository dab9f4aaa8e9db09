"""A platform that hosts a repository and runs jobs: a bare remote, fresh clones, real shells."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .job_file import INSTALLING, Job

#: A list of one float, pickled: what loads it can run nothing.
_TRAIN = r"""import pathlib

MODEL = b"\x80\x04]\x94G?\xf0\x00\x00\x00\x00\x00\x00a."

print("::error file=train.py::a stage said so")
pathlib.Path("model.pkl").write_bytes(MODEL)
"""
_DVC = """\
stages:
  prepare:
    cmd: sort raw.txt > data.txt
    deps: [raw.txt]
    outs: [data.txt]
  train:
    cmd: python3 train.py
    deps: [data.txt, train.py]
    outs: [model.pkl]
  evaluate:
    cmd: printf '{"size":%d,"rows":%d}' $(wc -c < model.pkl) $(wc -l < data.txt) > metrics.json
    deps: [data.txt, model.pkl]
    metrics: [{metrics.json: {cache: false}}]
"""
FILES = {
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
    ".gitignore": "/data.txt\n/model.pkl\n/.ml-assets/state\n",
    "dvc.yaml": _DVC,
    "metrics.json": '{"size":15,"rows":1}',
    "raw.txt": "1\n2\n",
    "requirements.txt": "example==1.0\n",
    "train.py": _TRAIN,
}
#: What bandit calls B602, of high severity and high confidence.
DIRTY = "import subprocess\n\nsubprocess.call('ls ' + input(), shell=True)\n"


@dataclass(frozen=True)
class Finished:
    """What came of a job: of the first command that failed, else of the last one.

    Attributes:
        left_out: names of the steps that only install.
    """

    code: int
    output: str
    errors: str
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        """Show everything that a failed assertion should show."""
        return f"exit code {self.code}\n--- stdout\n{self.output}\n--- stderr\n{self.errors}"


class Hosting:
    """A repository with ``main``, ``develop`` and a pull request, and a runner for its jobs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.origin = home / "origin.git"
        self.author = home / "author"
        self.workspace = home / "runner" / "work"
        self.temporary = home / "runner" / "temp"
        self.summary = home / "runner" / "step-summary.md"
        self.temporary.mkdir(parents=True)
        (home / "user").mkdir()
        self.git(home, "init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        self.git(home, "clone", "--quiet", str(self.origin), str(self.author))
        self.push("main", FILES)
        self.push("develop", {"README.md": "what is tried\n"})

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return what a job's commands get: little, and nothing of who runs the tests."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home / "user"),
            "LC_ALL": "C.UTF-8",
            "CI": "true",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.home / "site"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Author",
            "GIT_AUTHOR_EMAIL": "author@example.invalid",
            "GIT_COMMITTER_NAME": "Author",
            "GIT_COMMITTER_EMAIL": "author@example.invalid",
            **more,
        }

    def git(self, directory: Path, *arguments: str) -> str:
        """Run Git, which must succeed."""
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            env=self.environment({}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout.strip()

    def push(self, branch: str, files: Mapping[str, str], *, ref: str | None = None) -> str:
        """Push a commit with these files, on top of what is checked out, and return it."""
        self.git(self.author, "checkout", "--quiet", "-B", branch)
        for path, text in files.items():
            (self.author / path).parent.mkdir(parents=True, exist_ok=True)
            (self.author / path).write_text(text, encoding="utf-8")
        self.git(self.author, "add", "--all", "--force")
        self.git(self.author, "commit", "--quiet", "--allow-empty", "--message", "a state")
        target = ref or f"refs/heads/{branch}"
        self.git(self.author, "push", "--quiet", "--force", "origin", f"HEAD:{target}")
        return self.git(self.author, "rev-parse", "HEAD")

    def check_out(self, ref: str, branch: str | None = None) -> str:
        """Make a fresh clone as a platform's runner does, and return its commit.

        Args:
            branch: to be on; None leaves HEAD detached, as in jobs of pull requests.
        """
        self.workspace.mkdir(parents=True)
        self.git(self.workspace, "init", "--quiet", "--initial-branch=unborn")
        self.git(self.workspace, "remote", "add", "origin", f"file://{self.origin}")
        wanted = ("+refs/heads/*:refs/remotes/origin/*", f"+{ref}:refs/remotes/job")
        self.git(self.workspace, "fetch", "--quiet", "origin", *wanted)
        switch = ("-B", branch) if branch is not None else ("--detach",)
        self.git(self.workspace, "checkout", "--quiet", *switch, "refs/remotes/job")
        return self.git(self.workspace, "rev-parse", "HEAD")

    def run(self, job: Job, variables: Mapping[str, str]) -> Finished:
        """Run the commands of a job, each in a shell of its own as the platform starts it."""
        environment = self.environment({**variables, **job.variables})
        finished = Finished(0, "", "", ())
        for step in job.steps:
            if step.name in INSTALLING:
                finished = replace(finished, left_out=(*finished.left_out, step.name))
                continue
            if finished.code != 0 and not step.always:
                continue
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.command],
                cwd=self.workspace,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            finished = replace(
                finished,
                code=finished.code or done.returncode,
                output=finished.output + done.stdout,
                errors=finished.errors + done.stderr,
            )
        return finished
