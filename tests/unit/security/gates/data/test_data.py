"""The data gate: other bytes or tables than promised are found; what is half read is not judged."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.config
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from security.content.digest import digest_tree
from security.finding import Severity
from security.gates.context import Hashes
from security.gates.data import gate as data
from security.gates.data.expectations import (
    ExpectationError,
    TableExpectations,
    parse_expectations,
)
from security.gates.data.gate import DataGate
from security.gates.data.reader import child as reader
from security.gates.data.reader.child import read_out
from security.gates.data.reader.expectation import read_expected
from security.gates.data.reader.reading import Failure, Reading, format_reading, parse_reading
from security.gates.interface import GateError, Kind, Place, Report, Task
from tests.unit.security.gates.gate_tasks import build_task

ROWS: dict[str, Any] = {
    "columns": {
        "flight": {"dtype": "int", "min": 1, "max": 9999, "unique": True},
        "carrier": {"dtype": "str", "values": ["AA", "UA"]},
        "delay": {"dtype": "float", "nullable": True, "min": -60, "max": 600},
    },
    "rows": {"min": 2, "max": 1000},
    "strict": True,
}
CLEAN = "flight,carrier,delay\n1,AA,0.5\n2,UA,\n3,AA,-3\n"


@pytest.fixture
def child() -> None:
    """Ask for the reader in its own process; without this it reads in the test's, as it would."""


@pytest.fixture(autouse=True)
def read_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the process, whose start takes a second, where the test is about what is read."""

    def read(task: Task, table: TableExpectations, memory: int) -> Reading:
        expected = read_expected(json.loads(json.dumps(table.to_json())))
        assert task.out is not None
        return parse_reading(format_reading(read_out(task.out, expected, 10_000)))

    if "child" not in request.fixturenames:
        monkeypatch.setattr(data, "_run_reader", read)


def task_of(directory: Path, files: Mapping[str, str | bytes], out: str, **more: Any) -> Task:
    """Write files and ask for one out of them."""
    task = build_task(directory, DataGate(), files, subject=out, **more)
    return replace(task, out=task.directory / out)


def gate_of(out: str, table: Mapping[str, Any], **more: Any) -> DataGate:
    """Expect something of one out."""
    return DataGate(parse_expectations({out: table}, "data"), **more)


def judge(
    directory: Path, content: str | bytes, table: Mapping[str, Any], name: str = "a.csv"
) -> Report:
    """Judge one file."""
    return gate_of(name, table).judge(task_of(directory, {name: content}, name))


def ids(report: Report) -> set[str]:
    """Return the ids of all findings."""
    return {finding.id for finding in report.findings}


def of_column(**column: Any) -> dict[str, Any]:
    """Expect something of the column ``x``."""
    return {"columns": {"x": column}}


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_clean_table_passes_with_its_counts_and_digest(tmp_path: Path) -> None:
    report = judge(tmp_path, CLEAN, ROWS)
    assert (report.findings, report.judged, report.unjudged) == ((), 3, None)
    assert report.facts == {
        "expectations": 11,
        "files": 1,
        "rows": 3,
        "columns": 3,
        "sha256": hashlib.sha256(CLEAN.encode()).hexdigest(),
    }


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_dirty_table_has_one_finding_a_column_and_check(tmp_path: Path) -> None:
    dirty = "flight,carrier,delay\n1,AA,0\n1,XX,900\n0,XX,-99\nsecret,,\n"
    report = judge(tmp_path, dirty, ROWS)
    assert {(one.id, one.message) for one in report.findings} == {
        ("dtype:flight", "dtype fails for column flight: 1 (rows 4): not of dtype int"),
        ("min:flight", "min fails for column flight: 1 (rows 3): less than 1"),
        (
            "unique:flight",
            "unique fails for column flight: 1 (rows 2): duplicate of an earlier row",
        ),
        ("values:carrier", "values fails for column carrier: 2 (rows 2, 3): not allowed"),
        ("not-null:carrier", "not-null fails for column carrier: 1 (rows 4)"),
        ("min:delay", "min fails for column delay: 1 (rows 3): less than -60"),
        ("max:delay", "max fails for column delay: 1 (rows 2): more than 600"),
    }
    assert {one.path for one in report.findings} == {"a.csv"}
    assert {one.severity for one in report.findings} == {Severity.HIGH}


def test_values_are_shown_only_where_the_settings_say_so(tmp_path: Path) -> None:
    content = "x\nse\x1bcret" + "t" * 100 + "\n"
    hidden = judge(tmp_path, content, of_column(dtype="int"))
    assert "cret" not in repr(hidden)
    shown = judge(tmp_path, content, {**of_column(dtype="int"), "show-values": True})
    message = shown.findings[0].message
    assert "se\\x1bcret" in message and message.isprintable() and len(message) < 150


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write small row groups, so that there are several pieces."""
    frame.to_parquet(path, index=False, row_group_size=2)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "a.csv": lambda frame, path: frame.to_csv(path, index=False),
    "a.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "a.parquet": write_parquet,
    "a.jsonl": lambda frame, path: frame.to_json(
        path, orient="records", lines=True, date_format="iso"
    ),
    "a.feather": lambda frame, path: frame.to_feather(path),
}
ALL_TYPES = {
    "columns": {
        "i": {"dtype": "int64", "min": 0, "unique": True},
        "f": {"dtype": "float64", "max": 1.5},
        "b": {"dtype": "bool"},
        "s": {"dtype": "str", "regex": "[a-z]+", "length": {"min": 1, "max": 3}},
        "d": {"dtype": "datetime", "min": datetime.date(2020, 1, 1), "max": "2020-12-31T00:00Z"},
    },
    "unique": [["i", "s"]],
    "strict": True,
}


