"""Own the errors of the example.

FlightDelaysError
├── DataError         the raw or the prepared data is not what was expected
├── ParameterError    params.yaml does not say what a stage needs
└── ModelError        a model cannot be exported, loaded or asked
"""


class FlightDelaysError(Exception):
    """Stop a stage with what is wrong and what to do about it.

    Attributes:
        hint: What to type or to look at next.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def lines(self) -> str:
        """Return the two lines that a person reads."""
        return f"error: {self}\nhint: {self.hint}"


class DataError(FlightDelaysError):
    """Say that the raw or the prepared data is not what was expected."""


class ParameterError(FlightDelaysError):
    """Say that params.yaml does not say what a stage needs."""


class ModelError(FlightDelaysError):
    """Say that a model cannot be exported, loaded or asked."""
