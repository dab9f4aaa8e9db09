"""Fixtures of the tests of proofs: the project of the gates' tests, run, so that all is signed."""

import pytest

from tests.integration.contract.conftest import (  # noqa: F401  # fixtures of another directory
    repository,
    template,
    tools,
)
from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import build
from tests.integration.proof.soft_token import SETTINGS, SoftToken


@pytest.fixture
def proven(repository: Repository) -> Repository:  # noqa: F811
    """Three stages, committed and run: data, a model of it, and a number about the model."""
    build(repository)
    repository.write("raw.txt", "2\n1\n")  # sorting has to change it
    repository.commit("train and evaluate")
    repository.run()
    return repository


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """Return a token; tests only read it."""
    return SoftToken(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def project(repository: Repository, token: SoftToken) -> Repository:  # noqa: F811
    """Three stages, and settings that have the token sign."""
    build(repository)
    repository.write(SETTINGS, token.settings())
    repository.commit("a pipeline that the token signs")
    return repository
