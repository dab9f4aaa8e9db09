"""Own the check that a table has the columns that a reader needs."""

from collections.abc import Iterable

import pandas as pd

from flight_delays.errors import DataError


def require_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Pass when the table has every column.

    Raises:
        DataError: At least one column is missing.
    """
    missing = sorted(set(columns) - set(table.columns))
    if missing:
        raise DataError(
            f"{name} table lacks columns: {', '.join(missing)}",
            hint="compare its header with what the module reads; was another file given?",
        )
