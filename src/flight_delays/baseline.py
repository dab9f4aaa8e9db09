"""The baseline that a model must beat: the historical late rate by carrier and hour."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flight_delays.columns import require_columns
from flight_delays.errors import DataError
from flight_delays.schema import LABEL
from flight_delays.scores import Probabilities

_MINUTES = 60
# Each rate is smoothed with this many flights at the overall rate. Otherwise a carrier with one
# flight in an hour would get a probability of 0 or 1, and the baseline would be too easy to beat.
PRIOR_FLIGHTS = 20


@dataclass(frozen=True)
class CarrierHourBaseline:
    """Predict the late rate of the same carrier in the same hour of departure.

    Attributes:
        rates: By carrier and hour.
        overall: The late rate of all flights, for a carrier without flights in that hour.
    """

    rates: "pd.Series[float]"
    overall: float

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        """Return the probability of a late arrival of each row, shape ``[rows]``.

        Raises:
            DataError: The flights lack a column.
        """
        keys = pd.MultiIndex.from_frame(_keys(flights))
        found = self.rates.reindex(keys).to_numpy(dtype=np.float64)
        return np.where(np.isnan(found), self.overall, found)


def fit_baseline(flights: pd.DataFrame) -> CarrierHourBaseline:
    """Count the late rates of labelled flights.

    Raises:
        DataError: The flights lack a column, or the table is empty.
    """
    keys = _keys(flights)
    require_columns(flights, [LABEL], "flights")
    if flights.empty:
        raise DataError("no flight to count late rates from", hint="run: dvc repro prepare_data")
    late = flights[LABEL].astype("float64")
    overall = float(late.mean())
    groups = late.groupby([keys["carrier"], keys["hour"]])
    rates = (groups.sum() + PRIOR_FLIGHTS * overall) / (groups.size() + PRIOR_FLIGHTS)
    return CarrierHourBaseline(rates=rates, overall=overall)


def _keys(flights: pd.DataFrame) -> pd.DataFrame:
    require_columns(flights, ["carrier", "departure_minute"], "flights")
    hour = (flights["departure_minute"] // _MINUTES).astype("int64")
    return pd.DataFrame({"carrier": flights["carrier"].astype("str"), "hour": hour})
