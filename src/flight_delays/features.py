"""The feature table: data about each flight that is known before departure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flight_delays.planes import build_plane_features
from flight_delays.raw_data import RawTables
from flight_delays.schedule import build_schedule_features, select_schedule
from flight_delays.schema import CATEGORIES, KEYS, NUMBERS
from flight_delays.weather import build_weather_features


@dataclass(frozen=True)
class WeatherWindow:
    """The weather observations that are known before departure, in hours before its hour.

    Attributes:
        lag_hours: Minimum age.
        oldest_hours: Maximum age.
    """

    lag_hours: int
    oldest_hours: int


def build_features(raw: RawTables, window: WeatherWindow) -> pd.DataFrame:
    """Return keys, categories and numbers of every flight, in the order of the flights.

    Of the flights, only the schedule columns are read: `schedule.COLUMNS`.

    Raises:
        DataError: A table lacks a column, is empty, or contradicts itself.
    """
    schedule = select_schedule(raw.flights)
    table = pd.concat(
        [
            build_schedule_features(schedule),
            build_plane_features(schedule, raw.planes),
            build_weather_features(
                schedule,
                raw.weather,
                lag_hours=window.lag_hours,
                oldest_hours=window.oldest_hours,
            ),
        ],
        axis="columns",
    )
    numbers = table[list(NUMBERS)].astype(np.float32)
    return pd.concat([table[[*KEYS, *CATEGORIES]], numbers], axis="columns")
