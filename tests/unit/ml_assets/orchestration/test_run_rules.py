"""The rules of a Dagster run are those of its first step, and no stage can change them."""

import json
from pathlib import Path

import pytest

from ml_assets.orchestration.run_rules import resolve_rules
from ml_assets.project.project import Project
from resources.errors import ConfigurationError
from tests.unit.resources.dvc_project import DvcProject, create_project

pytestmark = pytest.mark.process

RUN, OTHER = "run-1", "run-2"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DvcProject:
    """A repository with one commit on ``main``, and a secret of this test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return create_project(tmp_path / "project")


def test_later_steps_have_the_rules_of_the_first_one(repository: DvcProject) -> None:
    project = Project(repository.root)
    start = repository.git("rev-parse", "HEAD")

    assert resolve_rules(project, RUN).commit == start
    later = repository.commit()

    assert resolve_rules(project, RUN).commit == start
    assert resolve_rules(project, OTHER).commit == later


@pytest.mark.parametrize("forgery", ["commit", "seal", "other run", "no json", "another list"])
def test_changed_rules_end_the_run(repository: DvcProject, forgery: str) -> None:
    project = Project(repository.root)
    resolve_rules(project, RUN)
    resolve_rules(project, OTHER)
    file = repository.root / ".ml-assets" / "state" / "rules" / RUN
    document = json.loads(file.read_bytes())
    forged = {
        "commit": {**document, "body": json.dumps(["rules", RUN, ["main", repository.commit()]])},
        "seal": {**document, "seal": "0" * 64},
        "other run": json.loads(file.with_name(OTHER).read_bytes()),
        "no json": "x",
        "another list": {**document, "body": "[1, 2]"},
    }[forgery]
    file.write_text(json.dumps(forged))

    with pytest.raises(ConfigurationError, match="rules of this run were modified"):
        resolve_rules(project, RUN)


def test_without_a_protected_branch_the_working_tree_rules(tmp_path: Path) -> None:
    repository = create_project(tmp_path / "project")
    repository.git("branch", "--move", "main", "feature")

    for _ in range(2):
        assert resolve_rules(Project(repository.root), RUN).commit is None
