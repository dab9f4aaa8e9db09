"""Fixtures of signed commits: a repository, keys, and the files that trust one of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.commits.signed_repository import (
    ALICE,
    EXPIRED,
    MALLORY,
    PAST,
    REVOKED,
    Keyring,
    SignedRepository,
    allow,
    make_ssh_key,
)


@pytest.fixture
def repository(tmp_path: Path) -> SignedRepository:
    """A repository without commits."""
    return SignedRepository.create(tmp_path / "repository")


@pytest.fixture(scope="session")
def keyring() -> Iterator[Keyring]:
    """The GPG keys of everybody."""
    made = Keyring()
    for user in (ALICE, MALLORY, REVOKED):
        made.generate(user)
    made.generate(EXPIRED, *PAST.split(), life="1d")
    yield made
    made.close()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An SSH key of Alice's."""
    return make_ssh_key(tmp_path, "alice")


@pytest.fixture
def trusted(keyring: Keyring, key: Path) -> dict[str, bytes]:
    """The files that trust Alice."""
    return {"allowed-signers": allow(key), "alice.asc": keyring.export(ALICE)}
