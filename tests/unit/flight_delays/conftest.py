"""Own the path of the example's tests: they test this checkout's source, not an installed one.

This directory is no package: as one, it would be another ``flight_delays``.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "src"), str(HERE)]
