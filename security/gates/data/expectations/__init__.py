"""Expectations of datasets: what the settings say that a table has to be, parsed once and strictly.

::

    ["data/raw/*.csv"]                    # a location, or a pattern: * within a name, ** over names
    strict = true                         # no other columns
    rows = {min = 1, max = 1_000_000}     # of each file; min = 0 allows an empty table
    unique = [["year", "flight"]]         # no two rows are equal in all of these columns
    files = {min = 1, max = 12}           # of a directory
    suffixes = [".csv"]                   # of the files of a directory
    format = "csv"                        # where the name does not say it
    show-values = false                   # whether findings quote the data

    ["data/raw/*.csv".columns.delay]
    dtype = "float"                       # or int, bool, str, datetime, int8 … uint64, float32 …
    nullable = true                       # default false; NaN is null
    unique = false                        # null counts as a value
    required = true
    min = -60                             # with int, float and datetime
    max = 3000
    infinite = false                      # whether a float may be infinite
    values = [1.0, 2.0]
    regex = "[A-Z]+"                      # with str: of the whole value
    length = {min = 1, max = 3}           # with str: in characters

Of a directory, each file has to be such a table.
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
