"""The interpreter of a project: where it is looked for, and that no commit brings it along."""

import os
from pathlib import Path

import pytest

from ml_assets.project.interpreter import find_interpreter
from resources.errors import ConfigurationError
from resources.git.command import run_git

pytestmark = pytest.mark.process


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_settings_come_first_then_the_projects_own_then_the_path(tmp_path: Path) -> None:
    first = program(tmp_path / "bin" / "python3")
    variables = {"PATH": str(first.parent)}
    root = tmp_path / "project"
    root.mkdir()

    assert find_interpreter(root, None, {"PATH": ""}) is None
    assert find_interpreter(root, None, variables) == first
    own = program(root / ".venv" / "bin" / "python")
    assert find_interpreter(root, None, variables) == own
    named = program(tmp_path / "other" / "python")
    assert find_interpreter(root, str(named), variables) == named


def test_interpreter_that_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="interpreter not found"):
        find_interpreter(tmp_path, "nowhere/python", os.environ)


def test_relative_directory_of_the_path_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "python3")
    monkeypatch.chdir(tmp_path)

    assert find_interpreter(tmp_path, None, {"PATH": "bin"}) is None


@pytest.mark.parametrize("named", [None, "tools/env/bin/python"])
def test_interpreter_that_git_tracks_is_refused(tmp_path: Path, named: str | None) -> None:
    path = program(tmp_path / (named or ".venv/bin/python"))
    run_git(tmp_path, "init", "--quiet")
    assert find_interpreter(tmp_path, named, {}) == path, "it is there, and no commit has it"
    run_git(tmp_path, "add", "--force", str(path))

    with pytest.raises(ConfigurationError, match="Python environment tracked by Git"):
        find_interpreter(tmp_path, named, {})


def test_file_beside_an_environment_may_be_tracked(tmp_path: Path) -> None:
    path = program(tmp_path / "tools" / "env" / "bin" / "python")
    (tmp_path / "tools" / "lint.py").write_text("")
    run_git(tmp_path, "init", "--quiet")
    run_git(tmp_path, "add", "tools/lint.py")

    assert find_interpreter(tmp_path, "tools/env/bin/python", {}) == path