def of_all_types() -> pd.DataFrame:
    """Make a table that is in order."""
    return pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [0.5, 1.5, -1.0],
            "b": [True, False, True],
            "s": ["a", "bc", "def"],
            "d": pd.date_range("2020-01-01", periods=3),
        }
    )


@pytest.mark.parametrize("name", WRITERS)
def test_formats_agree_on_clean_and_dirty(tmp_path: Path, name: str) -> None:
    task = task_of(tmp_path, {}, name)
    assert task.out is not None
    WRITERS[name](of_all_types(), task.out)
    report = gate_of(name, ALL_TYPES).judge(task)
    assert (report.findings, report.judged, report.unjudged) == ((), 3, None)

    dirty = of_all_types().assign(i=[1, -1, 1], f=[2.0, 0.0, 1.0], s=["a", "B", "aaaa"])
    dirty["d"] = pd.to_datetime(["2019-12-31", "2020-06-01", "2021-01-01"])
    WRITERS[name](pd.concat([dirty, dirty], ignore_index=True), task.out)
    report = gate_of(name, ALL_TYPES).judge(task)
    assert ids(report) == {
        "min:i",
        "unique:i",
        "unique:i + s",
        "max:f",
        "regex:s",
        "length:s",
        "min:d",
        "max:d",
    }
    assert report.judged == 6


@pytest.mark.parametrize("text", ["nan", "NaN", "", "-nan", "NULL"])
def test_missing_number_never_slips_through_a_limit(tmp_path: Path, text: str) -> None:
    content = f"x,y\n1,a\n{text},a\n"
    assert ids(judge(tmp_path, content, of_column(dtype="float", min=0))) == {"not-null:x"}
    assert not ids(judge(tmp_path, content, of_column(dtype="float", min=0, nullable=True)))


@pytest.mark.parametrize("text", ["inf", "-Infinity", "+INF", "1e999"])
def test_infinite_number_is_found_unless_declared(tmp_path: Path, text: str) -> None:
    content = f"x\n1\n{text}\n"
    assert ids(judge(tmp_path, content, of_column(dtype="float"))) == {"finite:x"}
    assert not ids(judge(tmp_path, content, of_column(dtype="float", infinite=True)))
    limited = of_column(dtype="float", infinite=True, min=0, max=9)
    assert len(ids(judge(tmp_path, content, limited))) == 1


