"""What the UI shows of an out: metrics as numbers, plots as pictures, tables as rows."""

import base64
import io
import re

import dagster as dg
import pytest
from PIL import Image

from tests.integration.dagster.asset_flow import Flow, last

METRICS = {"accuracy": 0.75, "deep.count": 3.0}


def picture(metadata: dg.MetadataValue) -> Image.Image:
    """Decode the picture that a metadata value shows, every pixel of it."""
    found = re.fullmatch(r"!\[[^\]]*\]\(data:image/png;base64,([^)]+)\)", str(metadata.value))
    assert found, f"no picture: {str(metadata.value)[:80]}"
    image = Image.open(io.BytesIO(base64.b64decode(found.group(1), validate=True)))
    image.load()
    return image


def test_metrics_are_numbers_that_the_ui_plots(flow: Flow) -> None:
    shown = last(flow.materialize(), "m.json").metadata

    metrics = {name: value for name, value in shown.items() if name.startswith("metric/")}
    assert all(isinstance(value, dg.FloatMetadataValue) for value in metrics.values())
    assert {name: value.value for name, value in metrics.items()} == {
        f"metric/{name}": value for name, value in METRICS.items()
    }


@pytest.mark.parametrize(
    ("name", "text", "metrics"),
    [
        ("m.yaml", "a: 1\nb: {c: 2.5, d: true}\n", {"a": 1.0, "b.c": 2.5}),
        ("m.toml", "a = 1\n[b]\nc = 2.5\n", {"a": 1.0, "b.c": 2.5}),
        ("m.json", "0.5", {"value": 0.5}),
        ("m.json", "{broken", {}),
        ("m.json", "", {}),
    ],
)
def test_metrics_of_other_formats_are_shown_and_broken_ones_do_no_harm(
    flow: Flow, name: str, text: str, metrics: dict[str, float]
) -> None:
    flow.repository.write("text", text)
    stage = {"cmd": f"cp ../text {name}", "deps": ["../text"], "metrics": [name]}
    flow.repository.stages({"measure": stage}, path="sub/dvc.yaml")

    result = flow.materialize(f'key:"main/sub/{name}"')

    assert result.success
    shown = last(result, f"sub/{name}").metadata
    found = {key: value.value for key, value in shown.items() if key.startswith("metric/")}
    assert found == {f"metric/{key}": value for key, value in metrics.items()}


def test_plot_is_a_picture_that_can_be_looked_at_and_a_table(flow: Flow) -> None:
    shown = last(flow.materialize(), "loss.csv").metadata

    image = picture(shown["plot/loss.csv"])
    assert image.format == "PNG"
    assert image.width > 100 and image.height > 100
    assert len(image.convert("RGB").getcolors(100_000) or []) > 2  # not a blank page
    rows = shown["first rows"]
    assert isinstance(rows, dg.TableMetadataValue)
    assert [dict(record.data) for record in rows.records] == [
        {"epoch": "1", "loss": "0.5"},
        {"epoch": "2", "loss": "0.25"},
        {"epoch": "3", "loss": "0.1"},
    ]
    assert [column.name for column in rows.schema.columns] == ["epoch", "loss"]


def test_pictures_of_other_data_are_other_pictures(flow: Flow) -> None:
    before = picture(last(flow.materialize(), "loss.csv").metadata["plot/loss.csv"])
    text = (flow.root / "dvc.yaml").read_text()
    flow.repository.write("dvc.yaml", text.replace("3,0.1", "3,0.9"))

    after = picture(last(flow.materialize(), "loss.csv").metadata["plot/loss.csv"])

    assert before.tobytes() != after.tobytes()


def test_plot_that_cannot_be_drawn_does_not_fail_its_stage(flow: Flow) -> None:
    text = (flow.root / "dvc.yaml").read_text()
    flow.repository.write("dvc.yaml", text.replace("y: loss", "y: missing"))

    result = flow.materialize()

    assert result.success
    assert "plot/loss.csv" not in last(result, "loss.csv").metadata
