"""Conversion of pyarrow columns to pandas series, with the values of a wrong type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from security.gates.data.reader.tables import UnreadableError

_INTEGER = r"^-?[0-9]{1,18}$"
_LONG_INTEGER = r"^-?[0-9]{19,40}$"
_FLOAT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"^(?i:[+-]?inf(inity)?)$"
_TRUE, _FALSE = ("True", "TRUE", "true"), ("False", "FALSE", "false")


class WrongTypeError(Exception):
    """The whole column has another type than declared."""


def convert(column: Any, dtype: str | None, texts: bool) -> tuple[pd.Series[Any], Any]:
    """Return a column as a series, and which of its values are not of the declared type.

    A value of a wrong type is null in the series, so that no other check applies to it.

    Args:
        texts: whether the file holds only texts.

    Raises:
        WrongTypeError: the file declares another type for the column.
        UnreadableError: values of this type cannot be compared.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = dtype or ("str" if texts else _natural(column.type))
    if kind == "datetime":
        return _dates(column)
    if texts and kind != "str":
        column, wrong = _parse(column, kind)
    else:
        _check_type(column.type, kind)
        wrong = np.zeros(len(column), dtype=bool)
    series, out_of_range = _series(column, kind)
    return series, wrong | out_of_range


def _natural(kind: Any) -> str:
    """Return the type to use for an Arrow type without a declaration."""
    for name, is_such in _KINDS.items():
        if is_such(kind):
            return name
    raise UnreadableError(f"values cannot be compared in a column of type: {kind}")


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_date(kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


_KINDS = {
    "int": pa.types.is_integer,
    "float": pa.types.is_floating,
    "bool": pa.types.is_boolean,
    "str": _is_text,
    "datetime": _is_date,
}


def _check_type(kind: Any, dtype: str) -> None:
    """Refuse another type; a type with a width must match exactly."""
    name = {"double": "float64", "float": "float32", "halffloat": "float16"}.get(str(kind), "")
    exact = dtype in (name or str(kind),) and dtype not in _KINDS
    if not (_KINDS[dtype](kind) if dtype in _KINDS else exact):
        raise WrongTypeError(f"is {kind}, not {dtype}")


def _parse(column: Any, dtype: str) -> tuple[Any, Any]:
    """Parse texts as values of a type; return the values and which texts are invalid."""
    present = pc.is_valid(column)
    if dtype == "bool":
        true, false = pc.is_in(column, pa.array(_TRUE)), pc.is_in(column, pa.array(_FALSE))
        values = pc.if_else(pc.or_(true, false), true, None)
    elif dtype.startswith("float"):
        plain = pc.if_else(pc.match_substring_regex(column, _FLOAT), column, None)
        infinite = pc.match_substring_regex(column, _INFINITE)
        values = pc.cast(pc.replace_substring_regex(plain, r"^\+", ""), pa.float64())
        endless = pc.if_else(pc.starts_with(column, "-"), -np.inf, np.inf)
        values = pc.if_else(pc.fill_null(infinite, False), endless, values)
    else:
        values = _parse_integers(column, dtype)
    wrong = pc.and_(present, pc.is_null(values))
    return values, wrong.to_numpy(zero_copy_only=False)


def _parse_integers(column: Any, dtype: str) -> Any:
    """Parse texts as integers; those that do not fit into 64 bits are null."""
    kind = pa.uint64() if dtype == "uint64" else pa.int64()
    short = pc.if_else(pc.match_substring_regex(column, _INTEGER), column, None)
    values = pc.cast(short, pa.int64())
    if dtype == "uint64":
        values = pc.cast(pc.if_else(pc.greater_equal(values, 0), values, None), kind)
    long = pc.fill_null(pc.match_substring_regex(column, _LONG_INTEGER), False)
    if not pc.any(long).as_py():
        return values
    least, most = _span(dtype)
    numbers = values.to_pylist()
    for index in np.flatnonzero(long.to_numpy(zero_copy_only=False)):
        number = int(column[int(index)].as_py())
        numbers[index] = number if least <= number <= most else None
    return pa.array(numbers, kind)


def _span(dtype: str) -> tuple[int, int]:
    """Return the smallest and the largest number of an integer type."""
    info = np.iinfo("int64" if dtype == "int" else dtype)
    return int(info.min), int(info.max)


def _series(column: Any, dtype: str) -> tuple[pd.Series[Any], Any]:
    """Return a series, and which numbers do not fit the declared width."""
    null = column.is_null().to_numpy(zero_copy_only=False)
    inside = np.zeros(len(column), dtype=bool)
    if dtype == "str":
        return pd.Series(column.to_pandas(), dtype="str"), inside
    if dtype == "bool":
        flags = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
        return pd.Series(pd.arrays.BooleanArray(flags, null)), inside
    if dtype.startswith("float"):
        numbers = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
        if dtype == "float32":
            with np.errstate(over="ignore"):
                wide = np.isfinite(numbers) & ~np.isfinite(numbers.astype("float32"))
            return pd.Series(np.where(wide, np.nan, numbers)), wide
        return pd.Series(numbers), inside
    wide_type = pa.uint64() if pa.types.is_unsigned_integer(column.type) else pa.int64()
    whole = pc.fill_null(pc.cast(column, wide_type), 0).to_numpy(zero_copy_only=False).copy()
    if dtype not in ("int", "uint64"):
        least, most = _span(dtype)
        inside = ~null & ((whole < least) | (whole > most))
    return pd.Series(pd.arrays.IntegerArray(whole, null | inside)), inside


def _dates(column: Any) -> tuple[pd.Series[Any], Any]:
    """Return timestamps in UTC, which is also assumed without a time zone."""
    if _is_text(column.type):
        texts = pd.Series(column.to_pandas(), dtype="str")
        dates = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
        return dates, (texts.notna() & dates.isna()).to_numpy()
    if not _is_date(column.type):
        raise WrongTypeError(f"is {column.type}, not datetime")
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("s"))
    dates = pd.to_datetime(pd.Series(column.to_pandas()), utc=True)
    return dates, np.zeros(len(dates), dtype=bool)
