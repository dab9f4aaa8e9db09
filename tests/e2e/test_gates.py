"""What the UI shows of gates, and what it does with a click where one of them has failed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .sample import Sample
from .screen import Screen
from .server import Server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]

#: What the built-in policy lets no stage run beside: a shell that is told what to do from outside.
DIRTY = "import subprocess\n\nsubprocess.call('ls ' + input(), shell=True)\n"
MENDED = "import os\n\nprint(os.listdir())\n"
HELPER = "code/helper.py"
CHECK = "/assets/main/source?view=checks&checkDetail=code_security"
REFUSAL = (
    "gates refuse stage evaluate: code-security of source: failed: 1 finding fails:"
    f" B602 at {HELPER}:3"
)


def _run_dirty(sample: Sample) -> None:
    """Plant code that fails, and let a run on the command line say so."""
    sample.write(HELPER, DIRTY)
    finished = sample.run("ml-assets", "run", "--json")
    assert finished.code == 1, finished


def test_failed_gate_shows_its_verdict_and_a_table_of_findings(
    screen: Screen, sample: Sample
) -> None:
    """What a run on the command line found is on the source asset, line by line."""
    _run_dirty(sample)
    screen.open(CHECK)
    expect(screen.value("verdict")).to_have_text("failed")
    expect(screen.page.get_by_text(f"1 finding fails: B602 at {HELPER}:3")).to_be_visible()
    rows = screen.page.locator("tr").filter(has_text="B602").last.locator("td")
    expect(rows).to_contain_text(["failing", "B602", "high", f"{HELPER}:3", "shell=True"])


def test_check_that_is_executed_in_the_ui_judges_the_code_as_it_is_now(
    screen: Screen, sample: Sample
) -> None:
    """Failed until the code was mended, and passed then, with no finding left."""
    _run_dirty(sample)
    screen.open(CHECK)
    expect(screen.value("verdict")).to_have_text("failed")
    sample.write(HELPER, MENDED)
    screen.button("Execute").click()
    expect(screen.value("verdict")).to_have_text("passed", timeout=60_000)
    expect(screen.value("table of findings")).to_have_count(0)
    assert sample.ran() == []


def test_all_checks_of_the_source_are_executed_with_one_click(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """Every one of them has a result afterwards."""
    sample.write(HELPER, MENDED)
    server.reload()
    screen.open(CHECK)
    screen.button("Execute all").click()
    expect(screen.page.get_by_text("In Progress")).not_to_have_count(0)
    expect(screen.page.get_by_text("In Progress")).to_have_count(0, timeout=60_000)
    expect(screen.page.get_by_text("Not Evaluated")).to_have_count(0)
    expect(screen.value("verdict")).to_have_text("passed")
    assert sample.ran() == []


def test_refused_materialization_says_why(screen: Screen, server: Server, sample: Sample) -> None:
    """The run fails before the stage starts, names the finding, and says what to type next."""
    sample.write(HELPER, DIRTY)
    sample.edit("params.yaml", "threshold: 0.5", "threshold: 0.7")
    lock = sample.read("dvc.lock")
    screen.open_asset("main/reports/metrics.json")
    screen.launch("Materialize")
    screen.wait_for_run("Failure")
    expect(screen.page.get_by_text(REFUSAL).first).to_be_visible()
    hint = "see the findings: ml-assets check code-security"
    expect(screen.page.get_by_text(hint).first).to_be_visible()
    assert sample.ran() == []
    assert sample.read("dvc.lock") == lock
