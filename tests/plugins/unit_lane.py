"""The unit lane: the tests below tests/unit that start no process and open no connection.

`make test-fast` runs it. A test that needs a real tool, Git, a child process or a server is marked
`process`, and runs in `make test`. An audit hook holds the rule: it refuses the attempt of a test
without the mark, and the test fails even where the tested code swallows the refusal.
"""

from __future__ import annotations

import multiprocessing.util
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

UNIT = Path(__file__).resolve().parents[1] / "unit"
MARKER = "process"
#: CPython's audit events for a new process and for the network.
FORBIDDEN = frozenset(
    {
        "multiprocessing.spawn",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.sendto",
        "subprocess.Popen",
    }
)
#: Libraries ask the system about itself: Dagster's import for the word size, joblib for the cores.
PROBES = frozenset({"file", "lscpu"})


class UnitLane:
    """The rule, for one test at a time."""

    def __init__(self) -> None:
        """Start without a test."""
        self._holds = False
        self._attempts: list[str] = []

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse what a unit test must not do."""
        if not self._holds or event not in FORBIDDEN:
            return
        subject = arguments[1] if len(arguments) > 1 else arguments[0]
        if event == "subprocess.Popen" and os.fspath(subject[0]) in PROBES:
            return
        self._attempts.append(f"{event}: {subject!r}")
        pytest.fail(_refusal(self._attempts[0]))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold the rule over the set-up, the call and the tear-down of a unit test."""
        in_lane = item.path.is_relative_to(UNIT) and item.get_closest_marker(MARKER) is None
        self._holds = in_lane
        try:
            return (yield)
        finally:
            self._holds = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a phase that swallowed the refusal."""
        report = yield
        if self._attempts and report.passed:
            report.outcome = "failed"
            report.longrepr = _refusal(self._attempts[0])
        self._attempts.clear()
        return report


def _refusal(attempt: str) -> str:
    return f"outside the unit lane, mark the test with @pytest.mark.{MARKER}: {attempt}"


def pytest_configure(config: pytest.Config) -> None:
    """Install the rule in each process that runs tests; an audit hook stays until its end."""
    lane = UnitLane()
    sys.addaudithook(lane.audit)
    spawn = multiprocessing.util.spawnv_passfds  # starts a process without an audit event

    def audited_spawn(path: bytes, args: list[bytes], passfds: list[int]) -> int:
        lane.audit("multiprocessing.spawn", (path, args))
        return spawn(path, args, passfds)

    multiprocessing.util.spawnv_passfds = audited_spawn
    config.pluginmanager.register(lane, "unit-lane-rule")
