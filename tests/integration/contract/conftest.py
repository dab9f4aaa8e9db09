"""Fixtures of the contract tests: a bare directory, and pairs of copies to compare."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .comparison import Feature, Pair
from .repository import Repository, Tools


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
