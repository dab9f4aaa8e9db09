"""What the lineage and the asset pages of `ml-assets ui` show after a run."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .screen import Screen
from .server import Server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]

#: Nodes of the lineage in the order of their distance from the data.
RANKS = (
    ("measurements.csv",),
    ("cubic.json", "linear.json"),
    ("best.json", "metrics.json", "roc.csv"),
    ("card.md",),
    ("announcement.txt",),
)
NAMES = [name for rank in RANKS for name in rank]


def test_after_a_run_every_asset_is_shown_as_materialized_and_up_to_date(
    screen: Screen, server: Server
) -> None:
    """The lineage agrees with `dvc status`, which says that nothing is to do."""
    assert server.stale() == {}
    screen.open_lineage()
    for name in NAMES:
        expect(screen.node(name)).to_contain_text("Materialized")
    expect(screen.page.get_by_text("Unsynced")).to_have_count(0)
    expect(screen.page.get_by_text("Failed")).to_have_count(0)


def test_lineage_reads_from_left_to_right(screen: Screen) -> None:
    """Data lie left of what is made from them, and candidates side by side."""
    screen.open_lineage()
    ranks = [[screen.left_edge(name) for name in rank] for rank in RANKS]
    for rank in ranks:
        assert max(rank) - min(rank) < 1
    for left, right in zip(ranks, ranks[1:], strict=False):
        assert max(left) < min(right)


@pytest.mark.parametrize(
    ("key", "group", "kinds", "description", "owner"),
    [
        (
            "main/data/measurements.csv",
            "main_sources",
            {"dvc", "dataset", "csv"},
            "Measurements of two hundred days",
            "data@example.invalid",
        ),
        (
            "main/models/best.json",
            "main_evaluate",
            {"dvc", "model", "json"},
            "The better candidate",
            "forecasting",
        ),
        (
            "main/reports/roc.csv",
            "main_evaluate",
            {"dvc", "plot", "csv"},
            "Choose the better candidate and measure it",
            None,
        ),
    ],
)
def test_asset_page_says_what_dvc_yaml_and_the_settings_say(
    screen: Screen,
    server: Server,
    key: str,
    group: str,
    kinds: set[str],
    description: str,
    owner: str | None,
) -> None:
    """Group, kinds, description and owner of an asset come from the repository."""
    assert set(server.assets()[key]["kinds"]) == kinds
    screen.open_asset(key)
    expect(screen.page.get_by_text(group, exact=True)).to_be_visible()
    expect(screen.page.get_by_text(description, exact=True)).to_be_visible()
    expect(screen.page.get_by_text("dvc", exact=True).first).to_be_visible()
    if owner is None:
        expect(screen.page.get_by_text("Owners", exact=True)).to_have_count(0)
    else:
        expect(screen.page.get_by_text(owner, exact=True).first).to_be_visible()


def test_first_visit_meets_no_dialog_and_no_telemetry(screen: Screen, server: Server) -> None:
    """Nobody is asked for an address, and the page is told not to report.

    That nothing asks another host is held by the fixtures of every test here.
    """
    assert server.query("{ shouldShowNux }") == {"shouldShowNux": False}
    for path in ("/", "/asset-groups", "/runs", "/deployment"):
        screen.open(path)
        expect(screen.page.get_by_role("dialog")).to_have_count(0)
        assert '"telemetryEnabled": false' in screen.page.content()
