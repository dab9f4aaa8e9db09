"""Fixtures of the tests of watching: one server on one repository for a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .pushed import make_pushed
from .service import Service, serve

#: Most tests have a branch of their own, so that none waits for what another has left.
BRANCHES = (
    "main",
    "develop",
    "forced",
    "again",
    "ignored",
    "several",
    "drawn",
    "missing",
    "broken",
    "cyclic",
)
SETTINGS = f"""\
[watch]
interval = 1
branches = {list(BRANCHES)}
ignore = ["*.md", "docs/*"]
runs = 2
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server over a repository that had a history when it was first seen."""
    pushed = make_pushed(tmp_path_factory.mktemp("watched"), SETTINGS)
    for number in range(3):
        pushed.push("main", {"depth.txt": f"old {number}\n"})
    for branch in BRANCHES[1:]:
        pushed.git("push", "--quiet", "origin", f"main:refs/heads/{branch}")
    with serve(pushed) as service:
        service.wait_for_tick()
        yield service
