"""Own the tests of the distance to federal holidays."""

import pandas as pd
import pytest

from flight_delays.holidays import FARTHEST_DAYS, days_from_holiday


@pytest.mark.parametrize(
    ("date", "days"),
    [
        ("2013-12-25", 0),
        ("2013-12-24", -1),
        ("2013-12-26", 1),
        # Thanksgiving is the fourth Thursday of November: the 28th.
        ("2013-11-27", -1),
        ("2013-12-01", 3),
        # The next holiday is in another year.
        ("2013-12-31", -1),
        ("2013-01-02", 1),
    ],
)
def test_days_from_the_nearest_holiday(date: str, days: int) -> None:
    assert days_from_holiday(pd.Series(pd.to_datetime([date]))).tolist() == [days]


def test_far_from_any_holiday_the_date_does_not_show() -> None:
    # Presidents' Day is 18 February, Memorial Day 27 May.
    distances = days_from_holiday(pd.Series(pd.to_datetime(["2013-03-20", "2013-04-20"])))

    assert distances.tolist() == [FARTHEST_DAYS, -FARTHEST_DAYS]


def test_distance_does_not_depend_on_the_other_dates() -> None:
    dates = pd.Series(pd.to_datetime(["2013-07-06", "2013-01-03", "2013-07-06"]))

    assert days_from_holiday(dates).tolist() == [2, 2, 2]
    assert days_from_holiday(dates.iloc[:1]).tolist() == [2]


def test_no_dates_give_no_distances() -> None:
    assert days_from_holiday(pd.Series([], dtype="datetime64[ns]")).shape == (0,)
