"""Fixtures of a private Sigstore on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.private_sigstore.server import PrivateSigstore


@pytest.fixture(scope="session")
def served() -> Iterator[PrivateSigstore]:
    """The services, started once for all tests of a worker."""
    from tests.private_sigstore.server import PrivateSigstore  # the unit lane does not need it

    with PrivateSigstore() as server:
        yield server


@pytest.fixture
def sigstore(served: PrivateSigstore) -> Iterator[PrivateSigstore]:
    """The services, without faults at the start of each test."""
    yield served
    served.restore()
