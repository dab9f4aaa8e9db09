"""Parser of expectations: settings that cannot be checked are refused."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import ClassVar

from security.content.field import Field
from security.content.table import Table
from security.errors import SecurityError
from security.gates.data.expectations.table_expectations import (
    DTYPES,
    FLOATS,
    FORMATS,
    INTEGERS,
    Column,
    DataExpectations,
    Range,
    TableExpectations,
)


class ExpectationError(SecurityError, ValueError):
    """The expectations of a dataset cannot be checked."""

    kind: ClassVar[str] = "expectations"


def parse_expectations(table: Mapping[str, object], where: str) -> DataExpectations:
    """Parse the expectations of all datasets: one table for each location or pattern.

    Args:
        where: name of the table in the settings, for messages.

    Raises:
        ExpectationError: a key is unknown, or a value is invalid.
    """

    def complain(place: str, what: str, _hint: str) -> ExpectationError:
        hint = "see the settings of the data gate: ml-assets explain data"
        return ExpectationError(f"{where}.{place}: {what}", hint)

    tables = Table(Field(table, complain)).tables()
    return DataExpectations(tuple(_parse_table(name, fields) for name, fields in tables.items()))


def _parse_table(pattern: str, fields: Table) -> TableExpectations:
    """Parse the expectations of one location or pattern."""
    table = TableExpectations(
        pattern,
        {name: _parse_column(inner) for name, inner in fields.tables("columns").items()},
        fields.flag("strict"),
        _parse_range(fields, "rows") or Range(),
        _parse_keys(fields),
        _parse_range(fields, "files"),
        fields.texts("suffixes"),
        _parse_word(fields, "format", FORMATS),
        fields.flag("show-values"),
    )
    fields.refuse_unknown()
    if table == TableExpectations(pattern, format=table.format, show_values=table.show_values):
        raise fields.error("columns", "no expectations")
    if not all(table.unique):
        raise fields.error("unique", "empty list of columns")
    if any(not one.startswith(".") for one in table.suffixes):
        raise fields.error("suffixes", "suffix without a leading dot")
    return table


def _parse_column(fields: Table) -> Column:
    """Parse the expectations of one column."""
    dtype = _parse_word(fields, "dtype", DTYPES)
    column = Column(
        dtype,
        fields.flag("nullable"),
        fields.flag("unique"),
        fields.flag("required", True),
        fields.flag("infinite"),
        _parse_limit(fields, "min", dtype),
        _parse_limit(fields, "max", dtype),
        _parse_values(fields, dtype),
        _parse_regex(fields, dtype),
        _parse_range(fields, "length") or Range(),
    )
    fields.refuse_unknown()
    if column.length != Range() and dtype != "str":
        raise fields.error("length", "needs: dtype = 'str'")
    if column.infinite and dtype not in FLOATS:
        raise fields.error("infinite", "needs: dtype = 'float'")
    if None not in (column.least, column.most) and _is_more(column.least, column.most):
        raise fields.error("min", "is more than max")
    return column


def _parse_limit(fields: Table, key: str, dtype: str | None) -> int | float | str | None:
    """Parse the smallest or largest value of a column, which must have the column's type."""
    value = fields.get(key).value
    if value is None:
        return None
    if dtype == "datetime":
        return _parse_date(fields, key, value)
    if dtype not in (*INTEGERS, *FLOATS):
        raise fields.error(key, "needs a dtype of numbers or dates")
    # An integer column needs an integer limit, because floats are inexact for large numbers.
    if type(value) is int or (
        dtype in FLOATS and isinstance(value, float) and math.isfinite(value)
    ):
        return value
    raise fields.error(key, f"not a number of dtype {dtype}")


def _parse_date(fields: Table, key: str, value: object) -> str:
    """Return a date in ISO 8601 and UTC, which is also assumed without a time zone."""
    try:
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
    except ValueError as error:
        raise fields.error(key, "not a date") from error
    if isinstance(value, datetime.datetime):
        zone = value.tzinfo or datetime.timezone.utc
        return value.replace(tzinfo=zone).astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, datetime.date):
        midnight = datetime.datetime.combine(value, datetime.time(), datetime.timezone.utc)
        return midnight.isoformat()
    raise fields.error(key, "not a date")


def _parse_values(fields: Table, dtype: str | None) -> tuple[str | int | float | bool, ...] | None:
    """Parse the allowed values of a column, which must have the column's type."""
    value = fields.get("values").value
    if value is None:
        return None
    numbers: tuple[type, ...] = (int, float) if dtype in FLOATS else (int,)
    kinds = {"str": (str,), "bool": (bool,)}.get(dtype or "", numbers)
    if dtype not in (*INTEGERS, *FLOATS, "str", "bool"):
        raise fields.error("values", "needs a dtype of numbers, bool or str")
    if not isinstance(value, list) or not value or any(type(one) not in kinds for one in value):
        raise fields.error("values", f"not a list of values of dtype {dtype}")
    if any(isinstance(one, float) and not math.isfinite(one) for one in value):
        raise fields.error("values", "not a list of finite numbers")
    return tuple(value)


def _parse_regex(fields: Table, dtype: str | None) -> str | None:
    """Parse the regular expression for the texts of a column."""
    value = fields.get("regex").value
    if value is None:
        return None
    if dtype != "str" or not isinstance(value, str):
        raise fields.error("regex", "not a string, or dtype is not 'str'")
    try:
        re.compile(value)
    except re.error as error:
        raise fields.error("regex", f"not a regular expression: {error}") from error
    return value


def _parse_keys(fields: Table) -> tuple[tuple[str, ...], ...]:
    """Return the groups of columns that must be unique."""
    return tuple(_parse_texts(one) for one in fields.get("unique").items())


def _parse_texts(field: Field) -> tuple[str, ...]:
    if not isinstance(field.value, list):
        raise field.unlike("a list of strings")
    return tuple(one.text() for one in field.items())


def _parse_word(fields: Table, key: str, words: tuple[str, ...]) -> str | None:
    field = fields.get(key)
    return field.one_of(*words) if field.exists else None


def _parse_range(fields: Table, key: str) -> Range | None:
    """Parse a table with ``min`` and ``max``."""
    if key not in fields:
        return None
    ends = fields.table(key)
    found = Range(ends.whole_number("min", None, 0), ends.whole_number("max", None, 0))
    ends.refuse_unknown()
    if found.least is not None and found.most is not None and found.least > found.most:
        raise fields.error(key, "min is more than max")
    return found


def _is_more(least: int | float | str | None, most: int | float | str | None) -> bool:
    """Compare two limits of the same type; all dates are in UTC."""
    if isinstance(least, str) or isinstance(most, str):
        return datetime.datetime.fromisoformat(str(least)) > datetime.datetime.fromisoformat(
            str(most)
        )
    return least is not None and most is not None and least > most
