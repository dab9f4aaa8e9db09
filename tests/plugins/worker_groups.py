"""Worker groups: tests that run one after another, on one worker of pytest-xdist.

Each of these starts servers, or shares a costly fixture. The marker ``xdist_group`` of pytest-xdist
3.8 has no effect with pytest 9.2, so a scheduler groups the tests by their path.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

#: Groups by the start of a test's path.
GROUPS = {
    "tests/e2e/": "browser",
    "tests/integration/watch/test_kills.py": "watch",
    "tests/integration/watch/test_pushes.py": "watch",
    "tests/integration/watch/test_scale.py": "watch",
    "tests/integration/watch/test_served_checkout.py": "watch",
    "tests/integration/proof/test_run_endings.py": "run endings",
    "tests/integration/test_bills.py": "bills",
    "tests/unit/ml_assets/test_import_cost.py": "import cost",
}


class GroupScheduling(LoadScopeScheduling):
    """Hands out tests one by one, and a group as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        found = (group for path, group in GROUPS.items() if nodeid.startswith(path))
        return next(found, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Return the scheduler of ``--dist loadgroup``."""
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
