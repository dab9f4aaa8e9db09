"""Answers of the reader's process, written and read as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from security.content.out_files import Identity


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that does not hold for one column, or for a file as a whole.

    Attributes:
        path: of the file relative to the out; empty for the out itself.
        column: empty where it is about the rows or the file.
        check: a short, stable name.
        count: of values, rows or files that it does not hold for.
        rows: the first ones, counted from 1 without the header.
        detail: what was expected, and the values of these rows where they may be shown.
    """

    path: str
    column: str
    check: str
    count: int
    rows: tuple[int, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader has read of an out.

    Attributes:
        files: each that was read, with its identity then.
        rows: of all files.
        columns: of the file with the most.
        checks: that were declared for what was read.
        unjudged: why something could not be judged.
    """

    files: tuple[tuple[str, Identity], ...]
    rows: int
    columns: int
    checks: int
    failures: tuple[Failure, ...]
    unjudged: tuple[str, ...]


def format_reading(reading: Reading) -> str:
    """Return a reading as one line of JSON."""
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
    """Read what ``format_reading`` has written, and nothing else.

    Raises:
        ValueError: the text is not exactly such a line.
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
        raise ValueError("not a reading: it does not read back as written")
    return reading


def _build_reading(record: Mapping[str, Any]) -> Reading:
    """Put the fields in their places; the caller looks at their types."""
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
