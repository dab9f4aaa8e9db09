"""Measure a model's latency, throughput, memory and size, and compare them with params.yaml.

Exit codes: 0 within the thresholds; 1 beyond at least one; 2 usage; 3 could not measure, without a
report.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Import this checkout's source, even if another copy is installed.
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

COULD_NOT_MEASURE = 3


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=ROOT / "models" / "flight_delays.onnx",
        metavar="PATH",
        help="the model (default: models/flight_delays.onnx)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT / "data" / "test.parquet",
        metavar="PATH",
        help="flights for the requests (default: data/test.parquet)",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="file for the JSON report (default: none)"
    )
    parser.add_argument(
        "--params",
        type=Path,
        default=ROOT / "params.yaml",
        metavar="FILE",
        help="parameters (default: params.yaml)",
    )
    return parser.parse_args(arguments)


def measure_and_judge(options: argparse.Namespace) -> int:
    """Write the report, print a summary, return 0 or 1."""
    # Imported here, so that a missing package counts as "could not measure".
    from flight_delays.prepared_data import read_split
    from flight_delays.json_file import write_json
    from flight_delays.onnx_model import load_model
    from flight_delays.parameters import load_parameters
    from flight_delays.performance import (
        build_report,
        find_failures,
        load_of,
        measure,
        thresholds_of,
    )

    if options.report is not None:
        # Remove an earlier report, so that it cannot pass for the report of a failed run.
        options.report.unlink(missing_ok=True)
    section = load_parameters(options.params).section("performance")
    load, thresholds = load_of(section.section("load")), thresholds_of(section)
    model = load_model(options.model)
    metrics = measure(model, options.model.stat().st_size, read_split(options.data), load)
    if options.report is not None:
        write_json(build_report(metrics, thresholds), options.report)
    failures = find_failures(metrics, thresholds)
    print(summarize(metrics, failures), file=sys.stderr)
    return 1 if failures else 0


def summarize(metrics: Mapping[str, float], failures: Sequence[str]) -> str:
    """Return the summary for the terminal."""
    lines = [f"{name:>16}  {value:,.3f}" for name, value in metrics.items()]
    return "\n".join([*lines, *failures, "failed" if failures else "passed"])


def explain(error: Exception) -> str:
    """Return the error and the hint, one per line."""
    hint = getattr(error, "hint", "look at the model, the data and the report's directory")
    reason = str(error) if hasattr(error, "hint") else repr(error)
    return f"error: could not measure: {reason}\nhint: {hint}"


def main() -> int:
    """Run the measurement."""
    options = parse_arguments()
    try:
        return measure_and_judge(options)
    except Exception as error:  # any error: none may end with exit code 0 or 1
        print(explain(error), file=sys.stderr)
        return COULD_NOT_MEASURE


if __name__ == "__main__":
    sys.exit(main())
