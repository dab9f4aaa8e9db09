"""What the UI of `ml-assets ui` shows of watched branches, and what a click there does.

With WRITE_PICTURES set, the pictures of it in docs/pictures are taken anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Locator, expect

from tests.integration.watch.pushed import Pushed
from tests.integration.watch.service import Service, serve

from .conftest import PICTURES_VARIABLE
from .screen import OpenScreen, Screen
from .watched import POISONED, make_watched

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]

WIDTH = 2600  # of a page that holds the lineage of both branches, without their reports
BOTH = 'not key:"*/r*"'
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
#: Assets of a branch in the order of their distance from its source.
LINEAGE = (
    ("source", "data.csv"),
    ("data.csv", "model.pkl"),
    ("model.pkl", "metrics.json"),
    ("metrics.json", "signed/model.pkl"),
    ("signed/model.pkl", "image"),
)
NOT_YET = "no passed commit of branch: develop"
REFUSAL = (
    "gates refuse stage evaluate: model-file of model.pkl: failed: 2 findings fail: pickle-import"
)


@dataclass(frozen=True)
class Watched:
    """A repository with a server that watches it.

    Attributes:
        passed: the commit of ``main`` whose run has passed.
    """

    pushed: Pushed
    service: Service
    passed: str

    @property
    def address(self) -> str:
        """Where the UI is, with the token."""
        return f"http://127.0.0.1:{self.service.port}/?token={self.service.token}"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Both branches were seen; a commit was pushed to ``main`` since, and its run has passed."""
    pushed = make_watched(tmp_path_factory.mktemp("branches"))
    with serve(pushed) as service:
        service.wait_for_tick()
        passed = pushed.push("main", {"params.yaml": "depth: 3\n"}, "Deeper trees")
        service.wait_for_pass(passed)
        yield Watched(pushed, service, passed)


@pytest.fixture(scope="module")
def refused(watched: Watched) -> dg.DagsterRun:
    """The run of a commit of ``develop`` whose model would run a command in who loads it."""
    commit = watched.pushed.push("develop", {"train.py": POISONED}, "A model with a surprise")
    return watched.service.wait_for_run(commit)


@pytest.fixture
def screen(open_screen: OpenScreen, watched: Watched) -> Screen:
    """A page of the browser on the watched repository."""
    return open_screen(watched.address)


def _take(screen: Screen, name: str) -> None:
    """Take a picture for the documentation, where that is wanted."""
    if os.environ.get(PICTURES_VARIABLE):
        screen.picture(PICTURES / name)


def test_refused_rematerialization_says_why(screen: Screen, watched: Watched) -> None:
    """On a branch of which no commit has passed nothing runs, and the run's page says so."""
    screen.open_asset("develop/metrics.json")
    screen.launch("Materialize", confirm=True)
    screen.wait_for_run("Failure")
    expect(screen.page.get_by_text(NOT_YET).first).to_be_visible()
    hint = "push a commit, or launch the job of the whole branch"
    expect(screen.page.get_by_text(hint).first).to_be_visible()
    assert not list(watched.service.watch_home.glob("worktrees/develop/*/data.csv"))


def test_lineages_of_both_branches_lie_side_by_side_and_begin_at_their_sources(
    open_screen: OpenScreen, watched: Watched
) -> None:
    """From the source on the left to the environment on the right, none reaching into another."""
    query = "{ assetNodes { assetKey { path } dependencyKeys { path } } }"
    nodes = watched.service.query(query)["assetNodes"]
    deps = {
        "/".join(node["assetKey"]["path"]): {
            "/".join(one["path"]) for one in node["dependencyKeys"]
        }
        for node in nodes
    }
    for branch, environment in (("main", "production"), ("develop", "staging")):
        for left, right in (*LINEAGE, ("image", environment)):
            assert f"{branch}/{left}" in deps[f"{branch}/{right}"]
    assert all(one.split("/")[0] == key.split("/")[0] for key in deps for one in deps[key])

    screen = open_screen(watched.address, width=WIDTH)
    screen.open_selection(BOTH)
    screen.expand_groups()
    for name in ("source", "data.csv", "metrics.json", "image"):
        expect(screen.node(name)).to_have_count(2)  # one of each branch
    assert screen.left_edge("production") == screen.left_edge("staging")
    for name in ("source", "data.csv", "metrics.json", "image"):
        boxes = [box for box in map(Locator.bounding_box, screen.node(name).all()) if box]
        assert boxes[0]["x"] == boxes[1]["x"]
        assert boxes[0]["x"] < screen.left_edge("staging")


