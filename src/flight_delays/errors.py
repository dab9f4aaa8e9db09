"""The errors of the example.

FlightDelaysError
├── DataError         the raw or the prepared data is invalid
├── ParameterError    a parameter in params.yaml is missing or invalid
└── ModelError        a model cannot be exported, loaded or run
"""


class FlightDelaysError(Exception):
    """An error that stops a stage.

    Attributes:
        hint: The next command or step.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def lines(self) -> str:
        """Return the message and the hint, one per line."""
        return f"error: {self}\nhint: {self.hint}"


class DataError(FlightDelaysError):
    """The raw or the prepared data is invalid."""


class ParameterError(FlightDelaysError):
    """A parameter in params.yaml is missing or invalid."""


class ModelError(FlightDelaysError):
    """A model cannot be exported, loaded or run."""
