"""The calendar of United States federal holidays, which is published years ahead."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

# Days beyond this are clipped: farther from a holiday, the number would only reveal the date.
FARTHEST_DAYS = 14
_MARGIN = pd.Timedelta(days=60)


def days_from_holiday(dates: pd.Series) -> npt.NDArray[np.float32]:
    """Return the days from the nearest federal holiday to each date, shape ``[rows]``.

    Negative before the holiday, positive after it, at most `FARTHEST_DAYS` either way.

    Args:
        dates: Local dates, without time zone.
    """
    if dates.empty:
        return np.empty(0, dtype=np.float32)
    calendar = USFederalHolidayCalendar()
    holidays = calendar.holidays(dates.min() - _MARGIN, dates.max() + _MARGIN)
    known = holidays.to_numpy().astype("datetime64[D]")
    unique, positions = np.unique(dates.to_numpy().astype("datetime64[D]"), return_inverse=True)
    distances = (unique[:, None] - known[None, :]).astype(np.int64)
    nearest = np.abs(distances).argmin(axis=1)
    signed = distances[np.arange(len(unique)), nearest]
    clipped = np.clip(signed, -FARTHEST_DAYS, FARTHEST_DAYS)[positions]
    return np.asarray(clipped, dtype=np.float32)
