"""The site of all attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .site import Site, serve_site


@pytest.fixture(scope="package")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all tests."""
    with serve_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The server; after each test that has not looked, nothing is changed."""
    yield running_site
    assert not running_site.is_changed()
