"""Fixtures of the composer's tests."""

from pathlib import Path

import pytest

from tests.unit.resources.dvc_project import DvcProject


@pytest.fixture
def repository(empty_project: DvcProject, tmp_path: Path) -> DvcProject:
    """A fresh repository with Git and DVC."""
    return empty_project.copy(tmp_path / "repository")
