"""Checks of tables: with pandera for each batch, and our own across all batches of a file."""

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
    """The failures of one check so far."""

    count: int = 0
    rows: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    expected: str = ""


class TableChecks:
    """The checks of one file, batch by batch.

    Args:
        path: path of the file relative to the out.
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
        self._check_names()

    def add(self, batch: Any) -> None:
        """Check one batch.

        Raises:
            UnreadableError: a check cannot run.
        """
        frame, wrong = self._convert(batch)
        self._validate(frame, wrong)
        for key, hashes in self._hashes.items():
            if set(key) <= set(frame):
                hashes.append(_hash(pd.DataFrame({name: frame[name] for name in key})))
        self.rows += batch.num_rows

    def finish(self) -> tuple[Failure, ...]:
        """Run the checks across all batches, and return every failure."""
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

    def _check_names(self) -> None:
        """Find missing, duplicate and undeclared columns."""
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
        """Return the needed columns of a batch, and which of their values have a wrong type."""
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
        """Check a column without a declared type for nulls."""
        null = data.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
        if not null.all():
            self._seen.add(name)
        if not column.nullable:
            self._note(name, "not-null", int(null.sum()), np.flatnonzero(null))

    def _validate(self, frame: dict[str, pd.Series[Any]], wrong: dict[str, Any]) -> None:
        """Check the columns of a batch with pandera."""
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
            with config_context(True, ValidationDepth.SCHEMA_AND_DATA):  # overrides other settings
                pandera.DataFrameSchema(columns).validate(pd.DataFrame(declared), lazy=True)
        except SchemaErrors as errors:
            for error in errors.schema_errors:
                self._note_error(error, wrong)

    def _note_error(self, error: SchemaError, wrong: dict[str, Any]) -> None:
        """Count a failure of pandera, except for nulls that stand for a wrong type."""
        if error.reason_code not in _REASONS:
            raise UnreadableError(f"pandera check failed: {error.reason_code}")
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
        """Find rows that repeat the key of an earlier row."""
        if not hashes:
            return
        every = np.concatenate(hashes)
        order = np.argsort(every, kind="stable")
        equal = every[order][1:] == every[order][:-1]
        rows = np.sort(order[1:][equal])
        what = "duplicate of an earlier row"
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
        """Count failures; rows are indices in the current batch."""
        if not count:
            return
        tally = self._tallies.setdefault((column, check), _Tally())
        tally.count += count
        room = _EXAMPLES - len(tally.rows)
        tally.rows += [self.rows + int(row) + 1 for row in rows[:room]]
        tally.values += (values or [])[:room]
        tally.expected = tally.expected or expected

    def _detail(self, tally: _Tally) -> str:
        """Return the expectation, and the failing values if the settings show them."""
        shown = ", ".join(printable(value, _LONGEST_VALUE) for value in tally.values)
        if not self._expected.show_values or not shown:
            return tally.expected
        return f"{tally.expected}: {shown}" if tally.expected else shown


def _checks(column: ExpectedColumn) -> list[pandera.Check]:
    """Build the pandera checks of a column, with our own names."""
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
    """Build a check that the whole text matches, in Python's own syntax."""
    compiled = re.compile(regex)

    def check(texts: pd.Series[Any]) -> pd.Series[Any]:
        return texts.map(lambda text: compiled.fullmatch(text) is not None).astype(bool)

    return pandera.Check(check, name="regex", description="does not match")


def _span(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f"{least} to {most}"
    return f"at least {least}" if least is not None else f"at most {most}"


def _hash(frame: pd.DataFrame) -> Any:
    """Return a hash for each row; equal rows have equal hashes in every batch.

    The two signs of zero, and the many bit patterns of NaN, are normalized first.
    """
    for name, column in frame.items():
        if column.dtype == np.float64:
            numbers = column.to_numpy() + 0.0
            frame = frame.assign(**{str(name): np.where(np.isnan(numbers), np.nan, numbers)})
    return pd.util.hash_pandas_object(frame, index=False, categorize=False).to_numpy()
