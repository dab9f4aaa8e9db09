"""Fixtures of the contract tests: directories, pairs of copies to compare, and an S3 server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .comparison import Feature, Pair
from .published import build, publish
from .repository import Repository, Tools
from .s3_server import S3Server, s3


@pytest.fixture
def bare(tools: Tools, tmp_path: Path) -> Repository:
    """A fresh directory with neither Git nor DVC."""
    return Repository(tmp_path / "bare", tools)


@pytest.fixture(scope="module")
def origin(empty_repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository that is published to a directory; only ever cloned."""
    repository = empty_repository.copy(tmp_path_factory.mktemp("origin") / "origin")
    build(repository)
    publish(repository, str(repository.outside / "store"))
    return repository


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server, of which each test has a bucket of its own."""
    with s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


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
