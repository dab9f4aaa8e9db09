"""What is expected of datasets, as values."""

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
    """A number of things: at least, at most; None leaves a side open."""

    least: int | None = None
    most: int | None = None

    def to_json(self) -> Json:
        """Return it as plain values."""
        return [self.least, self.most]


@dataclass(frozen=True, slots=True)
class Column:
    """What a column has to be.

    Attributes:
        dtype: one of ``DTYPES``; None takes any.
        least: smallest value; of dates, in ISO 8601.
        most: largest value.
        values: the only ones allowed; None allows all.
        regex: of the whole text.
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
        """Return it as plain values."""
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
    """What a dataset has to be.

    Attributes:
        pattern: of the locations it is about.
        columns: by name.
        unique: columns that together tell rows apart.
        files: how many a directory holds; None where the out may be a file as well.
        suffixes: of a directory's files; empty allows all that can be read.
        format: one of ``FORMATS``; None goes by the suffix.
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
        """Return it as plain values, which is what the reader's process gets."""
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
        """Return what is expected of a location; None where nothing is.

        A table of just this name comes before patterns.

        Raises:
            GateError: several patterns match.
        """
        for table in self.tables:
            if table.pattern == location:
                return table
        found = [one for one in self.tables if _translate(one.pattern).fullmatch(location)]
        if len(found) > 1:
            shown = ", ".join(table.pattern for table in found)
            hint = f"add a table of its own: {location}"
            raise GateError(f"{location}: several tables of expectations match: {shown}", hint)
        return found[0] if found else None


@functools.cache
def _translate(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern: ``*`` and ``?`` stay within a name, ``**`` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts), re.DOTALL)
