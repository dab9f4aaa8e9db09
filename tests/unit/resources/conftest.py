"""Fixtures of the resources' tests: an empty repository, made once and copied for each test."""

from pathlib import Path

import pytest

from tests.unit.resources.dvc_project import DvcProject, create_project


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A repository with Git and DVC and nothing else; only ever copied."""
    return create_project(tmp_path_factory.mktemp("template") / "project")


@pytest.fixture
def project(empty_project: DvcProject, tmp_path: Path) -> DvcProject:
    """A fresh repository with Git and DVC."""
    return empty_project.copy(tmp_path / "project")
