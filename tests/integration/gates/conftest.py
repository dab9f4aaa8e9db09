"""Fixtures of the tests of gates: a repository whose stages train and evaluate, on ``main``."""

import pytest

from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import build


@pytest.fixture
def project(repository: Repository) -> Repository:
    """The three stages, committed on the protected branch; nothing has run."""
    build(repository)
    repository.commit("train and evaluate")
    return repository
