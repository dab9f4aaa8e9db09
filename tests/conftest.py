"""What holds for every test: a clean environment, and nothing left out without being named.

A test marked `system("name")` needs a component of tools/system_packages.py. Where that is missing
the test is left out, and the last lines of the output say which and why. With CI=true nothing may
be left out: every skip, marked or not, is a failure. Both work under pytest-xdist, because the
decision is taken where the test runs and travels in its report.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Generator

import pytest

from tools.system_packages import COMPONENTS, explain_missing, find_executable

_SITE_CACHE = "DVC_SITE_CACHE_DIR"
#: The user's own: secrets of results and the database of advisories are made there on first use.
_OWN_DIRECTORIES = (_SITE_CACHE, "XDG_CONFIG_HOME", "XDG_DATA_HOME")
_HERMETIC = {
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_EMAIL": "author@example.invalid",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_COMMITTER_EMAIL": "committer@example.invalid",
    "GIT_COMMITTER_NAME": "Committer",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
}
_own_directory = pytest.StashKey[str]()


def in_ci() -> bool:
    """Say whether this is a CI job, where nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def pytest_configure(config: pytest.Config) -> None:
    """Take the user's settings and directories out of the tests.

    DVC's loggers write to what is standard error when it is first imported: here, and not in a test
    that has it captured and closes it.
    """
    os.environ.update(_HERMETIC)
    if not hasattr(config, "workerinput"):  # workers inherit the controller's directory
        config.stash[_own_directory] = tempfile.mkdtemp(prefix="tests-user-")
        for name in _OWN_DIRECTORIES:
            os.environ[name] = os.path.join(config.stash[_own_directory], name.lower())
    importlib.import_module("dvc")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the session alone has used."""
    directory = config.stash.get(_own_directory, None)
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out a test whose component is missing; fail one whose component nobody has listed."""
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
