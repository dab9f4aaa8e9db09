"""The expectations of datasets as settings tables, for the reference page and the JSON Schema.

``security.gates.data.expectations`` parses them. A test compares the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from security.content.setting import setting

Number = int | float


@dataclass(frozen=True)
class CountRange:
    """Bounds of a count: `min`, `max`, or both."""

    least: int | None = setting(None, "Smallest number.", key="min", minimum=0, example="1")
    most: int | None = setting(None, "Largest number.", key="max", minimum=0, example="12")


@dataclass(frozen=True)
class ColumnTable:
    """The expectations of one column."""

    dtype: (
        Literal[
            "int",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float",
            "float32",
            "float64",
            "bool",
            "str",
            "datetime",
        ]
        | None
    ) = setting(None, "Type of the values.", unset="any", example='"float"')
    nullable: bool = setting(False, "Allow null; NaN is null.", example="true")
    unique: bool = setting(False, "Refuse repeated values; null counts as a value.")
    required: bool = setting(True, "Require the column.", example="false")
    min: Any = setting(
        None,
        "Smallest value, for `int`, `float` and `datetime`; dates as TOML dates or ISO 8601.",
        shape="limit",
        example="-60",
    )
    max: Any = setting(None, "Largest value.", shape="limit", example="3000")
    infinite: bool = setting(False, "Allow infinite values, for `float`.")
    values: Any = setting(None, "The only values allowed.", shape="values")
    regex: str | None = setting(None, "Regular expression for the whole value, for `str`.")
    length: CountRange = setting(CountRange(), "Number of characters, for `str`.")


@dataclass(frozen=True)
class DatasetTable:
    """The expectations of the datasets that match a path or pattern.

    `*` matches within a name, `**` across directories. Each file of a directory must fit.
    """

    strict: bool = setting(False, "Refuse other columns.", example="true")
    rows: CountRange = setting(CountRange(), "Rows of each file.", unset="1 or more")
    unique: Any = setting(
        (),
        "Keys: no two rows may be equal in all columns of a key.",
        shape="unique",
        example='[["year", "flight"]]',
    )
    files: CountRange = setting(CountRange(), "Files of a directory.")
    suffixes: tuple[str, ...] = setting(
        (), "Suffixes of the files of a directory.", pattern=r"\..*", example='[".csv"]'
    )
    format: Literal["csv", "tsv", "parquet", "jsonl", "feather"] | None = setting(
        None, "Format.", unset="from the suffix", example='"csv"'
    )
    show_values: bool = setting(False, "Quote data in findings.")
    columns: Mapping[str, ColumnTable] = setting({}, "Columns, by name.")


#: The JSON Schema of values that no single type describes.
SHAPES: dict[str, dict[str, object]] = {
    "limit": {"type": ["number", "string"]},
    "values": {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
    "unique": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    },
}
#: Their names in the reference.
SHAPE_NAMES = {
    "limit": "number or date",
    "values": "list",
    "unique": "list of lists of strings",
}
