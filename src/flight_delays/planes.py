"""The features of a flight's plane, from the registry of planes."""

import pandas as pd

from flight_delays.columns import require_columns
from flight_delays.errors import DataError

UNKNOWN = "unknown"
# The registry has several spellings of one maker.
_MAKERS = {
    "AIRBUS INDUSTRIE": "AIRBUS",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS",
    "MCDONNELL DOUGLAS CORPORATION": "MCDONNELL DOUGLAS",
}


def build_plane_features(schedule: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Return each flight's plane, in the order of the flights.

    For an unknown tail number, the numbers are missing and the maker is `UNKNOWN`.

    Args:
        schedule: Flights with ``tailnum`` and ``year``.
        planes: The registry with ``tailnum``, ``year`` built, ``manufacturer``, ``engines`` and
            ``seats``.

    Raises:
        DataError: The registry lacks a column or lists a tail number twice.
    """
    require_columns(planes, ["tailnum", "year", "manufacturer", "engines", "seats"], "planes")
    repeated = planes["tailnum"].duplicated()
    if bool(repeated.any()):
        raise DataError(
            f"duplicate tail number in the registry: {planes['tailnum'][repeated].iloc[0]}",
            hint="keep one row for each tail number in the planes table",
        )
    registry = planes.set_index(planes["tailnum"].astype("str"))
    found = registry.reindex(schedule["tailnum"].astype("str")).set_index(schedule.index)
    return pd.DataFrame(
        {
            "manufacturer": found["manufacturer"].replace(_MAKERS).fillna(UNKNOWN),
            "plane_age_years": schedule["year"] - found["year"],
            "plane_seats": found["seats"],
            "plane_engines": found["engines"],
        }
    )
