"""The weather features: the last observation that is known before a flight's departure.

An observation labelled with an hour can be from any minute of that hour, so the one for the hour
of scheduled departure can be later than the departure. The one for the hour before cannot, so the
default lag is one hour.
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
# The table has one wind speed of 1,048 mph. Real winds at these airports stay far below this bound.
FASTEST_WIND_MPH = 200.0
# Sine and cosine differ in their last bits between processors. This many decimals do not.
_DECIMALS = 3


def build_weather_features(
    schedule: pd.DataFrame, weather: pd.DataFrame, *, lag_hours: int, oldest_hours: int
) -> pd.DataFrame:
    """Return each flight's weather at its origin, in the order of the flights.

    Without an observation in this range of hours, all weather features of the flight are missing.

    Args:
        schedule: Flights with ``origin`` and ``time_hour`` (the UTC hour of scheduled departure).
        weather: Observations with ``origin`` and ``time_hour`` (the UTC hour of the observation).
        lag_hours: Minimum age of an observation, in hours before the hour of departure.
        oldest_hours: Maximum age of an observation, in the same hours.

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
        # A missing gust means no gust, unless the wind speed is missing too.
        wind_gust_mph=table["wind_gust_mph"].fillna(0.0).where(speed.notna()),
        wind_east_mph=_component(speed, np.sin(angle)),
        wind_north_mph=_component(speed, np.cos(angle)),
    )
    return features.sort_values(["observed_hour", "origin"], kind="stable")


def _component(speed: pd.Series, share: pd.Series) -> pd.Series:
    """Return one component of the wind, in mph; 0 for calm air, which has no direction."""
    return (speed * share).round(_DECIMALS).where(speed != 0, 0.0)


def _utc(hours: pd.Series) -> pd.Series:
    # Set the unit: an empty table would get another one.
    return pd.to_datetime(hours, utc=True).dt.as_unit("us")
