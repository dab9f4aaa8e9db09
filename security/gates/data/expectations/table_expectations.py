"""Expectations of datasets, as values."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from security.gates.interface import GateError, Json

INTEGERS = ("int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float", "float32", "float64")
DTYPES = (*INTEGERS, *FLOATS, "bool", "str", "datetime")
FORMATS = ("csv", "tsv", "parquet", "jsonl", "feather")


@dataclass(frozen=True, slots=True)
class Range:
    """An inclusive range of a count; None leaves a side open."""

    least: int | None = None
    most: int | None = None

    def to_json(self) -> Json:
        """Return plain JSON values."""
        return [self.least, self.most]


@dataclass(frozen=True, slots=True)
class Column:
    """The expectations of a column.

    Attributes:
        dtype: one of ``DTYPES``; None allows any type.
        least: smallest value; a date in ISO 8601.
        most: largest value; a date in ISO 8601.
        values: the allowed values; None allows all.
        regex: matches the whole text.
    """

    dtype: str | None = None
    nullable: bool = False
    unique: bool = False
    required: bool = True
    infinite: bool = False
    least: int | float | str | None = None
    most: int | float | str | None = None
    values: tuple[str | int | float | bool, ...] | None = None
    regex: str | None = None
    length: Range = Range()

    def to_json(self) -> dict[str, Json]:
        """Return plain JSON values."""
        return {
            "dtype": self.dtype,
            "nullable": self.nullable,
            "unique": self.unique,
            "required": self.required,
            "infinite": self.infinite,
            "least": self.least,
            "most": self.most,
            "values": None if self.values is None else list(self.values),
            "regex": self.regex,
            "length": self.length.to_json(),
        }


@dataclass(frozen=True, slots=True)
class TableExpectations:
    """The expectations of a dataset.

    Attributes:
        pattern: matches the locations of the dataset.
        columns: by name.
        unique: groups of columns that identify a row.
        files: number of files in a directory; None also allows a single file.
        suffixes: allowed suffixes of files in a directory; empty allows every known one.
        format: one of ``FORMATS``; None derives it from the suffix.
    """

    pattern: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    strict: bool = False
    rows: Range = Range()
    unique: tuple[tuple[str, ...], ...] = ()
    files: Range | None = None
    suffixes: tuple[str, ...] = ()
    format: str | None = None
    show_values: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return plain JSON values for the reader process."""
        return {
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "strict": self.strict,
            "rows": self.rows.to_json(),
            "unique": [list(key) for key in self.unique],
            "files": None if self.files is None else self.files.to_json(),
            "suffixes": list(self.suffixes),
            "format": self.format,
            "show_values": self.show_values,
        }


@dataclass(frozen=True, slots=True)
class DataExpectations:
    """The expectations of all datasets of a project."""

    tables: tuple[TableExpectations, ...] = ()

    def of(self, location: str) -> TableExpectations | None:
        """Return the expectations of a location; None without any.

        An exact name takes precedence over patterns.

        Raises:
            GateError: several patterns match.
        """
        for table in self.tables:
            if table.pattern == location:
                return table
        found = [one for one in self.tables if _translate(one.pattern).fullmatch(location)]
        if len(found) > 1:
            shown = ", ".join(table.pattern for table in found)
            hint = f"add expectations for exactly this path: {location}"
            raise GateError(f"several patterns of expectations match {location}: {shown}", hint)
        return found[0] if found else None


@functools.cache
def _translate(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: ``*`` and ``?`` match within a name, ``**`` across names."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts), re.DOTALL)
