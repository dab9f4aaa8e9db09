"""The bundled advisories, indexed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resources.advisory_feed.store import AdvisoryStore
from security.advisories.database import AdvisoryDatabase
from tests.osv_records import NOW


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdvisoryDatabase]:
    """Index the bundled snapshot."""
    store = AdvisoryStore(tmp_path_factory.mktemp("advisories"))
    with store.load_or_index(now=NOW) as database:
        yield database
