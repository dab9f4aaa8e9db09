"""Curves: which plots are lines, what they are read from, and that a chart holds nothing else."""

import json
import re

import pytest

from ml_assets.reporting.curves import Curve, draw_chart, find_curves, read_points
from resources.dvc.graph.manifest import Layout, Manifest, Out, Plot, Stage

ROC = Curve("ROC", "roc.csv", "fpr", ("model", "baseline"))


def manifest(*plots: Plot, outs: tuple[Out, ...] = ()) -> Manifest:
    stage = Stage("a", "a", "dvc.yaml", ".", "x", outs=outs)
    return Manifest((stage,), Layout("/cache"), plots=plots)


def test_lines_of_the_project_are_found() -> None:
    found = find_curves(
        manifest(
            Plot("roc", ("roc.csv",), {"x": {"roc.csv": "fpr"}, "y": {"roc.csv": ["a", "b"]}}),
            Plot("one", ("loss.json",), {"x": "step", "y": {"loss.json": "loss"}, "title": "Loss"}),
            outs=(Out("p.csv", "p.csv", role="plot", plot={"x": "step", "y": "loss"}),),
        )
    )

    assert found == [
        Curve("roc", "roc.csv", "fpr", ("a", "b")),
        Curve("Loss", "loss.json", "step", ("loss",)),
        Curve("p.csv", "p.csv", "step", ("loss",)),
    ]


@pytest.mark.parametrize(
    "properties",
    [
        {"x": {"a.csv": "x"}, "y": {"a.csv": "y"}, "template": "confusion"},
        {"y": {"a.csv": "y"}},
        {"x": {"a.csv": ["x"]}, "y": {"a.csv": "y"}},
        {"x": "x", "y": {"a.csv": [1]}},
        {"x": "x", "y": {"https://a.example/a.csv": "y"}},
        {},
    ],
)
def test_what_is_no_line_with_two_axes_is_left_out(properties: dict[str, object]) -> None:
    assert find_curves(manifest(Plot("a", ("a.csv",), properties))) == []


def test_points_are_read_by_column_and_sorted() -> None:
    lines = read_points(ROC, b"fpr,model,baseline\n1,1,x\n0,0,\n0.5,0.9,nan\n")

    assert lines == {"model": [(0.0, 0.0), (0.5, 0.9), (1.0, 1.0)]}


@pytest.mark.parametrize("document", [[{"fpr": 0, "model": 1}, {"fpr": 1, "model": 2}]])
def test_points_are_read_from_json(document: object) -> None:
    curve = Curve("ROC", "roc.json", "fpr", ("model",))

    for value in (document, {"roc": document}):
        assert read_points(curve, json.dumps(value).encode()) == {"model": [(0, 1), (1, 2)]}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"fpr,model\n1,2\n", b"[" * 100_000, b'"', b"a\n1\n"]
)
@pytest.mark.parametrize("file", ["roc.csv", "roc.json", "roc.tsv", "roc.yaml"])
def test_file_that_holds_no_line_gives_none(file: str, content: bytes) -> None:
    assert read_points(Curve("ROC", file, "fpr", ("model",)), content) == {}


def test_chart_reads_the_line_off_at_even_distances() -> None:
    chart = draw_chart(ROC, [[(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)]]).splitlines()

    assert chart[1:4] == ["xychart-beta", '    title "ROC"', '    x-axis "fpr" 0 --> 1']
    values = [float(one) for one in chart[4].removeprefix("    line [").rstrip("]").split(", ")]
    assert len(values) == 25 and values[0] == 0 and values[6] == 0.5 and values[12:] == [1] * 13


def test_hostile_names_are_plain_words_in_a_chart() -> None:
    hostile = 'a"]\n```\n%%{init: {}}%%<script>[x](http://e.example) `@team`'
    chart = draw_chart(
        Curve(hostile, "a.csv", hostile, ("y",)), [[(float("0"), 1.0), (1.0, 2.0)]]
    ).splitlines()

    assert len(chart) == 6 and chart[0] == "```mermaid" and chart[-1] == "```"
    for line in chart[2:4]:
        inner = re.search('"(.*)"', line)
        assert inner is not None and re.fullmatch("[A-Za-z0-9 _.()/-]+", inner[1])
