"""Checks of tables: pandera for the values of each piece, and our own over all pieces of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors

from security.content.printable import printable
from security.gates.data.reader.conversion import WrongTypeError, convert
from security.gates.data.reader.expectation import Expected, ExpectedColumn
from security.gates.data.reader.reading import Failure
from security.gates.data.reader.tables import OpenTable, UnreadableError

_EXAMPLES = 5
_LONGEST_VALUE = 40
_REASONS = (SchemaErrorReason.SERIES_CONTAINS_NULLS, SchemaErrorReason.DATAFRAME_CHECK)


@dataclass(slots=True)
class _Tally:
    """What a check has counted so far."""

    count: int = 0
    rows: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    expected: str = ""


class TableChecks:
    """The checks of one file, fed with one piece of it after another.

    Args:
        path: of the file relative to the out.
    """

    def __init__(self, path: str, table: OpenTable, expected: Expected) -> None:
        self.rows = 0
        self._path = path
        self._table = table
        self._expected = expected
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._hashes: dict[tuple[str, ...], list[Any]] = {key: [] for key in expected.keys}
        self._seen: set[str] = set()
        self._checks = {name: _checks(column) for name, column in expected.columns.items()}
        self._look_at_names()

    def add(self, batch: Any) -> None:
        """Check one piece.

        Raises:
            UnreadableError: a check cannot be made.
        """
        frame, wrong = self._convert(batch)
        self._validate(frame, wrong)
        for key, hashes in self._hashes.items():
            if set(key) <= set(frame):
                hashes.append(_hash(pd.DataFrame({name: frame[name] for name in key})))
        self.rows += batch.num_rows

    def finish(self) -> tuple[Failure, ...]:
        """Check what only all pieces together tell, and return what does not hold."""
        for key, hashes in self._hashes.items():
            self._find_equal_rows(key, hashes)
        least, most = self._expected.rows
        if (least is not None and self.rows < least) or (most is not None and self.rows > most):
            self._note("", "rows", self.rows, expected=f"{self.rows}, not {_span(least, most)}")
        for name, column in self._expected.columns.items():
            if self._table.loose and column.required and name not in self._seen and self.rows:
                self._note(name, "required", 1)
        return tuple(
            Failure(self._path, column, check, one.count, tuple(one.rows), self._detail(one))
            for (column, check), one in self._tallies.items()
        )

    def _look_at_names(self) -> None:
        """Find columns that are missing, there twice, or not declared."""
        names = self._table.names
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                self._note(name, "duplicate-column", names.count(name))
            if self._expected.strict and name not in self._expected.columns:
                self._note(name, "undeclared", 1)
        for name in self._expected.needed:
            column = self._expected.columns.get(name)
            if name not in names and (column is None or column.required):
                self._note(name, "required", 1)

    def _convert(self, batch: Any) -> tuple[dict[str, pd.Series[Any]], dict[str, Any]]:
        """Return the needed columns of a piece, and which of their values are of a wrong type."""
        frame, wrong = {}, {}
        for name in self._expected.needed:
            if name not in batch.schema.names:
                continue
            data = batch.column(batch.schema.names.index(name))
            column = self._expected.columns.get(name)
            dtype = column.dtype if column is not None else None
            if column is not None and dtype is None and not column.unique:
                self._check_nulls(name, column, data)
                continue
            try:
                frame[name], wrong[name] = convert(data, dtype, self._table.texts)
            except WrongTypeError as error:
                self._note(name, "dtype", batch.num_rows, expected=str(error))
                continue
            rows = np.flatnonzero(wrong[name])
            texts = [str(data[int(row)].as_py()) for row in rows[:_EXAMPLES]]
            self._note(name, "dtype", len(rows), rows, texts, f"not of dtype {dtype}")
            if data.null_count < len(data):
                self._seen.add(name)
        return frame, wrong

    def _check_nulls(self, name: str, column: ExpectedColumn, data: Any) -> None:
        """Check a column of any type, of which nothing else can be said."""
        null = data.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
        if not null.all():
            self._seen.add(name)
        if not column.nullable:
            self._note(name, "not-null", int(null.sum()), np.flatnonzero(null))

    def _validate(self, frame: dict[str, pd.Series[Any]], wrong: dict[str, Any]) -> None:
        """Let pandera judge the columns of a piece."""
        declared = {name: one for name, one in frame.items() if name in self._expected.columns}
        if not declared:
            return
        columns = {
            name: pandera.Column(
                checks=self._checks[name], nullable=self._expected.columns[name].nullable
            )
            for name in declared
        }
        try:
            with config_context(True, ValidationDepth.SCHEMA_AND_DATA):  # whatever else says no
                pandera.DataFrameSchema(columns).validate(pd.DataFrame(declared), lazy=True)
        except SchemaErrors as errors:
            for error in errors.schema_errors:
                self._note_error(error, wrong)

    def _note_error(self, error: SchemaError, wrong: dict[str, Any]) -> None:
        """Count what pandera has found, without what is null only because its type is wrong."""
        if error.reason_code not in _REASONS:
            raise UnreadableError(f"pandera could not check it: {error.reason_code}")
        name = str(error.schema.name)
        is_null = error.reason_code is SchemaErrorReason.SERIES_CONTAINS_NULLS
        cases = error.failure_cases
        rows = cases["index"].to_numpy(dtype="int64")
        kept = ~wrong[name][rows]
        rows, values = rows[kept], cases["failure_case"][kept]
        check = "not-null" if is_null else str(error.check.name)
        expected = "" if is_null else str(error.check.description or "")
        shown = [] if is_null else [str(value) for value in values[:_EXAMPLES]]
        self._note(name, check, len(rows), rows, shown, expected)

    def _find_equal_rows(self, key: tuple[str, ...], hashes: list[Any]) -> None:
        """Find rows that are equal in some columns to one before."""
        if not hashes:
            return
        every = np.concatenate(hashes)
        order = np.argsort(every, kind="stable")
        equal = every[order][1:] == every[order][:-1]
        rows = np.sort(order[1:][equal])
        what = "equal to a row before"
        self._note(" + ".join(key), "unique", len(rows), rows - self.rows, expected=what)

    def _note(
        self,
        column: str,
        check: str,
        count: int,
        rows: Any = (),
        values: list[str] | None = None,
        expected: str = "",
    ) -> None:
        """Count failures; rows are those of the present piece, from 0."""
        if not count:
            return
        tally = self._tallies.setdefault((column, check), _Tally())
        tally.count += count
        room = _EXAMPLES - len(tally.rows)
        tally.rows += [self.rows + int(row) + 1 for row in rows[:room]]
        tally.values += (values or [])[:room]
        tally.expected = tally.expected or expected

    def _detail(self, tally: _Tally) -> str:
        """Say what was expected, and what was found where that may be shown."""
        shown = ", ".join(printable(value, _LONGEST_VALUE) for value in tally.values)
        if not self._expected.show_values or not shown:
            return tally.expected
        return f"{tally.expected}: {shown}" if tally.expected else shown


def _checks(column: ExpectedColumn) -> list[pandera.Check]:
    """Return pandera's checks of a column, with names of ours."""
    found = []
    dates = column.dtype == "datetime"
    if column.least is not None:
        least = pd.Timestamp(column.least) if dates else column.least
        found.append(pandera.Check.ge(least, name="min", description=f"less than {column.least}"))
    if column.most is not None:
        most = pd.Timestamp(column.most) if dates else column.most
        found.append(pandera.Check.le(most, name="max", description=f"more than {column.most}"))
    if column.values is not None:
        found.append(pandera.Check.isin(column.values, name="values", description="not allowed"))
    if (column.dtype or "").startswith("float") and not column.infinite:
        found.append(pandera.Check(np.isfinite, name="finite", description="infinite"))
    if column.regex is not None:
        found.append(_matches(column.regex))
    if column.length != (None, None):
        what = f"not {_span(*column.length)} characters"
        found.append(pandera.Check.str_length(*column.length, name="length", description=what))
    return found


def _matches(regex: str) -> pandera.Check:
    """Return the check that all of a text matches; Python's own matching, in all of its syntax."""
    compiled = re.compile(regex)

    def check(texts: pd.Series[Any]) -> pd.Series[Any]:
        return texts.map(lambda text: compiled.fullmatch(text) is not None).astype(bool)

    return pandera.Check(check, name="regex", description="does not match")


def _span(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f"{least} to {most}"
    return f"at least {least}" if least is not None else f"at most {most}"


def _hash(frame: pd.DataFrame) -> Any:
    """Return a number for each row; equal rows have equal ones in every piece.

    Zero has two signs and a missing number many patterns, which are made one each.
    """
    for name, column in frame.items():
        if column.dtype == np.float64:
            numbers = column.to_numpy() + 0.0
            frame = frame.assign(**{str(name): np.where(np.isnan(numbers), np.nan, numbers)})
    return pd.util.hash_pandas_object(frame, index=False, categorize=False).to_numpy()