def test_missing_and_infinite_numbers_in_parquet_are_found(tmp_path: Path) -> None:
    task = task_of(tmp_path, {}, "a.parquet")
    assert task.out is not None
    values = pa.array([1.0, float("nan"), None, float("inf")], pa.float64(), from_pandas=False)
    parquet.write_table(pa.table({"x": values}), task.out)
    report = gate_of("a.parquet", of_column(dtype="float", min=0)).judge(task)
    assert {one.id: one.message[-10:] for one in report.findings} == {
        "not-null:x": "rows 2, 3)",
        "finite:x": ": infinite",
    }


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("int", "9223372036854775807", "9223372036854775808"),
        ("int", "-9223372036854775808", "-9223372036854775809"),
        ("int64", "007", "1.0"),
        ("int8", "-128", "128"),
        ("uint8", "255", "-1"),
        ("uint64", "18446744073709551615", "18446744073709551616"),
        ("uint64", "0", "-1"),
        ("int", "1", "1" * 5000),
        ("int", "1", "0x1"),
        ("int", "1", "１"),
        ("int", "1", " 1"),
        ("float", "+1.5e3", "1,5"),
        ("float", ".5", "1e"),
        ("float32", "3e38", "4e38"),
        ("bool", "true", "1"),
        ("datetime", "2020-02-29T10:00:00Z", "2021-02-29"),
        ("datetime", "2020-02-29", "yesterday"),
    ],
)
def test_value_of_another_type_is_found(tmp_path: Path, dtype: str, good: str, bad: str) -> None:
    table = of_column(dtype=dtype)
    assert not judge(tmp_path, f'x\n"{good}"\n', table).findings
    report = judge(tmp_path, f'x\n"{good}"\n"{bad}"\n', table)
    assert ids(report) == {"dtype:x"}
    assert "(rows 2)" in report.findings[0].message


def test_large_whole_numbers_keep_their_last_digit(tmp_path: Path) -> None:
    content = "x\n9007199254740993\n\n9007199254740992\n"
    assert not ids(judge(tmp_path, content, of_column(dtype="int", unique=True, nullable=True)))
    assert ids(judge(tmp_path, content, of_column(dtype="int", max=9007199254740992))) == {"max:x"}


def test_column_of_another_type_in_parquet_is_found(tmp_path: Path) -> None:
    task = task_of(tmp_path, {}, "a.parquet")
    assert task.out is not None
    pd.DataFrame({"x": ["1", "2"]}).to_parquet(task.out)
    assert ids(gate_of("a.parquet", of_column(dtype="int")).judge(task)) == {"dtype:x"}
    pd.DataFrame({"x": np.array([1, 2], dtype="int32")}).to_parquet(task.out)
    assert ids(gate_of("a.parquet", of_column(dtype="int64")).judge(task)) == {"dtype:x"}
    assert not ids(gate_of("a.parquet", of_column(dtype="int32")).judge(task))


@pytest.mark.parametrize("dtype", ["int", "float", "str", "datetime", None])
def test_equal_values_in_different_pieces_are_found(tmp_path: Path, dtype: str | None) -> None:
    first = {"int": "-5", "float": "0.0", "str": "a", "datetime": "2020-01-01", None: "a"}[dtype]
    again = {"int": "-05", "float": "-0.0", "str": "a", "datetime": "2020-01-01T00:00Z", None: "a"}
    rows = "".join(f",{'y' * 99_000}\n" for _ in range(90))  # more than one block
    content = f"x,y\n{first},1\n{rows}{again[dtype]},2\n"
    column = {"unique": True, "nullable": True} | ({} if dtype is None else {"dtype": dtype})
    report = judge(tmp_path, content, of_column(**column))
    assert ids(report) == {"unique:x"}
    assert report.findings[0].message.startswith("unique fails for column x: 90 (")


def test_row_numbers_count_over_all_pieces(tmp_path: Path) -> None:
    content = "x,y\n" + f"1,{'y' * 99_000}\n" * 170 + "2,y\n"
    report = judge(tmp_path, content, of_column(dtype="int", max=1))
    assert "(rows 171)" in report.findings[0].message
    assert report.judged == 171


