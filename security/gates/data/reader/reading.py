"""The report of the reader process, written and parsed as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from security.content.out_files import Identity


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that fails for a column, or for a whole file.

    Attributes:
        path: path of the file relative to the out; empty for the out itself.
        column: empty if the check is about rows or the file.
        check: a short, stable name.
        count: number of values, rows or files that fail.
        rows: the first failing rows, counted from 1 without the header.
        detail: the expectation, and the values of these rows if the settings show them.
    """

    path: str
    column: str
    check: str
    count: int
    rows: tuple[int, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The report about an out.

    Attributes:
        files: path and identity of each file that was read.
        rows: number of rows in all files.
        columns: largest number of columns in a file.
        checks: number of declared checks.
        unjudged: reasons why something could not be checked.
    """

    files: tuple[tuple[str, Identity], ...]
    rows: int
    columns: int
    checks: int
    failures: tuple[Failure, ...]
    unjudged: tuple[str, ...]


def format_reading(reading: Reading) -> str:
    """Format a reading as one line of JSON."""
    record = {
        "files": [[path, list(identity)] for path, identity in reading.files],
        "rows": reading.rows,
        "columns": reading.columns,
        "checks": reading.checks,
        "failures": [
            [one.path, one.column, one.check, one.count, list(one.rows), one.detail]
            for one in reading.failures
        ],
        "unjudged": list(reading.unjudged),
    }
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"))


def parse_reading(line: str) -> Reading:
    """Parse a line of ``format_reading``.

    Raises:
        ValueError: ``format_reading`` cannot have written this line.
    """
    try:
        record = json.loads(line)
        reading = _build_reading(record)
        written = format_reading(reading)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a reading: {type(error).__name__}") from error
    numbers = [reading.rows, reading.columns, reading.checks]
    numbers += [number for one in reading.failures for number in (one.count, *one.rows)]
    numbers += [number for _, identity in reading.files for number in identity]
    texts = [*reading.unjudged, *(path for path, _ in reading.files)]
    texts += [t for one in reading.failures for t in (one.path, one.column, one.check, one.detail)]
    if any(type(one) is not int or one < 0 for one in numbers):
        raise ValueError("not a reading: a number has another type")
    if not all(isinstance(one, str) for one in texts) or written != line:
        raise ValueError("not a reading: not in canonical form")
    return reading


def _build_reading(record: Mapping[str, Any]) -> Reading:
    """Build a reading; the caller checks the types."""
    files = tuple((path, _identity(numbers)) for path, numbers in record["files"])
    failures = tuple(
        Failure(path, column, check, count, tuple(rows), detail)
        for path, column, check, count, rows, detail in record["failures"]
    )
    unjudged = tuple(record["unjudged"])
    rows, columns, checks = record["rows"], record["columns"], record["checks"]
    return Reading(files, rows, columns, checks, failures, unjudged)


def _identity(numbers: list[int]) -> Identity:
    device, inode, size, written, changed = numbers
    return device, inode, size, written, changed
