"""The expectations as the reader process gets them from the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Limits = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class ExpectedColumn:
    """The expectations of a column; the attributes are those of the settings."""

    dtype: str | None
    nullable: bool
    unique: bool
    required: bool
    infinite: bool
    least: Any
    most: Any
    values: list[Any] | None
    regex: str | None
    length: Limits


@dataclass(frozen=True, slots=True)
class Expected:
    """The expectations of a table, or of each table in a directory."""

    columns: Mapping[str, ExpectedColumn]
    strict: bool
    rows: Limits
    unique: tuple[tuple[str, ...], ...]
    files: Limits | None
    suffixes: tuple[str, ...]
    format: str | None
    show_values: bool

    @property
    def of_tables(self) -> bool:
        """Whether the content of files is checked, not only their number and names."""
        return bool(self.columns or self.strict or self.unique or self.rows != (None, None))

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that the checks need."""
        keys = (name for key in self.unique for name in key)
        return tuple(dict.fromkeys((*self.columns, *keys)))

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The groups of columns that must be unique."""
        alone = ((name,) for name, column in self.columns.items() if column.unique)
        return tuple(dict.fromkeys((*self.unique, *alone)))


def read_expected(values: Mapping[str, Any]) -> Expected:
    """Build expectations from the plain values of the gate.

    Raises:
        KeyError, TypeError: the values are not from the gate.
    """
    columns = {
        name: ExpectedColumn(**{**column, "length": tuple(column["length"])})
        for name, column in values["columns"].items()
    }
    files = values["files"]
    return Expected(
        columns,
        values["strict"],
        tuple(values["rows"]),
        tuple(tuple(key) for key in values["unique"]),
        None if files is None else tuple(files),
        tuple(values["suffixes"]),
        values["format"],
        values["show_values"],
    )
