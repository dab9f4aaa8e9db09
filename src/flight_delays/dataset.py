"""The dataset: features and labels of all flights, split by time."""

from dataclasses import dataclass

import pandas as pd

from flight_delays.errors import DataError
from flight_delays.features import WeatherWindow, build_features
from flight_delays.label import build_labels
from flight_delays.planes import UNKNOWN
from flight_delays.prepared_data import labels_of
from flight_delays.raw_data import RawTables
from flight_delays.schema import LABEL
from flight_delays.split import SplitMonths, split_by_month

# No two flights are equal in all of these, so the order of rows is unique.
_ORDER = ["scheduled_departure", "origin", "carrier", "flight_number"]


@dataclass(frozen=True)
class Dataset:
    """The labelled flights of each split, and the numbers of omitted flights.

    Attributes:
        parts: The rows of each split, by name, with the columns of `schema`.
        flights: All scheduled flights, with and without a label.
        cancelled: Omitted flights that never departed.
        diverted: Omitted flights that departed and have no arrival delay.
    """

    parts: dict[str, pd.DataFrame]
    flights: int
    cancelled: int
    diverted: int

    def describe(self) -> dict[str, object]:
        """Return counts and shares, to compare runs."""
        return {
            "flights": self.flights,
            "cancelled": self.cancelled,
            "diverted": self.diverted,
            "splits": {name: _describe(part) for name, part in self.parts.items()},
        }


def build_dataset(
    raw: RawTables, *, late_minutes: int, window: WeatherWindow, months: SplitMonths
) -> Dataset:
    """Build features and labels of all flights, drop those without a label, split by time.

    Raises:
        DataError: A raw table is invalid, a flight is listed twice, or a split has no row.
    """
    features = build_features(raw, window)
    labels = build_labels(raw.flights, late_minutes=late_minutes)
    labelled = features.assign(**{LABEL: labels.late}).dropna(subset=[LABEL])
    ordered = labelled.sort_values(_ORDER, kind="stable", ignore_index=True)
    _require_unique(ordered)
    return Dataset(
        parts=split_by_month(ordered, months),
        flights=len(raw.flights),
        cancelled=labels.cancelled,
        diverted=labels.diverted,
    )


def _require_unique(ordered: pd.DataFrame) -> None:
    repeated = ordered.duplicated(_ORDER)
    if bool(repeated.any()):
        raise DataError(
            f"duplicate flight: {ordered.loc[repeated, _ORDER].iloc[0].to_list()}",
            hint="keep one row for each scheduled flight in the flights table",
        )


def _describe(part: pd.DataFrame) -> dict[str, object]:
    return {
        "flights": len(part),
        "late_rate": round(float(labels_of(part).mean()), 6),
        "without_plane": int((part["manufacturer"] == UNKNOWN).sum()),
        "without_weather": int(part["temperature_f"].isna().sum()),
    }
