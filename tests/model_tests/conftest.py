"""Own what the model tests judge: the model, the data and the metrics that the pipeline produced.

A file that is missing fails the tests. It does not skip them: a model that is not there has not
passed anything.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from flight_delays.onnx_model import OnnxModel, load_model  # noqa: E402  # after the path
from flight_delays.prepared_data import read_split  # noqa: E402  # after the path

from .judgement import Flights  # noqa: E402  # after the path

MODEL = ROOT / "models" / "flight_delays.onnx"
METRICS = ROOT / "reports" / "metrics.json"


def produced(path: Path) -> Path:
    """Return the path when the pipeline has produced it; fail otherwise."""
    if not path.is_file():
        name = path.relative_to(ROOT).as_posix()
        pytest.fail(f"not produced yet: {name}; run: make run", pytrace=False)
    return path


@pytest.fixture(scope="session")
def model() -> OnnxModel:
    """Return the selected model."""
    return load_model(produced(MODEL))


@pytest.fixture(scope="session")
def flights() -> Flights:
    """Return the three splits."""
    names = ("train", "validation", "test")
    parts = [read_split(produced(ROOT / "data" / f"{name}.parquet")) for name in names]
    return Flights(*parts)


@pytest.fixture(scope="session")
def metrics() -> dict[str, Any]:
    """Return the metrics that the evaluation wrote."""
    document = json.loads(produced(METRICS).read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document
