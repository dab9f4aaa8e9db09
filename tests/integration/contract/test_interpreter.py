"""Which Python a stage gets: the project's own, said at the start, and named in its provenance."""

import os
import sys
from pathlib import Path

import pytest

from .repository import Repository

OURS = Path(sys.prefix, "bin")
SHOW = 'python -c \'import sys; open("prefix", "w").write(sys.prefix)\''


@pytest.fixture
def shows(repository: Repository) -> Repository:
    repository.stages({"show": {"cmd": SHOW, "outs": ["prefix"]}})
    repository.write(".gitignore", "/.venv\n")
    repository.commit()
    return repository


def make_environment(root: Path) -> None:
    """Make an environment without packages, as `python -m venv --without-pip` does."""
    (root / "bin").mkdir(parents=True)
    base = os.path.realpath(sys.executable)
    (root / "bin" / "python").symlink_to(base)
    (root / "pyvenv.cfg").write_text(f"home = {os.path.dirname(base)}\n")


def test_stages_run_in_the_projects_environment_and_not_in_ours(shows: Repository) -> None:
    make_environment(shows.project / ".venv")
    path = {"PATH": f"{OURS}{os.pathsep}{os.environ['PATH']}"}

    finished = shows.ml_assets("run", "--json", extra=path)

    assert finished.code == 0, finished
    assert (shows.project / "prefix").read_text() == str(shows.project / ".venv")
    said = f"Python of stages and gates: {shows.project}/.venv/bin/python (the project's .venv)"
    assert said in finished.stderr.splitlines()[0] and "warning" not in finished.stderr


def test_our_environment_for_another_project_is_warned_about(shows: Repository) -> None:
    finished = shows.ml_assets("run", "--json", extra={"PATH": f"{OURS}:/usr/bin:/bin"})

    assert finished.code == 0, finished
    assert (shows.project / "prefix").read_text() == sys.prefix
    assert "warning: stages run in the environment of ml-assets" in finished.stderr


def test_setting_names_the_python_of_stages_too(shows: Repository) -> None:
    make_environment(shows.project / "elsewhere")
    shows.write("ml-assets.toml", '[gates]\npython = "elsewhere/bin/python"\n')
    shows.write(".gitignore", "/elsewhere\n")
    shows.commit()

    finished = shows.ml_assets("run", "--json")

    assert finished.code == 0, finished
    assert (shows.project / "prefix").read_text() == str(shows.project / "elsewhere")
