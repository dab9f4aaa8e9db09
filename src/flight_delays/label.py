"""The label: whether a flight arrived late, and which flights have no label."""

from dataclasses import dataclass

import pandas as pd

from flight_delays.columns import require_columns
from flight_delays.schema import LABEL


@dataclass(frozen=True)
class Labels:
    """The outcome of each flight.

    Attributes:
        late: 1 for late, 0 for not late, missing for a flight without an arrival delay.
        cancelled: Flights that never departed.
        diverted: Flights that departed and have no arrival delay at their destination.
    """

    late: pd.Series
    cancelled: int
    diverted: int


def build_labels(flights: pd.DataFrame, *, late_minutes: int) -> Labels:
    """Label a flight late if it arrived ``late_minutes`` or more after its scheduled time.

    Raises:
        DataError: The flights table lacks a column.
    """
    require_columns(flights, ["arr_delay", "dep_time"], "flights")
    delay = flights["arr_delay"]
    arrived = delay.notna()
    departed = flights["dep_time"].notna()
    late = (delay >= late_minutes).astype("Int8").where(arrived)
    return Labels(
        late=late.rename(LABEL),
        cancelled=int((~arrived & ~departed).sum()),
        diverted=int((~arrived & departed).sum()),
    )
