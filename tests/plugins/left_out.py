"""Tests that are left out: named with the reason at the end, and not allowed in CI.

A test marked `system("name")` needs a component of tools/system_packages.py. Without the component
the test is skipped, and the last lines of the output name it and the reason. With CI=true every
skip, marked or not, is a failure. Both work under pytest-xdist: the worker decides, and the
decision travels in the report.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tools.system_packages import COMPONENTS, explain_missing, find_executable


def in_ci() -> bool:
    """Say whether this is a CI job."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose component is missing; fail one whose component is not listed."""
    known = {component.name for component in COMPONENTS}
    for marker in item.iter_markers("system"):
        unknown = sorted(set(marker.args) - known)
        if unknown or not marker.args:
            pytest.fail(f"not listed in tools/system_packages.py: {unknown}", pytrace=False)
        for name in marker.args:
            if find_executable(name) is None:
                pytest.skip(explain_missing(name, os.environ))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test left out in CI into a failure."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"left out, which CI does not allow: {left_out_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module left out in CI into an error."""
    report = yield
    if in_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"left out, which CI does not allow: {left_out_reason(report)}"
    return report


def left_out_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the reason that a skipped report gives."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    """Name the tests left out, and why, just above the last line."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section(f"left out: {len(skipped)}")
    for report in sorted(skipped, key=lambda report: str(report.nodeid)):
        terminalreporter.write_line(f"{report.nodeid}: {left_out_reason(report)}")
