"""The command line of the benchmarks: ``python -m benchmarks``, as in ``make bench``.

Exit codes: 0 all targets met; 1 a target missed; 2 usage; 3 a case could not be measured.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from benchmarks.cases import CASES, Case
from benchmarks.correctness import check_run
from benchmarks.errors import BenchmarkError, UsageError
from benchmarks.graphs import trivial_graph
from benchmarks.machine import read_machine
from benchmarks.programs import find_programs
from benchmarks.report import Report, Result, write_report
from benchmarks.repositories import graph_files
from benchmarks.workbench import Options, Workbench

_RESULTS = Path(__file__).with_name("results.json")
_EPILOG = """\
examples:
  python -m benchmarks
  python -m benchmarks --case noop-500 parallel-sleep --runs 5
  python -m benchmarks --list
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "see: python -m benchmarks --help")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = _Parser(
        prog="python -m benchmarks",
        description="Measure ml-assets beside its peers, in generated repositories.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [case.name for case in CASES]
    parser.add_argument(
        "--case", nargs="+", metavar="NAME", choices=names, help="cases to measure (default: all)"
    )
    parser.add_argument(
        "--runs", type=_count, metavar="N", help="runs of each command (default: 3 to 7, by case)"
    )
    parser.add_argument(
        "--slow-runs",
        type=_count,
        default=1,
        metavar="N",
        help="runs of peers that take minutes (default: 1)",
    )
    parser.add_argument(
        "--with-slow-peers", action="store_true", help="run dvc repro on 5,000 stages as well"
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=_RESULTS,
        metavar="FILE",
        help="file for the results (default: benchmarks/results.json)",
    )
    parser.add_argument("--date", metavar="DATE", help="date in the results (default: now)")
    parser.add_argument("--list", action="store_true", help="show the cases and their targets")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the JSON.

    Returns:
        The exit code.
    """
    try:
        arguments = build_parser().parse_args(argv)
        if arguments.list:
            _write_list()
            return 0
        return _measure(arguments)
    except BenchmarkError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        return error.exit_code
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {(error.strerror or str(error)).lower()}{where}\n")
        sys.stderr.write("hint: free disk space, or set TMPDIR to a directory with more space\n")
        return 3
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: the JSON file has the finished cases\n")
        return 130


def _measure(arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, _end)
    _check_writable(arguments.json)
    date = arguments.date or datetime.now(UTC).isoformat(timespec="seconds")
    machine = read_machine()
    options = Options(arguments.runs, arguments.slow_runs, arguments.with_slow_peers)
    chosen = [case for case in CASES if not arguments.case or case.name in arguments.case]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="ml-assets-bench-") as directory:
        bench = Workbench(Path(directory), find_programs(), options, _say)
        _warm_up(bench)
        for case in chosen:
            _say(f"== {case.name}: {case.summary}")
            results.append(_measure_case(case, bench))
            # After each case, so that an interrupted run keeps its results.
            write_report(Report(date, machine, results), arguments.json)
    report = Report(date, machine, results)
    sys.stdout.write(report.table())
    return report.exit_code


def _check_writable(file: Path) -> None:
    """Refuse a file that cannot be written before the measurements, which take half an hour."""
    if file.is_dir() or not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write: {file}", "name a file in an existing directory: --json")


def _measure_case(case: Case, bench: Workbench) -> Result:
    try:
        with bench.section() as section:
            return Result(case, outcome=case.measure(section))
    except BenchmarkError as error:
        error.message = bench.without_paths(error.message)
        _say(f"error: {error.message}")
        return Result(case, error=error)


def _warm_up(bench: Workbench) -> None:
    """Run both commands once, so that neither pays for reading its code from disk."""
    graph = trivial_graph(1)
    template = bench.build(graph_files(graph))
    for program in (bench.programs.run, bench.programs.repro):
        _say(f"{program.shown}: warm-up")
        with bench.copy(template) as repository:
            bench.execute(program, repository)
            check_run(repository, graph)


def _write_list() -> None:
    for case in CASES:
        limits = " and ".join(str(limit) for limit in case.limits)
        print(f"{case.name:15} {case.summary}\n{'':15} {limits}")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not an integer of at least 1: {text}")
    return int(text)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _end(signum: int, _: object) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
