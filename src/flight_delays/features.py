"""Own the feature table: what is known of each flight before it departs."""

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
    """Say which observations count as known before departure, in hours before its hour.

    Attributes:
        lag_hours: At least this long before.
        oldest_hours: At most this long before.
    """

    lag_hours: int
    oldest_hours: int


def build_features(raw: RawTables, window: WeatherWindow) -> pd.DataFrame:
    """Return keys, categories and numbers of every flight, in the order of the flights.

    Only the columns of the schedule are read of the flights: see `schedule.COLUMNS`.

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
