"""What a click on `Materialize` does to the repository, and what is shown of it."""

from __future__ import annotations

import json

import psutil
import pytest
from playwright.sync_api import expect

from .sample import Sample
from .screen import Screen
from .server import Server, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]

METRICS = "main/reports/metrics.json"
EVALUATION = ("models/best.json", "reports/metrics.json", "reports/roc.csv")


def _change_evaluation(sample: Sample) -> None:
    sample.edit("code/evaluate.py", "best = max(", "print('judging anew')\nbest = max(")
    sample.edit("params.yaml", "threshold: 0.5", "threshold: 0.7")


def test_click_on_materialize_runs_the_stage_and_records_it_in_dvc_lock(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """One stage runs, its file and lock entry are new, and DVC calls it up to date."""
    _change_evaluation(sample)
    screen.open_asset(METRICS)
    run = screen.launch("Materialize")
    screen.wait_for_run("Success")

    assert sample.ran() == ["evaluate"]
    assert json.loads(sample.read("reports/metrics.json"))["auc"] == 0.775
    assert sample.md5("reports/metrics.json") in sample.read("dvc.lock")
    assert sample.dvc_status("evaluate") == {}
    assert "[evaluate] judging anew\n[evaluate] auc 0.775\n" in server.standard_output(run)


def test_page_of_a_run_follows_it_to_its_end(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """A stage's lines are there while it runs; its end appears without loading the page again."""
    gate = sample.root.parent / "gate"
    gate.unlink(missing_ok=True)
    wait = "print('at the gate')\nwhile not (ROOT.parent / 'gate').exists(): time.sleep(0.05)\n"
    sample.edit("code/evaluate.py", "best = max(", f"import time\n{wait}best = max(")
    try:
        screen.open_asset(METRICS)
        run = screen.launch("Materialize")
        screen.show_standard_output()
        expect(screen.page.get_by_text("[evaluate] at the gate").first).to_be_visible()
    finally:
        gate.touch()
    wait_until(lambda: server.status(run) == "SUCCESS", "the end of the run")
    expect(screen.page.get_by_text("[evaluate] auc 0.825").first).to_be_visible()
    expect(screen.page.get_by_text("Succeeded (1)")).to_be_visible(timeout=10_000)
    screen.button("Events").click()
    expect(screen.page.get_by_text("RUN_SUCCESS")).to_be_visible(timeout=10_000)


def test_terminated_run_stops_its_stage_and_leaves_the_repository_usable(
    screen: Screen, sample: Sample
) -> None:
    """A click on `Terminate` ends the stage's process, and the next run just works."""
    # In a directory of its own: a stage makes nothing directly in what lies above the user's keys.
    notes = sample.root.parent / "notes" / "pid"
    notes.parent.mkdir(exist_ok=True)
    notes.unlink(missing_ok=True)
    note = "(ROOT.parent / 'notes' / 'pid').write_text(str(os.getpid()))\n"
    hang = f"{note}while True: time.sleep(0.05)\n"
    sample.edit("code/evaluate.py", "best = max(", f"import time\n{hang}best = max(")
    lock = sample.read("dvc.lock")
    screen.open_asset(METRICS)
    screen.launch("Materialize")
    wait_until(lambda: notes.exists() and notes.read_text() != "", "the stage's start")
    pid = int(notes.read_text())
    screen.button("Terminate").click()
    screen.page.get_by_role("dialog").get_by_role("button").last.click()
    wait_until(lambda: not psutil.pid_exists(pid), "the end of the stage's process")
    screen.wait_for_run("Canceled")
    assert sample.read("dvc.lock") == lock

    sample.must("git", "checkout", "--quiet", "code/evaluate.py")
    sample.materialize()
    assert sample.dvc_status() == {}


def test_outs_of_the_same_stage_are_recorded_with_the_one_clicked(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """The stage has written all of its outs, so that all of them are new in the UI."""
    _change_evaluation(sample)
    screen.open_asset(METRICS)
    screen.launch("Materialize")
    screen.wait_for_run("Success")
    server.reload()

    recorded = server.data_versions()
    for location in EVALUATION:
        assert recorded[f"main/{location}"] == sample.md5(location), location
    assert not {f"main/{location}" for location in EVALUATION} & set(server.stale())


def test_fresh_asset_is_materialized_without_a_process(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """A click on what is up to date succeeds and starts nothing."""
    lock = sample.read("dvc.lock")
    screen.open_asset("main/models/best.json")
    screen.launch("Materialize")
    screen.wait_for_run("Success")
    assert sample.ran() == []
    assert sample.read("dvc.lock") == lock
    assert server.stale() == {}


def test_failing_stage_is_explained_and_blocks_what_depends_on_it(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """The run's page says what failed and what to do; the repository is mended by a change."""
    sample.edit("params.yaml", "fail: false", "fail: true")
    screen.open("/asset-groups")
    run = screen.launch("Materialize all (8)")
    screen.wait_for_run("Failure")
    expect(screen.page.get_by_text("publish: command exited with 1").first).to_be_visible()
    expect(screen.page.get_by_text("hint: ").first).to_be_visible()
    expect(
        screen.page.get_by_text("not run because of a failed stage: announce").first
    ).to_be_visible()
    assert sample.ran() == ["publish"]
    assert "[publish] the printer is on fire" in server.standard_output(run)

    sample.edit("params.yaml", "fail: true", "fail: false")
    assert sample.materialize()["status"] == "passed"
    assert sample.dvc_status() == {}


def test_failing_stage_is_the_only_one_shown_as_failed(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """What was fresh, and so had nothing to do with the failure, stays green."""
    sample.edit("params.yaml", "fail: false", "fail: true")
    screen.open("/asset-groups")
    run = screen.launch("Materialize all (8)")
    screen.wait_for_run("Failure")
    assert {"card.md", "announcement.txt"}.isdisjoint(server.materialized(run))
    assert "measurements.csv" in server.materialized(run), server.output
    screen.open_lineage()
    expect(screen.node("card.md")).to_contain_text("Failed")
    expect(screen.node("announcement.txt")).to_contain_text("Failed")
    for name in ("measurements.csv", "cubic.json", "best.json", "metrics.json"):
        expect(screen.node(name)).to_contain_text("Materialized")
