"""Own the proof that the performance thresholds pass this model and fail one 20 times slower."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from flight_delays.onnx_model import OnnxModel, Probabilities
from flight_delays.parameters import Section, load_parameters
from flight_delays.performance import find_failures, load_of, measure, thresholds_of

from .conftest import MODEL, ROOT, produced
from .judgement import Flights

# Measured on a two-core machine; docs/explanation/flight-delays.md.
USUAL_SINGLE_SECONDS = 0.027e-3
USUAL_BATCH_SECONDS = 4.0e-3
SLOWER = 20


class SlowModel(OnnxModel):
    """Answer rightly, and 20 times as late as the model usually does."""

    def ask(
        self, categories: npt.NDArray[np.object_], numbers: npt.NDArray[np.float32]
    ) -> Probabilities:
        """Wait, then answer."""
        usual = USUAL_SINGLE_SECONDS if len(numbers) == 1 else USUAL_BATCH_SECONDS
        time.sleep(SLOWER * usual)
        return super().ask(categories, numbers)


@pytest.fixture(scope="module")
def performance() -> Section:
    """Return the section of params.yaml that the script reads."""
    return load_parameters(ROOT / "params.yaml").section("performance")


def test_produced_model_is_within_the_thresholds(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [
        *(sys.executable, str(ROOT / "scripts" / "performance_tests.py")),
        *("--model", str(produced(MODEL))),
        *("--data", str(produced(ROOT / "data" / "test.parquet"))),
        *("--report", str(report)),
    ]

    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    assert (document["verdict"], document["failures"]) == ("passed", [])


def test_model_twenty_times_slower_fails(performance: Section, flights: Flights) -> None:
    slow = SlowModel(produced(MODEL).read_bytes())
    load = replace(load_of(performance.section("load")), single_requests=50, batch_requests=5)

    metrics = measure(slow, 1, flights.test, load)

    failed = {
        failure.split(":")[0] for failure in find_failures(metrics, thresholds_of(performance))
    }
    assert {"single_p50_ms", "batch_p50_ms", "rows_per_second"} <= failed
