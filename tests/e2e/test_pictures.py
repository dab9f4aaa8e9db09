"""The pictures of docs/pictures: the repository's own pipeline in the real UI.

Collected only where WRITE_PICTURES is set, because it trains models and writes docs/pictures.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .sample import Sample
from .screen import OpenScreen, Screen
from .server import Server, serve

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1600  # of a picture
PARAMS = "params.yaml"
CHECKS = "/assets/main/source?view=checks&checkDetail="
TREES = "    iterations: 200\n"  # of gradient boosting, as committed


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A copy of this repository's pipeline that has run three times, last as committed."""
    sample = _copy_repository(tmp_path_factory.mktemp("flights") / "flight-delays")
    for trees in (50, 100):
        sample.edit(PARAMS, TREES, f"    iterations: {trees}\n")
        assert _run(sample) == "passed"
        sample.must("git", "checkout", "--quiet", ".")
    assert _run(sample) == "passed"
    assert sample.dvc_status() == {}
    return sample


def _run(sample: Sample) -> str:
    finished = sample.run("ml-assets", "run", "--json", seconds=600)
    return str(finished.document["status"])


def _copy_repository(root: Path) -> Sample:
    root.mkdir(parents=True)
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in output.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    sample = Sample(root)
    if (ROOT / ".dvc" / "cache").is_dir():
        shutil.copytree(ROOT / ".dvc" / "cache", root / ".dvc" / "cache")
    sample.must("git", "init", "--quiet", "--initial-branch", sample.branch)
    sample.must("git", "add", "--all")
    sample.must("git", "commit", "--quiet", "--message", "flight delays")
    sample.run("dvc", "checkout", "--quiet")  # what is not in the cache will be made
    return sample


@pytest.fixture(scope="module")
def flights_server(flights: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The UI of the copy."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with serve(flights.root, flights.environment, log) as server:
        yield server


@pytest.fixture
def frame(open_screen: OpenScreen, flights_server: Server) -> Screen:
    """A page of the size of a picture."""
    return open_screen(flights_server.address, width=WIDTH)


def test_picture_of_the_lineage(open_screen: OpenScreen, flights_server: Server) -> None:
    """From the data on the left to the model on the right, all of it green and on the picture."""
    assert flights_server.stale() == {}
    width = 3040  # of a page that holds the whole graph
    screen = open_screen(flights_server.address, width=width, scale=WIDTH / width)
    screen.open_selection('not key:"main/reports/*"')
    screen.expand_groups()
    for name in ("train", "validation", "test"):
        expect(screen.node(f"{name}.parquet")).to_contain_text("Materialized")
    expect(screen.node("flight_delays.onnx")).to_contain_text("Materialized")
    screen.picture(PICTURES / "lineage.png")


def test_picture_of_metrics_over_time(frame: Screen) -> None:
    """The metrics of three runs, as the UI plots them."""
    frame.open_asset("main/reports/metrics.json")
    frame.button("Plots").click()
    title = frame.page.get_by_text("metric/test.model.average_precision", exact=True)
    title.evaluate("element => element.parentElement.scrollIntoView({block: 'start'})")
    frame.picture(PICTURES / "asset.png", without=215)  # the third row of plots, cut in two


def test_picture_of_a_plot(frame: Screen) -> None:
    """The ROC of the model and its baseline."""
    frame.open_asset("main/reports/plots/roc.csv")
    frame.page.get_by_text("[Show Markdown]").last.click()
    expect(frame.page.get_by_role("dialog").locator("img")).to_be_visible()
    frame.picture(PICTURES / "plot.png")


def test_picture_of_a_run(frame: Screen, flights: Sample) -> None:
    """A run that was started by a click, with what its stages have said."""
    flights.edit(PARAMS, TREES, "    iterations: 150\n")
    frame.open("/asset-groups")
    frame.launch("Materialize all (16)")
    frame.show_standard_output()
    frame.wait_for_run("Success")
    frame.picture(PICTURES / "run.png", without=200)  # nothing but the log's path


def test_picture_of_checks(frame: Screen, flights: Sample) -> None:
    """The checks of the source where its code has failed one, with what was found."""
    text = "import subprocess\n\nsubprocess.call('ls ' + input(), shell=True)\n"
    flights.write("scripts/list_files.py", text)
    assert _run(flights) == "failed"
    for name in ("dependencies", "format", "lint", "secrets"):  # the tests would take minutes
        frame.open(f"{CHECKS}{name}")
        frame.button("Execute").click()
        expect(frame.value("verdict")).to_be_visible(timeout=120_000)
    frame.open(f"{CHECKS}code_security")
    frame.button("Hide navigation").click()
    expect(frame.value("verdict")).to_have_text("failed")
    frame.picture(PICTURES / "checks.png")
