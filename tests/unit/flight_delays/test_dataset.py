"""Own the tests of the dataset and of its files."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flight_frames import ROOT, WINDOW, Row, prepared_table, raw_tables

from flight_delays.dataset import Dataset, build_dataset
from flight_delays.errors import DataError
from flight_delays.prepared_data import labels_of, read_split, write_split
from flight_delays.schema import COLUMNS
from flight_delays.split import SplitMonths

MONTHS = SplitMonths(train=(3,), validation=(4,), test=(5,))
APRIL: Row = {"month": 4, "time_hour": "2013-04-12T13:00:00Z"}
MAY: Row = {"month": 5, "time_hour": "2013-05-12T13:00:00Z", "arr_delay": 40.0}

WRITE = """
import sys
sys.path[:0] = [{source!r}, {tests!r}]
from pathlib import Path
from flight_delays.prepared_data import write_split
from flight_frames import prepared_table
write_split(prepared_table(), Path({path!r}))
"""


def small_dataset(*flights: Row) -> Dataset:
    return build_dataset(raw_tables(flights=flights), late_minutes=15, window=WINDOW, months=MONTHS)


def test_flights_without_a_label_are_left_out_and_counted() -> None:
    cancelled = {"flight": 2, "dep_time": np.nan, "arr_delay": np.nan}
    diverted = {"flight": 3, "arr_delay": np.nan}

    dataset = small_dataset({}, cancelled, diverted, APRIL, MAY)

    assert {name: len(part) for name, part in dataset.parts.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    assert (dataset.flights, dataset.cancelled, dataset.diverted) == (5, 1, 1)
    assert labels_of(dataset.parts["test"]).tolist() == [1]


def test_order_of_the_raw_flights_does_not_matter(tmp_path: Path) -> None:
    rows: list[Row] = [{}, {"flight": 2}, {"flight": 2, "origin": "JFK"}, APRIL, MAY]
    digests = []
    for order in (rows, rows[::-1]):
        write_split(small_dataset(*order).parts["train"], tmp_path / "train.parquet")
        digests.append(hashlib.sha256((tmp_path / "train.parquet").read_bytes()).hexdigest())

    assert digests[0] == digests[1]


def test_flight_that_is_in_the_table_twice_is_refused() -> None:
    with pytest.raises(DataError, match="duplicate flight"):
        small_dataset({}, {}, APRIL, MAY)


def test_description_counts_what_is_not_known() -> None:
    dataset = small_dataset({}, {"flight": 2, "tailnum": "N404"}, APRIL, MAY)

    assert dataset.describe()["splits"] == {
        "train": {"flights": 2, "late_rate": 0.0, "without_plane": 1, "without_weather": 0},
        "validation": {"flights": 1, "late_rate": 0.0, "without_plane": 0, "without_weather": 1},
        "test": {"flights": 1, "late_rate": 1.0, "without_plane": 0, "without_weather": 1},
    }


def test_written_split_reads_back_as_it_was(tmp_path: Path) -> None:
    table = prepared_table()
    write_split(table, tmp_path / "train.parquet")

    back = read_split(tmp_path / "train.parquet")

    assert tuple(back.columns) == COLUMNS
    pd.testing.assert_frame_equal(back, table, check_dtype=False, check_exact=True)


@pytest.mark.process
def test_every_process_writes_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.parquet"
        program = WRITE.format(
            source=str(ROOT / "src"), tests=str(Path(__file__).parent), path=str(path)
        )
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())

    assert len(digests) == 1


def test_file_does_not_name_pandas(tmp_path: Path) -> None:
    write_split(prepared_table(), tmp_path / "train.parquet")

    assert b"pandas" not in (tmp_path / "train.parquet").read_bytes()


def test_missing_split_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the prepared data") as error:
        read_split(tmp_path / "train.parquet")
    assert "dvc repro" in error.value.hint


def test_directory_in_place_of_a_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the prepared data"):
        read_split(tmp_path)


def test_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("carrier,late\nUA,1\n")

    with pytest.raises(DataError, match="cannot read the prepared data"):
        read_split(tmp_path / "train.parquet")


def test_split_without_a_column_is_refused(tmp_path: Path) -> None:
    prepared_table().drop(columns="carrier").to_parquet(tmp_path / "train.parquet")

    with pytest.raises(DataError, match="lacks columns: carrier"):
        read_split(tmp_path / "train.parquet")


def test_split_without_a_row_is_refused(tmp_path: Path) -> None:
    write_split(prepared_table().iloc[:0], tmp_path / "train.parquet")

    with pytest.raises(DataError, match="has no row"):
        read_split(tmp_path / "train.parquet")
