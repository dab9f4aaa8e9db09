"""Own the tests of the plot data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flight_delays.plots import (
    calibration_table,
    confusion_table,
    precision_recall_table,
    roc_table,
    slice_table,
    write_table,
)

LABELS = np.array([0, 0, 1, 1], dtype=np.int64)
PERFECT = np.array([0.1, 0.2, 0.8, 0.9])
USELESS = np.full(4, 0.5)


def test_roc_of_a_perfect_model_is_at_the_top_and_of_a_constant_is_the_diagonal() -> None:
    table = roc_table(LABELS, PERFECT, USELESS)

    assert table["model"].iloc[1:].eq(1.0).all()
    assert np.allclose(table["baseline"], table["false_positive_rate"])


def test_precision_of_a_perfect_model_is_one_and_of_a_constant_is_the_late_rate() -> None:
    table = precision_recall_table(LABELS, PERFECT, USELESS)

    assert table["model"].eq(1.0).all()
    assert table["baseline"].eq(0.5).all()
    assert table["recall"].iloc[-1] == 1.0


def test_precision_is_that_of_the_point_that_reaches_the_recall() -> None:
    # Ranked: late, not, late, not. Half of the late flights at precision 1, all of them at 2/3.
    table = precision_recall_table(LABELS, np.array([0.1, 0.7, 0.6, 0.8]), USELESS)

    by_recall = table.set_index(table["recall"].round(3))["model"]
    assert by_recall[0.5] == 1.0
    assert by_recall[0.505] == pytest.approx(2 / 3)
    assert by_recall[1.0] == pytest.approx(2 / 3)


def test_calibration_has_equally_many_flights_in_each_bin() -> None:
    table = calibration_table(LABELS, np.array([0.9, 0.1, 0.2, 0.8]), bins=2)

    assert table["probability"].tolist() == pytest.approx([0.15, 0.85])
    assert table["late_rate"].tolist() == [0.5, 0.5]
    assert table["perfect"].equals(table["probability"])


def test_confusion_calls_a_flight_at_the_threshold_late() -> None:
    table = confusion_table(LABELS, np.array([0.1, 0.5, 0.4, 0.9]), 0.5)

    assert table["actual"].tolist() == ["on time", "on time", "late", "late"]
    assert table["predicted"].tolist() == ["on time", "late", "on time", "late"]


def test_slices_hold_their_own_errors() -> None:
    names = pd.Series(["B", "A", "B", "A"], name="carrier")

    table = slice_table(names, LABELS, np.array([0.0, 0.5, 1.0, 0.5]), USELESS, 0.5)

    assert table.to_dict("list") == {
        "carrier": ["A", "B"],
        "flights": [2, 2],
        "late_rate": [0.5, 0.5],
        "mean_probability": [0.5, 0.5],
        "brier": [0.25, 0.0],
        "baseline_brier": [0.25, 0.25],
        "wrong_share": [0.5, 0.0],
    }


def test_file_holds_rounded_numbers_and_plain_line_ends(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"a": ["x"], "b": [1 / 3]}), tmp_path / "plots" / "table.csv")

    assert (tmp_path / "plots" / "table.csv").read_bytes() == b"a,b\nx,0.33333\n"