def test_key_of_several_columns(tmp_path: Path) -> None:
    table = {"unique": [["a", "b"]]}
    assert not judge(tmp_path, "a,b\n1,2\n1,3\n12,\n,12\n", table).findings
    assert ids(judge(tmp_path, "a,b\n1,2\n1,2\n", table)) == {"unique:a + b"}
    assert ids(judge(tmp_path, "a\n1\n", table)) == {"required:b"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("flight,carrier\n1,AA\n2,AA\n", {"required:delay"}),
        ("flight,carrier,delay,more\n1,AA,1,1\n2,AA,1,1\n", {"undeclared:more"}),
        ("flight,carrier,delay,delay\n1,AA,1,9e9\n2,AA,1,9e9\n", {"duplicate-column:delay"}),
        ("flight,carrier,de\x1blay,delay\n1,AA,1,1\n2,AA,1,1\n", {"undeclared:de\\x1blay"}),
        ("flight,carrier,delay\n1,AA,1\n", {"rows"}),
    ],
)
def test_other_columns_or_rows_are_found(tmp_path: Path, content: str, expected: set[str]) -> None:
    assert ids(judge(tmp_path, content, ROWS)) == expected


def test_column_of_which_only_its_presence_is_expected(tmp_path: Path) -> None:
    assert not judge(tmp_path, "x\na\n", of_column()).findings
    assert ids(judge(tmp_path, "x,y\n,1\n", of_column())) == {"not-null:x"}
    assert not judge(tmp_path, "y\n1\n", of_column(required=False)).findings
    assert ids(judge(tmp_path, "y\n1\n", of_column())) == {"required:x"}


