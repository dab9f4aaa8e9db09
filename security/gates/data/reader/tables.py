"""Tables in files: opened by format, and read in batches of limited size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa

BATCH_ROWS = 1 << 17
BLOCK = 8 << 20
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".feather": "feather",
    ".arrow": "feather",
}
_CODE = (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pt", ".pth", ".h5", ".hdf5")
_MAGIC = {"parquet": b"PAR1", "feather": b"ARROW1"}
# Beginnings of files that are not text: pickles, archives, compressed files, binary tables.
_BINARY = (b"\x80", b"\x93NUMPY", b"PK", b"\x1f\x8b", b"PAR1", b"ARROW1", b"FEA1", b"\x89", b"ZF")
# The texts that pandas reads as missing values.
_NULLS = ["", " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"] + [
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
]
_THRIFT_TEXT, _THRIFT_ITEMS = 64 << 20, 1_000_000


class UnreadableError(Exception):
    """A file that cannot be read completely as a table."""


@dataclass(frozen=True, slots=True)
class OpenTable:
    """An open table.

    Attributes:
        names: column names as in the file, possibly with duplicates.
        batches: rows in batches; each batch has these columns, or the requested ones.
        texts: whether numbers and dates are texts.
        rows: number of rows that the file declares; None if it declares none.
        loose: whether a requested column that the file lacks is present and filled with nulls.
    """

    names: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    texts: bool = False
    rows: int | None = None
    loose: bool = False


def open_table(
    path: str, descriptor: int, declared: str | None, types: dict[str, str | None]
) -> OpenTable:
    """Open the table in an open file.

    Args:
        path: its suffix names the format.
        declared: the format in the settings.
        types: declared types of the needed columns.

    Raises:
        UnreadableError: the format is not supported, or the content has another one.
        pa.ArrowException, OSError: the content is damaged.
    """
    found = declared or _find_format(path)
    _check_head(os.pread(descriptor, 4096, 0), found)
    stream = os.fdopen(os.dup(descriptor), "rb")
    stream.seek(0)
    openers: dict[str, Callable[[BinaryIO], OpenTable]] = {
        "csv": lambda file: _open_text(file, ","),
        "tsv": lambda file: _open_text(file, "\t"),
        "parquet": lambda file: _open_parquet(file, tuple(types)),
        "jsonl": lambda file: _open_lines(file, types),
        "feather": _open_feather,
    }
    return openers[found](stream)


def _find_format(path: str) -> str:
    """Return the format by the suffix of a name."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _CODE:
        raise UnreadableError(f"refused format, which can hold code: {suffix}")
    if suffix not in _SUFFIXES:
        raise UnreadableError("unknown table format; set format in the expectations")
    return _SUFFIXES[suffix]


def _check_head(head: bytes, found: str) -> None:
    """Refuse content of another format than the suffix or the settings say."""
    if not head:
        raise UnreadableError("empty file")
    magic = _MAGIC.get(found)
    agrees = head.startswith(magic) if magic else not head.startswith(_BINARY) and b"\0" not in head
    if not agrees:
        raise UnreadableError(f"content is not {found}")


def _open_text(stream: BinaryIO, delimiter: str) -> OpenTable:
    """Open CSV or TSV; a row with more or fewer fields is an error."""
    from pyarrow import csv

    def read(types: dict[str, Any]) -> Any:
        stream.seek(0)
        return csv.open_csv(
            stream,
            csv.ReadOptions(use_threads=False, block_size=BLOCK),
            csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            csv.ConvertOptions(
                column_types=types, null_values=_NULLS, strings_can_be_null=True, check_utf8=True
            ),
        )

    names = tuple(read({}).schema.names)
    reader = read({name: pa.string() for name in names})
    return OpenTable(names, iter(reader), texts=True)


def _open_lines(stream: BinaryIO, types: dict[str, str | None]) -> OpenTable:
    """Open JSON lines; a value of another type than declared is an error."""
    from pyarrow import json

    options = json.ReadOptions(use_threads=False, block_size=BLOCK)
    names = json.open_json(stream, options).schema.names
    stream.seek(0)
    fields = [(name, _line_type(dtype)) for name, dtype in types.items() if dtype is not None]
    parse = json.ParseOptions(pa.schema(fields) if fields else None, newlines_in_values=False)
    reader = json.open_json(stream, options, parse)
    all_names = tuple(dict.fromkeys((*names, *reader.schema.names)))
    return OpenTable(all_names, iter(reader), loose=True)


def _line_type(dtype: str) -> Any:
    """Return the JSON type of a declared type."""
    if dtype == "bool":
        return pa.bool_()
    if dtype in ("str", "datetime"):
        return pa.string()
    return pa.float64() if dtype.startswith("float") else _integer(dtype)


def _integer(dtype: str) -> Any:
    return pa.uint64() if dtype.startswith("u") else pa.int64()


def _open_parquet(stream: BinaryIO, needed: tuple[str, ...]) -> OpenTable:
    """Open Parquet, with a limit on the memory that its footer can request."""
    from pyarrow import parquet

    file = parquet.ParquetFile(
        stream,
        pre_buffer=False,
        thrift_string_size_limit=_THRIFT_TEXT,
        thrift_container_size_limit=_THRIFT_ITEMS,
    )
    names = tuple(file.schema_arrow.names)
    wanted = [name for name in needed if name in names]
    plain = len(set(names)) == len(names) and not any("." in name for name in names)
    columns = wanted if plain and wanted else None
    batches = file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)
    return OpenTable(names, iter(batches), rows=file.metadata.num_rows)


def _open_feather(stream: BinaryIO) -> OpenTable:
    """Open Feather, the file format of Arrow."""
    file = pa.ipc.open_file(stream)

    def read() -> Iterator[pa.RecordBatch]:
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            batch.validate(full=True)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)

    return OpenTable(tuple(file.schema.names), read())
