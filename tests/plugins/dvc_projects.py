"""Fixtures of DVC projects that tests open in their own process."""

from __future__ import annotations

import pytest

from tests.unit.resources.dvc_project import DvcProject, create_project


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """An empty project with Git and DVC; only ever copied."""
    return create_project(tmp_path_factory.mktemp("empty") / "project")