@pytest.mark.parametrize(
    ("content", "required"),
    [('{"y": 1}\n', True), ('{"y": 1}\n{"x": 1}\n', False), ('{"x": null}\n', True)],
)
def test_field_that_no_line_has_is_missing(tmp_path: Path, content: str, required: bool) -> None:
    report = judge(tmp_path, content, of_column(dtype="int", nullable=True), "a.jsonl")
    assert ("required:x" in ids(report)) is required


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "empty file"),
        ("a.csv", b"x\n", "no rows"),
        ("a.csv", b"x,y\n1,2\n1\n", "Expected 2 columns, got 1"),
        ("a.csv", b"x\n1\n\xff\n", "ArrowInvalid"),
        ("a.csv", b'x\n"1\n', ""),
        ("a.csv", b"x\n1\n\x00\n", "content is not csv"),
        ("a.csv", pickle.dumps({"x": [1]}), "content is not csv"),
        ("a.csv", b"PAR1" + bytes(20), "content is not csv"),
        ("a.csv", b"\x1f\x8b\x08" + bytes(20), "content is not csv"),
        ("a.parquet", b"x\n1\n", "content is not parquet"),
        ("a.parquet", b"PAR1" + bytes(20) + b"PAR1", "OSError"),
        ("a.parquet", b"PAR1" + bytes(20) + b"\xff\xff\xff\x7fPAR1", "Arrow"),
        ("a.feather", b"FEA1" + bytes(20) + b"FEA1", "content is not feather"),
        ("a.feather", b"ARROW1\0\0" + bytes(20), "Arrow"),
        ("a.jsonl", b'{"x": 1}\n{"x": "a"}\n', "ArrowInvalid"),
        ("a.jsonl", b'{"x": 1}\n{"x": 99999999999999999999}\n', "Arrow"),
        ("a.jsonl", b'{"x": 1}\n{"x"', "ArrowInvalid"),
        ("a.jsonl", b'{"x": 1, "x": 2}\n', ""),
        ("a.json", b'[{"x": 1}]', "unknown table format"),
        ("a.pkl", b"x\n1\n", "refused format, which can hold code: .pkl"),
        ("a.npy", b"\x93NUMPY", "refused format, which can hold code: .npy"),
        ("a", b"x\n1\n", "unknown table format"),
    ],
)
def test_what_cannot_be_read_to_its_end_is_unjudged(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    report = judge(tmp_path, content, of_column(dtype="int"), name)
    if reason or not report.findings:
        assert report.unjudged is not None and reason in report.unjudged
    assert report.judged == 0 or report.unjudged or report.findings


def test_truncated_files_are_unjudged_or_not_readable(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.feather"):
        task = task_of(tmp_path, {}, name)
        assert task.out is not None
        WRITERS[name](of_all_types(), task.out)
        whole = task.out.read_bytes()
        for size in (len(whole) - 1, len(whole) // 2, 12):
            task.out.write_bytes(whole[:size])
            assert gate_of(name, ALL_TYPES).judge(task).unjudged


def test_footer_that_lies_about_its_rows_is_found(tmp_path: Path) -> None:
    task = task_of(tmp_path, {}, "a.parquet")
    assert task.out is not None
    parquet.write_table(pa.table({"x": list(range(100))}), task.out, compression="none")
    content = bytearray(task.out.read_bytes())
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    place = content.index(b"\x16\xc8\x01", start)  # the number of rows, as Thrift writes it
    content[place + 1 : place + 3] = b"\xca\x01"
    task.out.write_bytes(content)
    report = gate_of("a.parquet", of_column(dtype="int")).judge(task)
    assert report.unjudged is not None


def test_empty_table_passes_only_where_declared(tmp_path: Path) -> None:
    report = judge(tmp_path, "x\n", {**of_column(dtype="int"), "rows": {"min": 0}})
    assert (report.findings, report.judged, report.unjudged) == ((), 1, None)
    assert judge(tmp_path, "x\n", of_column(dtype="int")).judged == 0


def test_format_can_be_declared(tmp_path: Path) -> None:
    table = {**of_column(dtype="int"), "format": "csv"}
    assert judge(tmp_path, "x\n1\n", table, "a.data").judged == 1


def test_line_longer_than_a_block_is_unjudged(tmp_path: Path) -> None:
    content = "x,y\n1,a\n1," + "y" * (20 << 20) + "\n"
    report = judge(tmp_path, content, of_column(dtype="int"))
    assert report.unjudged is not None


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_reader_that_needs_too_much_memory_is_no_clean_one(tmp_path: Path) -> None:
    task = task_of(tmp_path, {}, "a.parquet")
    assert task.out is not None
    texts = pa.array(["z" * 4000]).take(pa.array(np.zeros(130_000, dtype="int32")))
    parquet.write_table(pa.table({"x": texts}), task.out)
    assert task.out.stat().st_size < 100_000
    gate = gate_of("a.parquet", of_column(dtype="str"), memory=800 << 20)
    try:
        report = gate.judge(task)
    except GateError as error:
        assert "ended" in error.message or "exit code" in error.message
    else:
        assert report.unjudged is not None


def test_directory_is_judged_file_by_file(tmp_path: Path) -> None:
    files = {"d/1.csv": CLEAN, "d/deep/2\n.csv": CLEAN.replace("AA", "XX")}
    table = {**ROWS, "files": {"min": 2, "max": 2}, "suffixes": [".csv"]}
    report = gate_of("d", table).judge(task_of(tmp_path, files, "d"))
    assert [(one.id, one.path) for one in report.findings] == [
        ("values:carrier", "d/deep/2\\n.csv")
    ]
    assert (report.judged, report.facts["files"], report.facts["rows"]) == (6, 2, 6)
    digests = [(p[2:], hashlib.sha256(t.encode()).hexdigest()) for p, t in files.items()]
    assert report.facts["sha256"] == digest_tree(digests)


def test_number_and_names_of_files_are_judged_without_reading_them(tmp_path: Path) -> None:
    files = {"d/1.jpg": b"\xff", "d/2.jpg": b"\xff", "d/3.exe": b"MZ"}
    table = {"files": {"max": 2}, "suffixes": [".jpg"]}
    report = gate_of("d", table).judge(task_of(tmp_path, files, "d"))
    assert {(one.id, one.path) for one in report.findings} == {
        ("files", "d"),
        ("suffix", "d/3.exe"),
    }
    assert (report.judged, report.unjudged) == (3, None)
    assert ids(judge(tmp_path, CLEAN, {"files": {"min": 1}})) == {"kind"}


def test_empty_directory_is_not_judged(tmp_path: Path) -> None:
    task = task_of(tmp_path, {}, "d")
    assert task.out is not None
    task.out.mkdir()
    assert gate_of("d", ROWS).judge(task).judged == 0
    assert ids(gate_of("d", {"files": {"min": 1}}).judge(task)) == {"files"}


def test_links_pipes_and_deep_directories_are_refused_without_waiting(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"d/1.csv": CLEAN, "real/2.csv": CLEAN}, "d")
    assert task.out is not None
    (task.out / "file.csv").symlink_to("1.csv")
    (task.out / "directory").symlink_to("../real")
    os.mkfifo(task.out / "pipe.csv")
    os.makedirs(task.out / "/".join("d" * 90))
    report = gate_of("d", ROWS).judge(task)
    reasons = str(report.unjudged)
    assert "file.csv: is a symbolic link; pipe.csv: is not a regular file" in reasons
    assert "directory: is a symbolic link" in reasons and "nested too deeply" in reasons
    assert report.judged == 3


def test_out_that_is_a_link_or_behind_one_is_refused(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"real.csv": CLEAN}, "a.csv")
    (task.directory / "a.csv").symlink_to("real.csv")
    report = gate_of("a.csv", ROWS).judge(task)
    assert (report.judged, report.unjudged) == (0, "is a symbolic link")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.csv").write_text(CLEAN)
    (task.directory / "d").symlink_to(tmp_path / "outside")
    with pytest.raises(GateError, match="behind a symbolic link"):
        gate_of("d/a.csv", ROWS).judge(task_of(tmp_path, {}, "d/a.csv"))


def test_file_swapped_between_digest_and_reading_is_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tmp_path, {"a.csv": CLEAN, "b.csv": CLEAN}, "a.csv")
    read = data._run_reader

    def swap(*arguments: Any) -> Reading:
        time.sleep(0.2)  # the digest is taken meanwhile
        os.replace(task.directory / "b.csv", task.directory / "a.csv")
        return read(*arguments)

    monkeypatch.setattr(data, "_run_reader", swap)
    assert gate_of("a.csv", ROWS).judge(task).unjudged == "files changed during the check"


