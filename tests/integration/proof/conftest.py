"""Fixtures of the tests of proofs: a signed run, and a project that a token signs."""

from pathlib import Path

import pytest

from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import build
from tests.integration.proof.soft_token import SETTINGS, SoftToken


@pytest.fixture(scope="session")
def signed_run(
    empty_repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    """Three stages, committed and run, with all statements signed; only ever copied."""
    repository = empty_repository.copy(tmp_path_factory.mktemp("signed") / "origin")
    build(repository)
    repository.write("raw.txt", "2\n1\n")  # sorting has to change it
    repository.commit("train and evaluate")
    repository.run()
    return repository


@pytest.fixture
def proven(signed_run: Repository, tmp_path: Path) -> Repository:
    """A copy of three stages that have run: data, a model of it, and a number about the model."""
    return signed_run.copy(tmp_path / "origin")


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """Return a token; tests only read it."""
    return SoftToken(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def project(repository: Repository, token: SoftToken) -> Repository:
    """Three stages, and settings that have the token sign."""
    build(repository)
    repository.write(SETTINGS, token.settings())
    repository.commit("a pipeline that the token signs")
    return repository
