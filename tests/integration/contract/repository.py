"""Throw-away Git + DVC repositories: build one, copy it, run DVC or ml-assets in it, look at it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .forked_command import ForkedCommand

# DVC runs a stage's command with $SHELL, so a shell that takes notes shows which commands really
# ran, in which stage and directory, with no trust in what either tool reports.
NOTING_SHELL = """#!/bin/sh
printf '%s\\t%s\\t%s\\0' "$DVC_STAGE" "${PWD#"$DVC_ROOT"}" "$2" >>"$CONTRACT_NOTES"
exec /bin/sh "$@"
"""
COMMAND_SECONDS = 120

Commands = dict[str, list[tuple[str, str]]]
"""Stage address to the (directory, command) pairs that ran, in order."""


@dataclass(frozen=True)
class Finished:
    """What one command left behind: exit code, output, and the stage commands it ran."""

    code: int
    stdout: str
    stderr: str
    ran: Commands

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output; anything else there is an error."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict), self.stdout
        return document

    def __str__(self) -> str:
        """Show everything that a failed assertion should show."""
        return f"exit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


@dataclass(frozen=True)
class Tools:
    """The two command lines that are compared."""

    dvc: ForkedCommand
    ml_assets: ForkedCommand


class Repository:
    """One working tree with everything that belongs to it: DVC's state, settings, a home.

    Layout below `home`: `work/` is the Git root, `outside/` is for what lies outside of it, `user/`
    is $HOME, `site/` is DVC's site cache. Copies share nothing.
    """

    def __init__(self, home: Path, tools: "Tools", below: str = ".") -> None:
        """Open the repository at `home`; `below` is the DVC root relative to the Git root."""
        self.home = home
        self.below = below
        self.tools = tools
        self.outside.mkdir(parents=True, exist_ok=True)
        self.notes.parent.mkdir(exist_ok=True)
        self.root.mkdir(parents=True, exist_ok=True)
        shell = self.home / "noting-sh"
        if not shell.exists():
            shell.write_text(NOTING_SHELL, encoding="utf-8")
            shell.chmod(0o755)

    @property
    def root(self) -> Path:
        """The Git root."""
        return self.home / "work"

    @property
    def project(self) -> Path:
        """The DVC root."""
        return self.root / self.below

    @property
    def outside(self) -> Path:
        """A directory outside of the Git root that is copied with the repository."""
        return self.home / "outside"

    @property
    def notes(self) -> Path:
        """Where the noting shell writes: in a directory of its own.

        A stage can make no file directly in what lies above the user's keys, as `home` does.
        """
        return self.home / "notes" / "commands"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of every command: little, and nothing of the user's settings."""
        user = self.home / "user"
        user.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(user),
            "LC_ALL": "C.UTF-8",
            "SHELL": str(self.home / "noting-sh"),
            "CONTRACT_NOTES": str(self.notes),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.home / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(user / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(user / "dvc-system"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Contract",
            "GIT_AUTHOR_EMAIL": "contract@example.invalid",
            "GIT_COMMITTER_NAME": "Contract",
            "GIT_COMMITTER_EMAIL": "contract@example.invalid",
            "GIT_AUTHOR_DATE": "2024-01-01T00:00:00+0000",
            "GIT_COMMITTER_DATE": "2024-01-01T00:00:00+0000",
            **(extra or {}),
        }

    def write(self, path: str, content: str | bytes, executable: bool = False) -> Path:
        """Write a file below the DVC root, with its parents."""
        target = self.project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        target.write_bytes(data)
        if executable:
            target.chmod(0o755)
        return target

    def write_yaml(self, path: str, content: Mapping[str, Any]) -> Path:
        """Write a YAML file with its keys in the order given."""
        return self.write(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def stages(self, stages: Mapping[str, Any], path: str = "dvc.yaml", **more: Any) -> None:
        """Write a `dvc.yaml` with these stages; `more` are its other sections."""
        self.write_yaml(path, {**more, "stages": stages})

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file that must contain it."""
        target = self.project / path
        text = target.read_text(encoding="utf-8")
        assert old in text, f"{path} does not contain: {old}"
        target.write_text(text.replace(old, new), encoding="utf-8")

    def remove(self, *paths: str) -> None:
        """Remove files or directories that must exist."""
        for path in paths:
            target = self.project / path
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink()

    def git(self, *arguments: str, directory: Path | None = None) -> str:
        """Run Git, which must succeed, and return its output."""
        finished = subprocess.run(
            ["git", *arguments],
            cwd=directory or self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"git {arguments}: {finished.stderr}"
        return finished.stdout

    def commit(self, message: str = "a state") -> None:
        """Commit everything that Git does not ignore."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def try_dvc(self, *arguments: str) -> Finished:
        """Run a real DVC command at the DVC root, whatever its exit code."""
        return self._run_forked(self.tools.dvc, list(arguments), self.project, {})

    def _run_forked(
        self, tool: ForkedCommand, arguments: list[str], directory: Path, extra: Mapping[str, str]
    ) -> Finished:
        stdout, stderr = self.home / "stdout", self.home / "stderr"
        self.notes.unlink(missing_ok=True)
        environment = self.environment(extra)
        code = tool.run(arguments, directory, environment, stdout=stdout, stderr=stderr)
        return Finished(
            code,
            stdout.read_text(encoding="utf-8", errors="replace"),
            stderr.read_text(encoding="utf-8", errors="replace"),
            self.ran(),
        )

    def dvc(self, *arguments: str) -> Finished:
        """Run a real DVC command at the DVC root, which must succeed."""
        finished = self.try_dvc(*arguments)
        assert finished.code == 0, f"dvc {arguments}: {finished}"
        return finished

    def repro(self, *arguments: str) -> Finished:
        """Run `dvc repro` over every `dvc.yaml`, which must succeed."""
        return self.dvc("repro", "--all-pipelines", *arguments)

    def script(self, *arguments: str, project: str | None = None) -> list[str]:
        """Return a command line of the installed console script; `project` as in `ml_assets`."""
        script = Path(sys.executable).with_name("ml-assets")
        return [str(script), *self._with_project(arguments, project)]

    def _with_project(self, arguments: tuple[str, ...], project: str | None) -> list[str]:
        place = str(self.project) if project is None else project
        return [*(["--project", place] if place else []), *arguments]

    def ml_assets(
        self,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        directory: Path | None = None,
        project: str | None = None,
    ) -> Finished:
        """Run ml-assets, where not told otherwise from a directory outside of the project.

        `project` is what follows `--project`: the DVC root where None, nothing where empty.
        """
        words = self._with_project(arguments, project)
        return self._run_forked(self.tools.ml_assets, words, directory or self.outside, extra or {})

    def ml_assets_script(self, *arguments: str, extra: Mapping[str, str] | None = None) -> Finished:
        """Run the installed console script, without any of this module's short cuts."""
        self.notes.unlink(missing_ok=True)
        finished = subprocess.run(
            self.script(*arguments),
            cwd=self.outside,
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Finished(finished.returncode, finished.stdout, finished.stderr, self.ran())

    def run(self, *arguments: str) -> Finished:
        """Run `ml-assets run --json`, which must succeed."""
        finished = self.ml_assets("run", "--json", *arguments)
        assert finished.code == 0, f"ml-assets run: {finished}"
        return finished

    def ran(self) -> Commands:
        """Read what the noting shell wrote since the last command began."""
        commands: Commands = {}
        if self.notes.exists():
            text = self.notes.read_text(encoding="utf-8", errors="replace")
            for note in text.split("\0")[:-1]:
                stage, directory, command = note.split("\t", 2)
                commands.setdefault(stage, []).append((directory, command))
        return commands

    def copy(self, home: Path) -> "Repository":
        """Copy everything but DVC's site cache to another home."""
        shutil.copytree(self.home, home, symlinks=True, ignore=shutil.ignore_patterns("site"))
        return Repository(home, self.tools, self.below)
