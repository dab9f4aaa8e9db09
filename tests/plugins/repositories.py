"""Fixtures of throw-away repositories, driven by the two command lines, `dvc` and `ml-assets`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.contract.forked_command import (
    DVC,
    DVC_PRELOADED,
    ML_ASSETS,
    ML_ASSETS_PRELOADED,
    ForkedCommand,
)
from tests.integration.contract.repository import Repository, Tools

SETTINGS = (("core.analytics", "false"), ("core.check_update", "false"))


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """Both command lines; their modules are imported once for all tests of a worker."""
    logs = tmp_path_factory.mktemp("logs")
    dvc = ForkedCommand(DVC, DVC_PRELOADED, logs / "dvc")
    ml_assets = ForkedCommand(ML_ASSETS, ML_ASSETS_PRELOADED, logs / "ml-assets")
    yield Tools(dvc, ml_assets)
    dvc.close()
    ml_assets.close()


@pytest.fixture(scope="session")
def empty_repository(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """An empty repository with Git and DVC; only ever copied."""
    repository = Repository(tmp_path_factory.mktemp("empty") / "origin", tools)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.dvc("init", "--quiet")
    for name, value in SETTINGS:
        repository.dvc("config", name, value)
    repository.commit("an empty DVC project")
    # The home has the bill of this environment and the database of advisories: each of them costs
    # the first command that needs it a second.
    for words in (("sbom",), ("check", "dependencies")):
        finished = repository.ml_assets(*words)
        assert finished.code == 0, finished
    shutil.rmtree(repository.project / ".ml-assets")
    return repository


@pytest.fixture
def repository(empty_repository: Repository, tmp_path: Path) -> Repository:
    """A fresh repository with Git and DVC."""
    return empty_repository.copy(tmp_path / "origin")
