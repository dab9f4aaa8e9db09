"""Fixtures of the contract tests: two tools for each worker, fresh repositories, pairs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .comparison import Feature, Pair
from .forked_command import DVC, DVC_PRELOADED, ML_ASSETS, ML_ASSETS_PRELOADED, ForkedCommand
from .repository import Repository, Tools

SETTINGS = (("core.analytics", "false"), ("core.check_update", "false"))


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """Both command lines, each without paying for its imports every time."""
    logs = tmp_path_factory.mktemp("logs")
    dvc = ForkedCommand(DVC, DVC_PRELOADED, logs / "dvc")
    ml_assets = ForkedCommand(ML_ASSETS, ML_ASSETS_PRELOADED, logs / "ml-assets")
    yield Tools(dvc, ml_assets)
    dvc.close()
    ml_assets.close()


@pytest.fixture(scope="session")
def template(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with Git and DVC and nothing else; only ever copied."""
    repository = Repository(tmp_path_factory.mktemp("template") / "origin", tools)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.dvc("init", "--quiet")
    for name, value in SETTINGS:
        repository.dvc("config", name, value)
    repository.commit("an empty DVC project")
    return repository


@pytest.fixture
def repository(template: Repository, tmp_path: Path) -> Repository:
    """A fresh repository with Git and DVC."""
    return template.copy(tmp_path / "origin")


@pytest.fixture
def bare(tools: Tools, tmp_path: Path) -> Repository:
    """A fresh directory with neither Git nor DVC."""
    return Repository(tmp_path / "bare", tools)


PairOf = Callable[[Repository], Pair]


@pytest.fixture
def pair_of(tmp_path: Path) -> PairOf:
    """Make a pair of copies of a repository."""

    def make(repository: Repository) -> Pair:
        return Pair(repository.copy(tmp_path / "dvc"), repository.copy(tmp_path / "ml-assets"))

    return make


@pytest.fixture
def pair(repository: Repository, feature: Feature, pair_of: PairOf) -> Pair:
    """The pair of the feature that the test is parametrized with, built and committed."""
    feature.build(repository)
    repository.commit("a feature")
    return pair_of(repository)
