"""Own the small tables that the unit tests are made of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flight_delays.features import WeatherWindow
from flight_delays.raw_data import RawTables
from flight_delays.schema import CATEGORIES, COLUMNS, LABEL, NUMBERS

ROOT = Path(__file__).resolve().parents[3]
WINDOW = WeatherWindow(lag_hours=1, oldest_hours=3)
OUTCOMES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
Row = Mapping[str, object]

FLIGHT: Row = {
    "year": 2013,
    "month": 3,
    "day": 12,
    "dep_time": 915.0,
    "sched_dep_time": 910,
    "dep_delay": 5.0,
    "arr_time": 1120.0,
    "sched_arr_time": 1115,
    "arr_delay": 5.0,
    "carrier": "UA",
    "flight": 1,
    "tailnum": "N1",
    "origin": "EWR",
    "dest": "ORD",
    "air_time": 110.0,
    "distance": 719,
    "hour": 9,
    "minute": 10,
    # 09:00 in New York, in daylight saving time
    "time_hour": "2013-03-12T13:00:00Z",
}
OBSERVATION: Row = {
    "origin": "EWR",
    "temp": 50.0,
    "dewp": 40.0,
    "humid": 60.0,
    "wind_dir": 90.0,
    "wind_speed": 10.0,
    "wind_gust": np.nan,
    "precip": 0.0,
    "pressure": 1010.0,
    "visib": 10.0,
    # the hour before the flight's
    "time_hour": "2013-03-12T12:00:00Z",
}
PLANE: Row = {
    "tailnum": "N1",
    "year": 2003.0,
    "manufacturer": "AIRBUS INDUSTRIE",
    "engines": 2,
    "seats": 150,
}


def table(row: Row, changes: Sequence[Row]) -> pd.DataFrame:
    """Return one row for each set of changes to the ordinary one."""
    return pd.DataFrame([{**row, **change} for change in changes], columns=list(row))


def raw_tables(
    flights: Sequence[Row] = ({},),
    weather: Sequence[Row] = ({},),
    planes: Sequence[Row] = ({},),
) -> RawTables:
    """Return raw tables from what differs from the ordinary rows."""
    return RawTables(
        flights=table(FLIGHT, flights),
        weather=table(OBSERVATION, weather),
        planes=table(PLANE, planes),
    )


def prepared_table(rows: int = 400, *, seed: int = 0) -> pd.DataFrame:
    """Return prepared flights whose outcome depends on carrier and departure."""
    generator = np.random.default_rng(seed)
    columns: dict[str, object] = {
        "scheduled_departure": pd.Timestamp("2013-03-01") + pd.to_timedelta(range(rows), unit="h"),
        "flight_number": np.arange(rows),
    }
    for name in CATEGORIES:
        columns[name] = generator.choice(["AA", "B6", "UA"], rows)
    for name in NUMBERS:
        columns[name] = generator.normal(size=rows).astype(np.float32)
    columns["departure_minute"] = generator.integers(300, 1439, rows).astype(np.float32)
    columns["temperature_f"] = np.where(
        generator.random(rows) < 0.1, np.nan, generator.normal(50, 15, rows)
    ).astype(np.float32)
    frame = pd.DataFrame(columns)
    risk = 0.1 + 0.4 * (frame["departure_minute"] > 900) + 0.2 * (frame["carrier"] == "B6")
    frame[LABEL] = (generator.random(rows) < risk).astype(np.int8)
    return frame[list(COLUMNS)]
