"""Select the best candidate on the validation split, and measure it on the test split."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

# Import this checkout's source, even if another copy is installed.
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "candidates", nargs="+", metavar="CANDIDATE", help="candidates to select from"
    )
    parser.add_argument(
        "--params",
        type=Path,
        default=ROOT / "params.yaml",
        metavar="FILE",
        help="parameters (default: params.yaml)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT / "data",
        metavar="DIR",
        help="directory of the splits (default: data)",
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=ROOT / "models" / "candidates",
        metavar="DIR",
        help="directory of the candidates (default: models/candidates)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=ROOT / "models" / "flight_delays.onnx",
        metavar="FILE",
        help="file for the selected model (default: models/flight_delays.onnx)",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=ROOT / "reports",
        metavar="DIR",
        help="directory for metrics and plots (default: reports)",
    )
    return parser.parse_args(arguments)


def choose_and_measure(options: argparse.Namespace) -> int:
    """Write the selected model, its metrics and its plots."""
    # Imported here, so that --help does not wait for them.
    from flight_delays.baseline import fit_baseline
    from flight_delays.evaluation import choose, evaluate
    from flight_delays.json_file import write_json
    from flight_delays.onnx_model import load_model
    from flight_delays.parameters import load_parameters
    from flight_delays.plots import write_table
    from flight_delays.prepared_data import read_split

    evaluation = load_parameters(options.params).section("evaluation")
    paths = {name: options.models / f"{name}.onnx" for name in options.candidates}
    candidates = {name: load_model(path) for name, path in paths.items()}
    baseline = fit_baseline(read_split(options.data / "train.parquet"))
    validation = read_split(options.data / "validation.parquet")
    choice = choose(candidates, baseline, validation, select_by=evaluation.text("select_by"))
    result = evaluate(
        choice,
        candidates[choice.selected],
        baseline,
        validation,
        read_split(options.data / "test.parquet"),
        calibration_bins=evaluation.integer("calibration_bins", least=2),
    )
    options.model.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(paths[choice.selected], options.model)
    write_json(result.metrics, options.reports / "metrics.json")
    for name, table in result.plots.items():
        write_table(table, options.reports / "plots" / f"{name}.csv")
    print(f"selected: {choice.selected}", file=sys.stderr)
    return 0


def main() -> int:
    """Run the stage; return 1 on an error."""
    options = parse_arguments()

    from flight_delays.entry_point import run_script

    return run_script(lambda: choose_and_measure(options), failure=1)


if __name__ == "__main__":
    sys.exit(main())
