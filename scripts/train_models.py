"""Train one candidate on the train split and write it as ONNX."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# Import this checkout's source, even if another copy is installed.
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candidate", help="logistic_regression or gradient_boosting")
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
        default=ROOT / "data" / "train.parquet",
        metavar="FILE",
        help="training flights (default: data/train.parquet)",
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=ROOT / "models" / "candidates",
        metavar="DIR",
        help="directory for the model (default: models/candidates)",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=ROOT / "reports" / "candidates",
        metavar="DIR",
        help="directory for the description (default: reports/candidates)",
    )
    return parser.parse_args(arguments)


def train(options: argparse.Namespace) -> int:
    """Write the candidate's model and its description."""
    # Imported here, so that --help does not wait for them.
    from flight_delays.json_file import write_json
    from flight_delays.parameters import load_parameters
    from flight_delays.prepared_data import read_split
    from flight_delays.training import train_candidate, training_parameters_of

    name: str = options.candidate
    parameters = load_parameters(options.params)
    trained = train_candidate(
        name,
        parameters.section("candidates").section(name),
        read_split(options.data),
        training_parameters_of(parameters.section("training")),
    )
    options.models.mkdir(parents=True, exist_ok=True)
    (options.models / f"{name}.onnx").write_bytes(trained.content)
    write_json(trained.description, options.reports / f"{name}.json")
    print(f"{name}: {len(trained.content)} bytes", file=sys.stderr)
    return 0


def main() -> int:
    """Run the stage; return 1 on an error."""
    options = parse_arguments()

    from flight_delays.entry_point import run_script

    return run_script(lambda: train(options), failure=1)


if __name__ == "__main__":
    sys.exit(main())
