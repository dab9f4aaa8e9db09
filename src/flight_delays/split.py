"""The split by time: whole months, in order, without overlap."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from flight_delays.errors import DataError, ParameterError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitMonths:
    """The months of each split.

    Attributes:
        train: For training.
        validation: For the selection of the candidate and the decision threshold.
        test: For the reported figures only.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, months in self.items():
            if not months or not set(months) <= set(range(1, 13)):
                raise ParameterError(
                    f"not a list of months: split.{name}: {list(months)}",
                    hint="name at least one month, from 1 to 12, in params.yaml",
                )
        if not max(self.train) < min(self.validation) <= max(self.validation) < min(self.test):
            raise ParameterError(
                "splits are not in the order of time: train, validation, test",
                hint="let every month of a split come after all months of the one before it",
            )

    def items(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield each split's name and its months, in the order of time."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test


def split_by_month(table: pd.DataFrame, months: SplitMonths) -> dict[str, pd.DataFrame]:
    """Return the rows of each split by the month of scheduled departure.

    Raises:
        DataError: A split has no row.
    """
    month = table["scheduled_departure"].dt.month
    parts = {name: table[month.isin(list(chosen))] for name, chosen in months.items()}
    for name, part in parts.items():
        if part.empty:
            raise DataError(
                f"no flight in the months of the split: {name}",
                hint=f"change split.{name} in params.yaml to months that have flights",
            )
    return parts
