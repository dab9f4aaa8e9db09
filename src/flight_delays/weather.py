"""Own the weather features: the last observation that was known before a flight's departure.

An observation labelled with an hour was made at some minute of that hour. The one of the hour of
the scheduled departure can therefore be younger than the departure. The one of the hour before
cannot, and so the default lag is one hour.
"""

import numpy as np
import pandas as pd

from flight_delays.columns import require_columns

NUMBERS = {
    "temp": "temperature_f",
    "dewp": "dew_point_f",
    "humid": "humidity_percent",
    "wind_speed": "wind_speed_mph",
    "wind_gust": "wind_gust_mph",
    "precip": "precipitation_in",
    "pressure": "pressure_mb",
    "visib": "visibility_miles",
}
# The table holds one wind of 1,048 mph. No wind at these airports ever came near this bound.
FASTEST_WIND_MPH = 200.0
# Sine and cosine differ in their last bits between processors. This many decimals do not.
_DECIMALS = 3


def build_weather_features(
    schedule: pd.DataFrame, weather: pd.DataFrame, *, lag_hours: int, oldest_hours: int
) -> pd.DataFrame:
    """Return each flight's weather at its origin, in the order of the flights.

    Without an observation in that span of hours, all features of the flight are missing.

    Args:
        schedule: Flights with ``origin`` and ``time_hour`` (the UTC hour of scheduled departure).
        weather: Observations with ``origin`` and ``time_hour`` (the UTC hour of the observation).
        lag_hours: How many hours before the departure's hour an observation must lie, at least.
        oldest_hours: How many hours before it an observation may lie, at most.

    Raises:
        DataError: The weather table lacks a column.
    """
    require_columns(weather, ["origin", "time_hour", "wind_dir", *NUMBERS], "weather")
    flights = pd.DataFrame(
        {
            "origin": schedule["origin"].astype("str"),
            "known_hour": _utc(schedule["time_hour"]) - pd.Timedelta(hours=lag_hours),
            "position": np.arange(len(schedule)),
        }
    )
    merged = pd.merge_asof(
        flights.sort_values("known_hour", kind="stable"),
        build_observations(weather),
        left_on="known_hour",
        right_on="observed_hour",
        by="origin",
        tolerance=pd.Timedelta(hours=oldest_hours - lag_hours),
    )
    ordered = merged.sort_values("position").drop(
        columns=["origin", "known_hour", "position", "observed_hour"]
    )
    return ordered.set_index(schedule.index)


def build_observations(weather: pd.DataFrame) -> pd.DataFrame:
    """Return the observations with clean names and winds, sorted by hour."""
    table = weather.rename(columns=NUMBERS)
    speed = table["wind_speed_mph"].mask(table["wind_speed_mph"] > FASTEST_WIND_MPH)
    angle = np.deg2rad(table["wind_dir"])
    features = table[list(NUMBERS.values())].assign(
        origin=table["origin"].astype("str"),
        observed_hour=_utc(table["time_hour"]),
        wind_speed_mph=speed,
        # No gust is reported where there was none. Without any wind reading it is not known.
        wind_gust_mph=table["wind_gust_mph"].fillna(0.0).where(speed.notna()),
        wind_east_mph=_component(speed, np.sin(angle)),
        wind_north_mph=_component(speed, np.cos(angle)),
    )
    return features.sort_values(["observed_hour", "origin"], kind="stable")


def _component(speed: pd.Series, share: pd.Series) -> pd.Series:
    """Return one component of the wind, in mph. Calm air has no direction, and needs none."""
    return (speed * share).round(_DECIMALS).where(speed != 0, 0.0)


def _utc(hours: pd.Series) -> pd.Series:
    # One unit, whatever the table holds: an empty one would get another.
    return pd.to_datetime(hours, utc=True).dt.as_unit("us")
