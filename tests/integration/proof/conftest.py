"""Fixtures of the tests of proofs: the project of the gates' tests, run, so that all is signed."""

import pytest

from tests.integration.contract.conftest import (  # noqa: F401  # fixtures of another directory
    repository,
    template,
    tools,
)
from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import build


@pytest.fixture
def proven(repository: Repository) -> Repository:  # noqa: F811
    """Three stages, committed and run: data, a model of it, and a number about the model."""
    build(repository)
    repository.write("raw.txt", "2\n1\n")  # sorting has to change it
    repository.commit("train and evaluate")
    repository.run()
    return repository
