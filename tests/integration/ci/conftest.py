"""Fixtures of the tests of CI files: a repository to write them into."""

import pytest

from tests.integration.contract.repository import Repository


@pytest.fixture
def project(repository: Repository) -> Repository:
    """An empty DVC project, committed on the protected branch."""
    return repository
