"""Expectations of datasets: the settings of the gate ``data``, parsed once and strictly.

::

    ["data/raw/*.csv"]                    # a path, or a pattern: * within a name, ** across names
    strict = true                         # refuse other columns
    rows = {min = 1, max = 1_000_000}     # rows of each file; min = 0 allows none
    unique = [["year", "flight"]]         # no two rows share these values
    files = {min = 1, max = 12}           # files of a directory
    suffixes = [".csv"]                   # suffixes of the files of a directory
    format = "csv"                        # if the suffix does not tell it
    show-values = false                   # whether findings quote data

    ["data/raw/*.csv".columns.delay]
    dtype = "float"                       # or int, bool, str, datetime, int8 … uint64, float32 …
    nullable = true                       # default false; NaN is null
    unique = false                        # two nulls are duplicates
    required = true
    min = -60                             # with int, float and datetime
    max = 3000
    infinite = false                      # whether floats may be infinite
    values = [1.0, 2.0]
    regex = "[A-Z]+"                      # with str: matches the whole value
    length = {min = 1, max = 3}           # with str: in characters

In a directory, the expectations apply to each file.
"""

from security.gates.data.expectations.parser import ExpectationError, parse_expectations
from security.gates.data.expectations.table_expectations import (
    Column,
    DataExpectations,
    Range,
    TableExpectations,
)

__all__ = [
    "Column",
    "DataExpectations",
    "ExpectationError",
    "Range",
    "TableExpectations",
    "parse_expectations",
]
