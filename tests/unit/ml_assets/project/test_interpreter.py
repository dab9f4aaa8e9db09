"""The interpreter of a project: where it is looked for, and that no commit brings it along."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ml_assets.project.interpreter import (
    Interpreter,
    InterpreterOrigin,
    choose_interpreter,
)
from resources.errors import ConfigurationError
from resources.git.command import run_git

pytestmark = pytest.mark.process


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def find_interpreter(root: Path, named: str | None, variables: Mapping[str, str]) -> Path | None:
    found = choose_interpreter(root, named, variables)
    return found.path if found is not None else None


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


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """The environment of this program, which is not the project's."""
    return environment(tmp_path / "ours")


def environment(prefix: Path) -> Path:
    program(prefix / "bin" / "python")
    (prefix / "pyvenv.cfg").touch()
    return prefix


def choose(root: Path, ours: Path, *behind: Path, **variables: str) -> Interpreter:
    path = os.pathsep.join(str(one / "bin") for one in (ours, *behind))
    found = choose_interpreter(root, None, {"PATH": path, **variables}, ours)
    assert found is not None
    return found


def test_our_environment_gives_way_to_the_active_one(tmp_path: Path, ours: Path) -> None:
    active = environment(tmp_path / "active")
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        found = choose(tmp_path / "project", ours, **{name: str(active)})
        assert (found.path, found.origin) == (active / "bin" / "python", InterpreterOrigin.ACTIVE)
    assert (
        choose(tmp_path / "project", ours, VIRTUAL_ENV=str(ours)).origin
        is InterpreterOrigin.FOREIGN
    )


def test_our_environment_gives_way_to_one_behind_it_on_the_path(tmp_path: Path, ours: Path) -> None:
    behind = environment(tmp_path / "behind")
    found = choose(tmp_path / "project", ours, behind)
    assert found.path == behind / "bin" / "python"
    adapted = found.adapt({"PATH": f"{ours}/bin:{behind}/bin", "VIRTUAL_ENV": str(ours)})
    assert adapted["PATH"].startswith(f"{behind}/bin:")
    assert adapted["VIRTUAL_ENV"] == str(behind)


def test_our_environment_for_another_project_is_warned_about(tmp_path: Path, ours: Path) -> None:
    bare = program(tmp_path / "system" / "bin" / "python3").parent.parent
    found = choose(tmp_path / "project", ours, bare)
    assert found.origin is InterpreterOrigin.FOREIGN
    assert any(
        "warning: stages run in the environment of ml-assets" in one for one in found.notices
    )


def test_environment_of_an_application_gives_way_to_any_python(tmp_path: Path, ours: Path) -> None:
    bare = program(tmp_path / "system" / "bin" / "python3").parent.parent
    (ours / "uv-receipt.toml").touch()
    found = choose(tmp_path / "project", ours, bare)
    assert found.path == bare / "bin" / "python3"
    path = f"{ours}/bin:{bare}/bin"
    assert found.adapt({"PATH": path}) == {"PATH": f"{bare}/bin"}, "`python` is not ours"


def test_our_environment_in_the_project_is_its_own(tmp_path: Path) -> None:
    inside = environment(tmp_path / "project" / "env")
    found = choose(tmp_path / "project", inside)
    assert (found.origin, len(found.notices)) == (InterpreterOrigin.PATH, 1)


def test_our_environment_with_the_project_installed_is_its_own(tmp_path: Path, ours: Path) -> None:
    project = tmp_path / "project"
    record = ours / "lib" / "python3.11" / "site-packages" / "mine-1.dist-info" / "direct_url.json"
    record.parent.mkdir(parents=True)
    record.write_text(f'{{"dir_info": {{}}, "url": "{project.as_uri()}-other"}}')
    assert choose(project, ours).origin is InterpreterOrigin.FOREIGN
    record.write_text(f'{{"dir_info": {{}}, "url": "{project.as_uri()}"}}')
    assert choose(project, ours).origin is InterpreterOrigin.PATH


def test_first_python_on_the_path_leaves_the_variables_as_they_are(
    tmp_path: Path, ours: Path
) -> None:
    first = environment(tmp_path / "conda")
    variables = {"PATH": f"/nowhere:{first}/bin:{ours}/bin", "CONDA_PREFIX": str(first)}
    found = choose_interpreter(tmp_path / "project", None, variables, ours)
    assert found is not None and found.path == first / "bin" / "python"
    assert found.adapt(variables) == variables
