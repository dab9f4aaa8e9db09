"""The check that a table has the required columns."""

from collections.abc import Iterable

import pandas as pd

from flight_delays.errors import DataError


def require_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Check that the table has every column.

    Raises:
        DataError: At least one column is missing.
    """
    missing = sorted(set(columns) - set(table.columns))
    if missing:
        raise DataError(
            f"{name} table lacks columns: {', '.join(missing)}",
            hint="compare the header with the columns that the module reads",
        )
