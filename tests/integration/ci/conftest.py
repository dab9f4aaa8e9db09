"""Fixtures of the tests of CI files: a repository to write them into."""

import pytest

from tests.integration.contract.conftest import (  # noqa: F401  # fixtures of another directory
    repository,
    template,
    tools,
)
from tests.integration.contract.repository import Repository


@pytest.fixture
def project(repository: Repository) -> Repository:  # noqa: F811
    """An empty DVC project, committed on the protected branch."""
    return repository
