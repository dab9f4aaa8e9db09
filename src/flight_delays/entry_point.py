"""The end of a script: its error output and exit code."""

import sys
from collections.abc import Callable

from flight_delays.errors import FlightDelaysError


def run_script(script: Callable[[], int], *, failure: int) -> int:
    """Run a script and return its exit code, or ``failure`` after an error on standard error.

    Any other exception is a defect and keeps its traceback.
    """
    try:
        return script()
    except FlightDelaysError as error:
        print(error.lines(), file=sys.stderr)
        return failure
