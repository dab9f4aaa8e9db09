"""Own the tests of the label."""

import numpy as np
import pandas as pd
import pytest
from flight_frames import FLIGHT, table

from flight_delays.errors import DataError
from flight_delays.label import build_labels


@pytest.mark.parametrize(("delay", "late"), [(14.0, 0), (15.0, 1), (-30.0, 0), (300.0, 1)])
def test_fifteen_minutes_are_late_and_fourteen_are_not(delay: float, late: int) -> None:
    labels = build_labels(table(FLIGHT, [{"arr_delay": delay}]), late_minutes=15)

    assert labels.late.tolist() == [late]
    assert (labels.cancelled, labels.diverted) == (0, 0)


def test_cancelled_and_diverted_flights_have_no_label() -> None:
    flights = table(
        FLIGHT,
        [
            {},
            {"dep_time": np.nan, "arr_delay": np.nan},
            {"arr_delay": np.nan},
            {"arr_delay": np.nan},
        ],
    )

    labels = build_labels(flights, late_minutes=15)

    assert labels.late.isna().tolist() == [False, True, True, True]
    assert (labels.cancelled, labels.diverted) == (1, 2)


def test_flights_without_delays_are_refused() -> None:
    with pytest.raises(DataError, match="arr_delay"):
        build_labels(pd.DataFrame({"dep_time": [1.0]}), late_minutes=15)
