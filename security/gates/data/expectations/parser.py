"""Parsing expectations: what the settings say of datasets, refused where nobody can check it."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping

from security.gates.data.expectations.fields import Fields
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


def parse_expectations(table: Mapping[str, object], where: str) -> DataExpectations:
    """Read the settings of all datasets: one table a location or pattern.

    Args:
        where: what the table is called in the settings, for messages.

    Raises:
        ExpectationError: a key is unknown, or a value is not what it has to be.
    """
    tables = (
        _parse_table(pattern, value, f"{where}.{pattern}") for pattern, value in table.items()
    )
    return DataExpectations(tuple(tables))


def _parse_table(pattern: str, value: object, where: str) -> TableExpectations:
    """Read the expectations of one location or pattern."""
    fields = Fields(value, where)
    table = TableExpectations(
        pattern,
        {name: _parse_column(inner) for name, inner in fields.take_tables("columns")},
        fields.take("strict", bool, False),
        fields.take_range("rows") or Range(),
        tuple(fields.texts("unique", key) for key in fields.take("unique", list, [])),
        fields.take_range("files"),
        fields.take_texts("suffixes"),
        fields.take_one_of("format", FORMATS),
        fields.take("show-values", bool, False),
    )
    fields.end()
    if table == TableExpectations(pattern, format=table.format, show_values=table.show_values):
        raise fields.refuse("columns", "nothing is expected of it")
    if not all(table.unique):
        raise fields.refuse("unique", "a key without columns")
    if any(not one.startswith(".") for one in table.suffixes):
        raise fields.refuse("suffixes", "a suffix starts with a dot")
    return table


def _parse_column(fields: Fields) -> Column:
    """Read the expectations of one column."""
    dtype = fields.take_one_of("dtype", DTYPES)
    column = Column(
        dtype,
        fields.take("nullable", bool, False),
        fields.take("unique", bool, False),
        fields.take("required", bool, True),
        fields.take("infinite", bool, False),
        _take_limit(fields, "min", dtype),
        _take_limit(fields, "max", dtype),
        _take_values(fields, dtype),
        _take_regex(fields, dtype),
        fields.take_range("length") or Range(),
    )
    fields.end()
    if column.length != Range() and dtype != "str":
        raise fields.refuse("length", "needs: dtype = 'str'")
    if column.infinite and dtype not in FLOATS:
        raise fields.refuse("infinite", "needs: dtype = 'float'")
    if None not in (column.least, column.most) and _is_more(column.least, column.most):
        raise fields.refuse("min", "is more than max")
    return column


def _take_limit(fields: Fields, key: str, dtype: str | None) -> int | float | str | None:
    """Take the smallest or largest value of a column, of the type that its values have."""
    value = fields.take_any(key)
    if value is None:
        return None
    if dtype == "datetime":
        return _parse_date(fields, key, value)
    if dtype not in (*INTEGERS, *FLOATS):
        raise fields.refuse(key, "needs a dtype of numbers or dates")
    # A whole number is not compared with a float, which has no digits left for the large ones.
    if type(value) is int or (
        dtype in FLOATS and isinstance(value, float) and math.isfinite(value)
    ):
        return value
    raise fields.refuse(key, f"not a number of dtype {dtype}")


def _parse_date(fields: Fields, key: str, value: object) -> str:
    """Return a date in ISO 8601; without a zone it is taken for UTC."""
    try:
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
    except ValueError as error:
        raise fields.refuse(key, "not a date") from error
    if isinstance(value, datetime.datetime):
        zone = value.tzinfo or datetime.timezone.utc
        return value.replace(tzinfo=zone).astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, datetime.date):
        midnight = datetime.datetime.combine(value, datetime.time(), datetime.timezone.utc)
        return midnight.isoformat()
    raise fields.refuse(key, "not a date")


def _take_values(fields: Fields, dtype: str | None) -> tuple[str | int | float | bool, ...] | None:
    """Take the only values that a column may have, all of its type."""
    value = fields.take_any("values")
    if value is None:
        return None
    numbers: tuple[type, ...] = (int, float) if dtype in FLOATS else (int,)
    kinds = {"str": (str,), "bool": (bool,)}.get(dtype or "", numbers)
    if dtype not in (*INTEGERS, *FLOATS, "str", "bool"):
        raise fields.refuse("values", "needs a dtype of numbers, bool or str")
    if not isinstance(value, list) or not value or any(type(one) not in kinds for one in value):
        raise fields.refuse("values", f"not a list of values of dtype {dtype}")
    if any(isinstance(one, float) and not math.isfinite(one) for one in value):
        raise fields.refuse("values", "not a list of finite numbers")
    return tuple(value)


def _take_regex(fields: Fields, dtype: str | None) -> str | None:
    """Take the expression that the texts of a column have to match."""
    value = fields.take_any("regex")
    if value is None:
        return None
    if dtype != "str" or not isinstance(value, str):
        raise fields.refuse("regex", "not a text, or without: dtype = 'str'")
    try:
        re.compile(value)
    except re.error as error:
        raise fields.refuse("regex", f"not an expression: {error}") from error
    return value


def _is_more(least: int | float | str | None, most: int | float | str | None) -> bool:
    """Compare two limits of the same type; dates are all written in the same zone."""
    if isinstance(least, str) or isinstance(most, str):
        return datetime.datetime.fromisoformat(str(least)) > datetime.datetime.fromisoformat(
            str(most)
        )
    return least is not None and most is not None and least > most