MD5 = "0123456789abcdef0123456789abcdef"


def test_other_bytes_than_recorded_are_found(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"a.csv": CLEAN}, "a.csv")
    clean = DataGate(hashes={"a.csv": Hashes(MD5, MD5)}).judge(task)
    assert (clean.findings, clean.judged, clean.unjudged) == ((), 1, None)
    assert clean.facts["expectations"] == 0
    dirty = DataGate(hashes={"a.csv": Hashes(MD5, MD5 + ".dir")}).judge(task)
    assert [(one.id, one.severity) for one in dirty.findings] == [
        ("recorded-hash", Severity.CRITICAL)
    ]


def test_hash_that_nobody_computed_is_no_pass(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"a.csv": CLEAN}, "a.csv")
    report = DataGate(hashes={"a.csv": Hashes(MD5, None)}).judge(task)
    assert (report.judged, report.unjudged) == (0, "hash not computed")


@pytest.mark.parametrize("hashes", [{}, {"a.csv": Hashes(None, MD5)}, {"b.csv": Hashes(MD5, MD5)}])
def test_nothing_to_judge_by_is_an_error(tmp_path: Path, hashes: dict[str, Hashes]) -> None:
    with pytest.raises(GateError, match="no hash and no expectations: a.csv"):
        DataGate(hashes=hashes).judge(task_of(tmp_path, {"a.csv": CLEAN}, "a.csv"))


def test_both_hash_and_expectations_count(tmp_path: Path) -> None:
    hashes = {"a.csv": Hashes(MD5, "other")}
    task = task_of(tmp_path, {"a.csv": CLEAN.replace("AA", "XX")}, "a.csv")
    assert ids(gate_of("a.csv", ROWS, hashes=hashes).judge(task)) == {
        "recorded-hash",
        "values:carrier",
    }


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "not one line"),
        ("raise SystemExit(3)", "exit code 3"),
        ("raise ValueError('secret')", "exit code 1: ValueError"),
        ("print('{}')", "KeyError"),
        ("print('[]')", "TypeError"),
        ("print('{}\\n{}')", "not one line"),
        ("print('[' * 100000)", "not a reading"),
        ("import os; os.kill(os.getpid(), 9)", "signal|exit code -9"),
    ],
)
@pytest.mark.usefixtures("child")
def test_reader_that_does_not_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.setattr(data, "_START", code)
    with pytest.raises(GateError, match=reason) as caught:
        judge(tmp_path, CLEAN, ROWS)
    assert "secret" not in caught.value.message
    hashes = {"a.csv": Hashes(MD5, "other")}
    task = task_of(tmp_path, {}, "a.csv")
    report = gate_of("a.csv", ROWS, hashes=hashes).judge(task)
    assert ids(report) == {"recorded-hash"} and report.unjudged is not None


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_clean_answer_about_other_files_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = format_reading(Reading((("", (1, 2, 3, 4, 5)),), 3, 3, 1, (), ()))
    monkeypatch.setattr(data, "_START", f"print({line!r})")
    assert judge(tmp_path, CLEAN, ROWS).unjudged == "files changed during the check"


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_START", "import time; time.sleep(60)")
    with pytest.raises(GateError, match="still running after 0.5 s"):
        gate_of("a.csv", ROWS).judge(task_of(tmp_path, {"a.csv": CLEAN}, "a.csv", timeout=0.5))


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_nothing_that_lies_in_the_checkout_gets_into_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = "import os; os._exit(0)"
    names = ("sitecustomize", "pandas", "pandera", "json", "security")
    files = {f"{name}.py": planted for name in names}
    task = task_of(tmp_path, {**files, "a.csv": CLEAN}, "a.csv")
    variables = {"PYTHONPATH": str(task.directory), "PANDERA_VALIDATION_ENABLED": "False"}
    task = replace(task, environment={**task.environment, **variables})
    for name in names:
        (task.scratch / f"{name}.py").write_text(planted)
    report = gate_of("a.csv", {**ROWS, "columns": {"delay": {"dtype": "float"}}}).judge(task)
    assert (report.judged, ids(report)) == (
        3,
        {"not-null:delay", "undeclared:flight", "undeclared:carrier"},
    )


