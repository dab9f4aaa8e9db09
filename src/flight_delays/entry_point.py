"""Own how a script ends: what it prints and which exit code it gives."""

import sys
from collections.abc import Callable

from flight_delays.errors import FlightDelaysError


def run_script(script: Callable[[], int], *, failure: int) -> int:
    """Run a script and return its exit code, or ``failure`` after two lines on standard error.

    Anything but the example's own errors is a defect and keeps its traceback.
    """
    try:
        return script()
    except FlightDelaysError as error:
        print(error.lines(), file=sys.stderr)
        return failure
