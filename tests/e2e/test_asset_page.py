"""What the page of one asset shows: numbers over time, pictures, identity."""

from __future__ import annotations

import hashlib
import json

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

_HISTORY = """
query History($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetMaterializations(limit: 2) {
        metadataEntries { label ... on FloatMetadataEntry { floatValue } }
      }
    }
  }
}
"""
# Counts the colours of an image, and so tells a drawing from an empty sheet.
_COLOURS = """
image => {
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(bytes.buffer)).size;
}
"""
_INK = """
canvas => {
  const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return new Uint32Array(bytes.buffer).filter(pixel => pixel !== 0).length;
}
"""


def test_metrics_are_shown_and_plotted_over_time(
    screen: Screen, server: Server, sample: Sample
) -> None:
    """After two runs with other parameters, both values are there, and drawn."""
    first = json.loads(sample.read("reports/metrics.json"))
    sample.edit("params.yaml", "threshold: 0.5", "threshold: 0.9")
    sample.materialize()
    second = json.loads(sample.read("reports/metrics.json"))
    assert first["auc"] != second["auc"]

    screen.open_asset("main/reports/metrics.json")
    expect(screen.value("metric/auc")).to_have_text(str(second["auc"]))
    expect(screen.value("metric/rows.test")).to_have_text("200")
    key = {"path": ["main", "reports", "metrics.json"]}
    history = server.query(_HISTORY, key=key)["assetNodeOrError"]["assetMaterializations"]
    values = [
        entry["floatValue"]
        for materialization in history
        for entry in materialization["metadataEntries"]
        if entry["label"] == "metric/auc"
    ]
    assert values == [second["auc"], first["auc"]]

    screen.button("Plots").click()
    title = screen.page.get_by_text("metric/auc", exact=True)
    expect(title).to_be_visible()
    chart = title.locator("xpath=following::canvas[1]")
    expect(chart).to_be_visible()
    chart.scroll_into_view_if_needed()
    assert chart.evaluate(_INK) > 100


def test_plot_is_shown_as_a_picture(screen: Screen) -> None:
    """The ROC is drawn, as `dvc plots show` draws it, and asks no server for anything."""
    screen.open_asset("main/reports/roc.csv")
    screen.value("plot/reports/roc.csv").get_by_text("[Show Markdown]").click()
    image = screen.page.get_by_role("dialog").locator("img")
    expect(image).to_be_visible()
    assert (image.get_attribute("src") or "").startswith("data:image/png;base64,")
    assert image.evaluate("image => image.complete && image.naturalWidth") > 100
    assert image.evaluate(_COLOURS) > 10


def test_identity_of_an_asset_is_shown(screen: Screen, sample: Sample) -> None:
    """Command, md5, sha256 and size are those of the file on disk."""
    content = (sample.root / "models/best.json").read_bytes()
    screen.open_asset("main/models/best.json")
    expect(screen.value("dvc/command")).to_have_text("python code/evaluate.py")
    expect(screen.value("dvc/stage")).to_have_text("evaluate")
    expect(screen.value("dvc/artifact")).to_have_text("best")
    expect(screen.value("dvc/md5")).to_have_text(sample.md5("models/best.json"))
    expect(screen.value("sha256")).to_have_text(hashlib.sha256(content).hexdigest())
    expect(screen.value("size (bytes)")).to_have_text(str(len(content)))
