"""Own the tests of the split by time."""

import pandas as pd
import pytest

from flight_delays.errors import DataError, ParameterError
from flight_delays.split import SplitMonths, split_by_month

MONTHS = SplitMonths(train=(1, 2), validation=(3,), test=(4,))


def flights(*dates: str) -> pd.DataFrame:
    return pd.DataFrame({"scheduled_departure": pd.to_datetime(list(dates), format="ISO8601")})


def test_every_flight_is_in_the_split_of_its_month() -> None:
    table = flights("2013-01-31 23:59", "2013-02-01", "2013-03-01", "2013-04-30", "2013-05-01")

    parts = split_by_month(table, MONTHS)

    assert {name: part.index.tolist() for name, part in parts.items()} == {
        "train": [0, 1],
        "validation": [2],
        "test": [3],
    }


def test_no_flight_of_training_is_later_than_one_of_the_others() -> None:
    parts = split_by_month(flights("2013-04-01", "2013-01-01", "2013-03-31"), MONTHS)

    departures = [parts[name]["scheduled_departure"] for name in ("train", "validation", "test")]
    assert departures[0].max() < departures[1].min() <= departures[1].max() < departures[2].min()


def test_split_without_a_flight_is_refused() -> None:
    with pytest.raises(DataError, match="no flight in the months of the split: validation"):
        split_by_month(flights("2013-01-01", "2013-04-01"), MONTHS)


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ((1, 2), (2,), (3,)),  # a month in two splits
        ((3,), (2,), (4,)),  # training on the future
        ((1,), (2, 4), (3,)),  # choosing on flights later than the test
        ((1,), (3,), (3,)),  # choosing on the test
    ],
)
def test_splits_out_of_order_are_refused(
    train: tuple[int, ...], validation: tuple[int, ...], test: tuple[int, ...]
) -> None:
    with pytest.raises(ParameterError, match="order of time"):
        SplitMonths(train=train, validation=validation, test=test)


@pytest.mark.parametrize("months", [(), (0,), (13,)])
def test_list_that_names_no_months_is_refused(months: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match="not a list of months: split.test"):
        SplitMonths(train=(1,), validation=(2,), test=months)