def test_pandera_that_is_told_to_check_nothing_checks(tmp_path: Path) -> None:
    with pandera.config.config_context(validation_enabled=False):
        report = judge(tmp_path, "x\n-1\n", of_column(dtype="int", min=0))
    assert ids(report) == {"min:x"}


@pytest.mark.process
@pytest.mark.usefixtures("child")
def test_expression_that_backtracks_without_end_is_ended(tmp_path: Path) -> None:
    table = of_column(dtype="str", regex="(a+)+$")
    task = task_of(tmp_path, {"a.csv": f"x\n{'a' * 60}!\n"}, "a.csv", timeout=2.0)
    with pytest.raises(GateError, match="still running|ended|exit code"):
        gate_of("a.csv", table).judge(task)


def test_expression_has_to_match_all_of_a_text(tmp_path: Path) -> None:
    content = 'x\nab\n"ab\n"\nab;c\nxab\n'
    report = judge(tmp_path, content, of_column(dtype="str", regex="ab|a"))
    assert "regex fails for column x: 3 (rows 2, 3, 4)" in report.findings[0].message


def test_many_findings_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MOST_FAILURES", 5)
    names = [f"c{number}" for number in range(8)]
    content = ",".join(names) + "\n" + ",".join("a" for _ in names) + "\n"
    table = {"columns": {name: {"dtype": "int"} for name in names}}
    report = judge(tmp_path, content, table)
    assert len(report.findings) == 5
    assert report.unjudged == "3 more findings omitted"


def test_tool_changes_with_what_is_expected_and_recorded(tmp_path: Path) -> None:
    task = task_of(tmp_path, {"a.csv": CLEAN}, "a.csv")
    tool = gate_of("a.csv", ROWS).tool(task)
    assert "pandera" in tool.version and tool == gate_of("a.csv", ROWS).tool(task)
    others = [
        gate_of("a.csv", {**ROWS, "strict": False}),
        gate_of("a.csv", ROWS, hashes={"a.csv": Hashes(MD5, MD5)}),
        gate_of("b.csv", ROWS),
    ]
    digests = {gate.tool(task).sha256 for gate in others}
    assert len(digests) == 3 and tool.sha256 not in digests


def test_missing_pandera_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise GateError(f"tool missing: {name}", "install it")

    monkeypatch.setattr(data, "own_version", missing)
    with pytest.raises(GateError, match="tool missing: pandas"):
        gate_of("a.csv", ROWS).tool(task_of(tmp_path, {}, "a.csv"))


