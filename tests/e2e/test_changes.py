"""How changes on disk come into the UI."""

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

_NEW_STAGE = """\
  archive:
    desc: Keep a copy of the model card
    cmd: cp reports/card.md reports/archive.md
    deps:
      - reports/card.md
    outs:
      - reports/archive.md

artifacts:
"""


def test_new_stage_is_visible_after_reload_definitions(screen: Screen, sample: Sample) -> None:
    """A change of dvc.yaml needs a click and no restart."""
    screen.open_lineage()
    expect(screen.node("card.md")).to_have_count(1)
    expect(screen.node("archive.md")).to_have_count(0)
    sample.edit("dvc.yaml", "\nartifacts:\n", _NEW_STAGE)
    screen.reload_definitions()
    # The new stage is a new group, and the UI shows those folded.
    screen.page.get_by_text("main_archive", exact=True).last.click()
    expect(screen.node("archive.md")).to_contain_text("Never materialized")
    assert screen.left_edge("archive.md") > screen.left_edge("card.md")


def test_changed_code_is_shown_as_out_of_date_as_dvc_status_says(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """After a change of one script, what its stage writes is marked, and nothing else."""
    sample.edit("code/publish.py", "# Model card", "# The model card")
    assert set(sample.dvc_status()) == {"publish"}
    screen.open("/asset-groups")
    screen.reload_definitions()
    assert server.stale() == {"main/reports/card.md": ["has a new code version"]}
    screen.open_lineage()
    expect(screen.node("card.md")).to_contain_text("Unsynced")
    expect(screen.page.get_by_text("Unsynced")).to_have_count(1)
    screen.node("card.md").get_by_text("Unsynced").hover()
    expect(screen.page.get_by_text("has a new code version")).to_be_visible()


def test_change_taken_back_is_up_to_date_again(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """Freshness is about content: neither Git nor a file's time counts."""
    sample.edit("params.yaml", "scale: 1.0", "scale: 2.0")
    screen.open("/asset-groups")
    screen.reload_definitions()
    assert set(server.stale()) == {"main/models/cubic.json", "main/models/linear.json"}
    sample.edit("params.yaml", "scale: 2.0", "scale: 1.0")
    screen.reload_definitions()
    assert server.stale() == {}


def test_what_dvc_repro_has_brought_up_to_date_is_up_to_date_in_the_ui(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """New code that writes the old bytes, run by DVC itself, leaves nothing marked after a run."""
    sample.edit("code/publish.py", "if PARAMS", "# a comment\nif PARAMS")
    sample.must("dvc", "repro", "--quiet")
    assert sample.dvc_status() == {}
    assert sample.ran() == ["publish"]
    sample.materialize()
    assert sample.ran() == []
    screen.open("/asset-groups")
    screen.reload_definitions()
    assert server.stale() == {}
