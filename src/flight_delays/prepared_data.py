"""The files of the prepared data: one reproducible Parquet file for each split."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from flight_delays.columns import require_columns
from flight_delays.errors import DataError
from flight_delays.schema import CATEGORIES, COLUMNS, LABEL, NUMBERS

_ROW_GROUP = 65_536


def write_split(table: pd.DataFrame, path: Path) -> None:
    """Write one split as Parquet, without metadata about the machine or the time."""
    content = pa.Table.from_pandas(
        table.loc[:, list(COLUMNS)], schema=_schema(), preserve_index=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        content.replace_schema_metadata(None),
        path,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        row_group_size=_ROW_GROUP,
        store_schema=False,
    )


def read_split(path: Path) -> pd.DataFrame:
    """Read one split.

    Raises:
        DataError: The file is missing, is not Parquet, lacks a column or has no row.
    """
    try:
        # Not pq.read_table: it also reads directories, and treats other formats as empty.
        table: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"cannot read the prepared data: {path}: {error}",
            hint="produce it with: dvc repro prepare_data",
        ) from error
    require_columns(table, COLUMNS, str(path))
    if table.empty:
        raise DataError(f"prepared data has no row: {path}", hint="run: dvc repro prepare_data")
    return table


def labels_of(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the label of each row, 0 or 1, shape ``[rows]``."""
    return table[LABEL].to_numpy(dtype=np.int64)


def _schema() -> pa.Schema:
    strings = [(name, pa.string()) for name in CATEGORIES]
    numbers = [(name, pa.float32()) for name in NUMBERS]
    keys = [("scheduled_departure", pa.timestamp("ms")), ("flight_number", pa.int32())]
    return pa.schema([*keys, *strings, *numbers, (LABEL, pa.int8())])