def test_table_of_the_name_comes_before_patterns_and_two_patterns_are_refused() -> None:
    one, two = of_column(dtype="int"), of_column(dtype="str")
    found = parse_expectations({"d/*.csv": one, "d/a.csv": two, "**/b.csv": two}, "data")
    assert found.of("d/a.csv") is not None
    assert found.of("d/a.csv") != found.of("d/c.csv")
    assert found.of("d/e/c.csv") is None and found.of("b.csv") is not None
    assert found.of("d/a.csv\n") is None and found.of("x/d/a.csv") is None
    with pytest.raises(GateError, match=r"several patterns of expectations match d/.*: d/\*.csv"):
        found.of("d/b.csv")


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ([], "data.a.csv: not a table"),
        ({}, "no expectations"),
        ({"show-values": True}, "no expectations"),
        ({"colums": {}}, "data.a.csv.colums: unknown"),
        ({"columns": []}, "data.a.csv.columns: not a table"),
        ({"columns": {"x": 1}}, "data.a.csv.columns.x: not a table"),
        (of_column(dtyp="int"), "data.a.csv.columns.x.dtyp: unknown"),
        (of_column(dtype="integer"), "x.dtype: not one of int"),
        (of_column(nullable=1), "x.nullable: not true or false"),
        (of_column(min=1), "x.min: needs a dtype"),
        (of_column(dtype="str", min=1), "x.min: needs a dtype"),
        (of_column(dtype="int", min="1"), "x.min: not a number"),
        (of_column(dtype="int", min=True), "x.min: not a number"),
        (of_column(dtype="int", max=9007199254740992.0), "x.max: not a number of dtype int"),
        (of_column(dtype="float", max=float("nan")), "x.max: not a number"),
        (of_column(dtype="int", min=2, max=1), "x.min: is more than max"),
        (of_column(dtype="datetime", min="soon"), "x.min: not a date"),
        (of_column(dtype="datetime", min=1), "x.min: not a date"),
        (of_column(dtype="datetime", min="2020-01-02", max="2020-01-01"), "is more than max"),
        (of_column(dtype="int", values=["1"]), "x.values: not a list"),
        (of_column(dtype="int", values=[True]), "x.values: not a list"),
        (of_column(dtype="int", values=[]), "x.values: not a list"),
        (of_column(dtype="float", values=[float("inf")]), "x.values: not a list of finite"),
        (of_column(values=["1"]), "x.values: needs a dtype"),
        (of_column(dtype="int", regex="1"), "x.regex: not a string"),
        (of_column(dtype="str", regex="("), "x.regex: not a regular expression"),
        (of_column(dtype="int", length={"max": 1}), "x.length: needs"),
        (of_column(dtype="int", infinite=True), "x.infinite: needs"),
        (of_column(dtype="str", length={"min": 2, "max": 1}), "min is more than max"),
        ({"rows": {"min": -1}}, "rows.min: not a whole number from 0"),
        ({"rows": {"most": 1}}, "rows.most: unknown"),
        ({"rows": 1}, "rows: not a table"),
        ({"unique": ["a"]}, r"unique\[0\]: not a list of strings"),
        ({"unique": [[]]}, "unique: empty list of columns"),
        ({"suffixes": ["csv"]}, "suffixes: suffix without a leading dot"),
        ({"strict": True, "format": "xlsx"}, "format: not one of csv"),
    ],
)
def test_settings_that_nobody_can_check_are_refused(table: Any, where: str) -> None:
    with pytest.raises(ExpectationError, match=where) as caught:
        parse_expectations({"a.csv": table}, "data")
    assert caught.value.hint and isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rows", "3"),
        ("rows", True),
        ("rows", -1),
        ("files", [["a", [1]]]),
        ("files", [[1, [1, 2, 3, 4, 5]]]),
        ("failures", [["", "x", "min", "1", [], ""]]),
        ("failures", [["", None, "min", 1, [], ""]]),
        ("unjudged", [1]),
        ("more", 1),
    ],
)
def test_changed_answer_is_refused(key: str, value: object) -> None:
    failure = Failure("", "x", "min", 1, (1,), "less")
    line = format_reading(Reading((("a", (1, 2, 3, 4, 5)),), 3, 1, 1, (failure,), ("b",)))
    assert format_reading(parse_reading(line)) == line
    changed = json.dumps({**json.loads(line), key: value}, separators=(",", ":"))
    with pytest.raises(ValueError, match="not a reading|unpack"):
        parse_reading(changed)


def test_gate_reads_nothing_of_the_source_tree() -> None:
    gate = DataGate()
    assert (gate.kind, gate.place) == (Kind.DATA, Place.CHECKOUT)
    assert not gate.reads("data/a.csv") and not gate.configures("pyproject.toml")