def test_after_a_push_the_branch_is_up_to_date_at_that_commit(
    screen: Screen, watched: Watched
) -> None:
    """The page of its source says which commit that is, whose, and what it is called."""
    query = "{ assetNodes { assetKey { path } staleStatus isMaterializable } }"
    stale = {
        "/".join(node["assetKey"]["path"]): node["staleStatus"]
        for node in watched.service.query(query)["assetNodes"]
        if node["isMaterializable"]
    }
    assert {status for key, status in stale.items() if key.startswith("main/")} == {"FRESH"}
    screen.open_asset("main/source")
    expect(screen.value("commit")).to_contain_text([watched.passed])
    expect(screen.value("subject")).to_have_text("Deeper trees")


def test_asset_says_why_it_ran_and_which_statements_prove_it(
    screen: Screen, watched: Watched
) -> None:
    """The commit, the reason in words; in its events the verdict and the signed statements."""
    screen.open_asset("main/model.pkl")
    expect(screen.value("commit")).to_have_text(watched.passed)
    expect(screen.value("dvc/reasons")).to_contain_text("never run: not in dvc.lock")
    screen.open("/assets/main/model.pkl?view=events")
    expect(_in_event(screen, "verdict/production")).to_have_text("passed")
    for kind in ("provenance", "verification summary", "model signature"):
        expect(screen.page.get_by_role("cell", name=kind, exact=True)).to_be_visible()
    command = _in_event(screen, "verify").inner_text().split()
    served = watched.pushed.served
    said = watched.pushed.must(*command, "--environment", "production", directory=served)
    assert "passed" in said


def _in_event(screen: Screen, key: str) -> Locator:
    """Return the cell that holds a value of the event that is shown."""
    cell = screen.page.get_by_role("cell", name=key, exact=True)
    return screen.page.locator("tr").filter(has=cell).locator("td").nth(1)


def test_report_is_shown_in_the_page_and_runs_nothing_there(screen: Screen) -> None:
    """Markdown as text with headings, HTML as its text; a script of either is none."""
    dialogs: list[str] = []
    screen.page.on("dialog", lambda one: (dialogs.append(one.message), one.dismiss())[0])
    screen.open_asset("main/report.md")
    expect(screen.page.get_by_role("heading", name="Forecast")).to_be_visible()
    expect(screen.value("page")).to_contain_text("AUC 0.85")
    screen.open_asset("main/report.html")
    expect(screen.value("page")).to_contain_text("AUC 0.85")
    expect(screen.value("page")).not_to_contain_text("alert")
    assert dialogs == []


def test_rematerialized_asset_is_made_at_the_last_commit_that_passed(
    screen: Screen, watched: Watched
) -> None:
    """A click makes a run at that commit, which succeeds."""
    screen.open_asset("main/metrics.json")
    run = screen.launch("Materialize")
    screen.wait_for_run("Success")
    with watched.service.instance() as instance:
        found = instance.get_run_by_id(run)
    assert found is not None
    assert found.tags["ml-assets/commit"] == watched.passed


def test_refused_run_names_the_gate_and_the_stage_on_its_page(
    open_screen: OpenScreen, watched: Watched, refused: dg.DagsterRun
) -> None:
    """A commit whose model runs a command does not get to the stage that would load it."""
    assert refused.status is dg.DagsterRunStatus.FAILURE
    screen = open_screen(watched.address, width=1600)
    screen.open(f"/runs/{refused.run_id}")
    expect(screen.page.get_by_text(REFUSAL).first).to_be_visible()
    hint = "see the findings: ml-assets check model-file"
    expect(screen.page.get_by_text(hint).first).to_be_visible()
    assert not list(watched.service.watch_home.glob("worktrees/develop/*/report.md"))


def test_failed_gate_of_a_branch_shows_its_findings_on_the_model(
    open_screen: OpenScreen, watched: Watched, refused: dg.DagsterRun
) -> None:
    """The check on the model of that branch has failed, with a row for each finding."""
    assert refused.status is dg.DagsterRunStatus.FAILURE
    screen = open_screen(watched.address, width=1600)
    screen.open("/assets/develop/model.pkl?view=checks&checkDetail=model_file")
    expect(screen.value("verdict")).to_have_text("failed")
    rows = screen.page.locator("tr").filter(has_text="pickle-import").last.locator("td")
    expect(rows).to_contain_text(["failing", "pickle-import"])
    _take(screen, "findings.png")


def test_lineage_shows_what_of_a_branch_was_refused_beside_one_that_passed(
    open_screen: OpenScreen, watched: Watched, refused: dg.DagsterRun
) -> None:
    """The model of one branch has a failed check; that of the other has none."""
    assert refused.status is dg.DagsterRunStatus.FAILURE
    screen = open_screen(watched.address, width=WIDTH, scale=1600 / WIDTH)
    screen.open_selection(BOTH)
    screen.expand_groups()
    expect(screen.node("model.pkl").filter(has_text="0 / 1 Passed")).to_have_count(1)
    expect(screen.node("model.pkl").filter(has_text="1 / 1 Passed")).to_have_count(1)
    _take(screen, "branches.png")
