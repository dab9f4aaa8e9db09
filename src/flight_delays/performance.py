"""The performance test: latency, throughput, memory and size of a model on this machine.

The result depends on the machine as much as on the model, so it is never a DVC out.
"""

import math
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from flight_delays.errors import DataError
from flight_delays.onnx_model import OnnxModel, build_tensors
from flight_delays.parameters import Section

_MEBIBYTE = 1024 * 1024
# Requests before the clock starts: the first ones include lazy initialization.
_WARM_UP = 20


@dataclass(frozen=True)
class Load:
    """The number and size of requests.

    Attributes:
        single_requests: Requests of one row each.
        batch_rows: Rows in one batch.
        batch_requests: Batches.
    """

    single_requests: int
    batch_rows: int
    batch_requests: int


@dataclass(frozen=True)
class Thresholds:
    """The bounds: times in milliseconds, sizes in MiB, throughput in rows per second.

    Attributes:
        most: The largest value that passes, by metric.
        least: The smallest value that passes, by metric.
    """

    most: dict[str, float]
    least: dict[str, float]

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Return the thresholds for the report."""
        return {"most": dict(self.most), "least": dict(self.least)}


MOST = (
    "single_p50_ms",
    "single_p95_ms",
    "batch_p50_ms",
    "batch_p95_ms",
    "peak_memory_mib",
    "model_size_mib",
)
LEAST = ("rows_per_second",)


def load_of(section: Section) -> Load:
    """Return the load in params.yaml.

    Raises:
        ParameterError: A parameter is missing or invalid.
    """
    return Load(
        single_requests=section.integer("single_requests", least=1),
        batch_rows=section.integer("batch_rows", least=1),
        batch_requests=section.integer("batch_requests", least=1),
    )


def thresholds_of(section: Section) -> Thresholds:
    """Return the thresholds in params.yaml, one for every metric.

    Raises:
        ParameterError: A threshold is missing or is not a number above zero.
    """
    most, least = section.section("most"), section.section("least")
    return Thresholds(
        most={name: most.number(name) for name in MOST},
        least={name: least.number(name) for name in LEAST},
    )


def measure(model: OnnxModel, size: int, flights: pd.DataFrame, load: Load) -> dict[str, float]:
    """Measure every metric of the model under a load.

    Args:
        model: The loaded model.
        size: The size of its file, in bytes.
        flights: Rows for the requests; repeated from the first if there are too few.
        load: The number and size of requests.

    Raises:
        DataError: The table has no flight.
    """
    if flights.empty:
        raise DataError("no flight to test the model with", hint="pass other data with --data")
    single = _latencies(model, flights, rows=1, requests=load.single_requests)
    batch = _latencies(model, flights, rows=load.batch_rows, requests=load.batch_requests)
    metrics = {
        "single_p50_ms": float(np.percentile(single, 50)),
        "single_p95_ms": float(np.percentile(single, 95)),
        "batch_p50_ms": float(np.percentile(batch, 50)),
        "batch_p95_ms": float(np.percentile(batch, 95)),
        "rows_per_second": 1000 * load.batch_rows * len(batch) / float(batch.sum()),
        "peak_memory_mib": peak_memory() / _MEBIBYTE,
        "model_size_mib": size / _MEBIBYTE,
    }
    return {name: round(value, 4) for name, value in metrics.items()}


def find_failures(metrics: dict[str, float], thresholds: Thresholds) -> list[str]:
    """Return one line for each missed threshold; an unmeasured metric misses its threshold."""
    failures = []
    for name, bound in thresholds.most.items():
        value = metrics.get(name, math.nan)
        if not value <= bound:
            failures.append(f"{name}: {value:g} is over {bound:g}")
    for name, bound in thresholds.least.items():
        value = metrics.get(name, math.nan)
        if not value >= bound:
            failures.append(f"{name}: {value:g} is under {bound:g}")
    return failures


def build_report(metrics: dict[str, float], thresholds: Thresholds) -> dict[str, object]:
    """Return the JSON document of the report."""
    failures = find_failures(metrics, thresholds)
    return {
        "verdict": "failed" if failures else "passed",
        "metrics": metrics,
        "thresholds": thresholds.as_dict(),
        "failures": failures,
    }


def peak_memory() -> int:
    """Return the peak memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: after fork and exec it still counts the memory of the parent.
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def _latencies(
    model: OnnxModel, flights: pd.DataFrame, *, rows: int, requests: int
) -> npt.NDArray[np.float64]:
    """Return the milliseconds of each request with this number of rows."""
    categories, numbers = build_tensors(flights)
    times = []
    for request in range(-_WARM_UP, requests):
        feed = np.arange(request * rows, (request + 1) * rows) % len(flights)
        some_categories, some_numbers = categories[feed], numbers[feed]
        start = time.perf_counter()
        model.ask(some_categories, some_numbers)
        times.append(1000 * (time.perf_counter() - start))
    return np.asarray(times[_WARM_UP:], dtype=np.float64)
