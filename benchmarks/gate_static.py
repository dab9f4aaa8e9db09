"""The static gates: one check with all of them, against the same tools one after another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Series, Unit, divide
from benchmarks.gate_document import read_judgements
from benchmarks.measurement import Finished, Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository
from benchmarks.this_repository import count_stages, read_source
from benchmarks.workbench import Contender, Workbench

GATES = ("format", "lint", "types", "code-security", "secrets", "workflows", "dependencies")
BY_HAND = "by hand"
_CORES = 2
_HINT = "only a check of all files counts"


@dataclass(frozen=True)
class Tool:
    """A tool on the command line.

    Attributes:
        codes: exit codes after reading all files, with or without findings.
        count: the number of files that it read, from its output; None if the output lacks it.
        python: it reads all Python files, not only those in its settings.
    """

    name: str
    arguments: tuple[str, ...]
    codes: tuple[int, ...]
    count: Callable[[Finished], int | None]
    python: bool = True


def _number(pattern: str) -> Callable[[Finished], int | None]:
    """Return the sum of the numbers that a pattern finds in a tool's output."""

    def count(finished: Finished) -> int | None:
        found = re.findall(pattern, finished.stdout + finished.stderr)
        return sum(map(int, found)) if found else None

    return count


def _of_json(number: Callable[[Any], int]) -> Callable[[Finished], int | None]:
    def count(finished: Finished) -> int | None:
        try:
            return number(json.loads(finished.stdout))
        except (ValueError, KeyError, TypeError):
            return None

    return count


#: In the order of the gates. The gate dependencies has no tool that works offline.
TOOLS = (
    Tool("black", ("--check", "."), (0, 1), _number(r"(\d+) files? would be")),
    Tool("flake8", ("--benchmark",), (0, 1), _number(r"(\d+) +total files processed")),
    Tool("mypy", ("--cache-dir=/dev/null",), (0, 1), _number(r"(\d+) source files?"), python=False),
    Tool(
        "bandit",
        ("--quiet", "--configfile=pyproject.toml", "--format=json", "--recursive", "."),
        (0, 1),
        _of_json(lambda said: len(said["metrics"]) - 1),
    ),
    Tool(
        "detect-secrets",
        ("scan",),
        (0,),
        _of_json(lambda said: len(said["results"]) or 1),
        python=False,
    ),
    Tool(
        "zizmor",
        ("--offline", "--quiet", "--format=json", "."),
        (0, 11, 12, 13, 14),
        _of_json(lambda said: 1 + len(said)),
        python=False,
    ),
)


def measure_static(
    bench: Workbench, limit: Limit, *, runs: int, files: dict[str, bytes] | None = None
) -> Outcome:
    """Measure one check with all static gates, and each of their tools, cold.

    Every run has a fresh copy without results and tool caches. The files are in the page cache
    after a warm-up. The advisories are indexed beforehand.

    Args:
        files: the files to check; None takes this repository's.
    """
    source = read_source() if files is None else files
    template = bench.build(source)
    stages = count_stages(source)
    python_files = sum(path.endswith(".py") for path in source)
    variables = {"ML_ASSETS_ADVISORIES": str(template.home / "advisories")}
    status = bench.programs.ml_assets.with_arguments("advisories", "status")
    bench.execute(status, template, variables=variables)
    check = bench.programs.ml_assets.with_arguments("check", *GATES, "--json")
    ours = partial(_attempt_check, bench, template, check, variables)
    hands = [
        Contender(
            tool.name,
            program,
            stages,
            partial(_attempt_tool, bench, template, program, tool, python_files),
            warm_ups=1,
        )
        for tool in TOOLS
        for program in [_program(bench, tool)]
    ]
    mine, *peers = bench.take_turns(
        [Contender(OURS, check, stages, ours, warm_ups=1), *hands], runs
    )
    return _outcome(limit, mine, peers)


def _outcome(limit: Limit, mine: Series, peers: Sequence[Series]) -> Outcome:
    medians = [series.median_seconds or 0.0 for series in peers]
    least = max(*medians, sum(medians) / _CORES)
    together = [
        Sample(sum(one.seconds for one in turn), sum(one.cpu_seconds for one in turn))
        for turn in zip(*(series.samples for series in peers), strict=True)
    ]
    commands = " && ".join(series.command for series in peers)
    peer = Series(BY_HAND, commands, mine.stages, tuple(together))
    figures = (
        limit.figure(divide(mine.median_seconds, least)),
        Figure("slowest tool", Unit.SECONDS, max(medians)),
        Figure("half of the sum of all tools", Unit.SECONDS, sum(medians) / _CORES),
        Figure("CPU time, as a multiple of theirs", Unit.RATIO, _cpu_ratio(mine, peer)),
    )
    note = "the gate dependencies has no peer: pip-audit cannot work offline"
    return Outcome(mine, peer, figures, tuple(peers), (note,))


def _cpu_ratio(mine: Series, peer: Series) -> float | None:
    return divide(mine.median_cpu_seconds, peer.median_cpu_seconds)


def _program(bench: Workbench, tool: Tool) -> Program:
    script = str(bench.programs.python.with_name(tool.name))
    return Program(tool.name, (script,)).with_arguments(*tool.arguments)


def _attempt_check(
    bench: Workbench, template: Repository, program: Program, variables: dict[str, str]
) -> Sample:
    with bench.copy(template) as repository:
        finished = bench.execute(program, repository, cores=_CORES, variables=variables)
    judgements = read_judgements(finished, program.shown)
    wrong = [str(one) for one in judgements if one.cached or not one.complete]
    wrong += sorted({*GATES} - {one.gate for one in judgements})
    if wrong:
        raise WrongRun(f"{program.shown}: incomplete or cached results: {'; '.join(wrong)}", _HINT)
    return finished.sample


def _attempt_tool(
    bench: Workbench, template: Repository, program: Program, tool: Tool, python_files: int
) -> Sample:
    with bench.copy(template) as repository:
        finished = bench.execute(program, repository, cores=_CORES, codes=tool.codes)
    files = tool.count(finished)
    if not files or (tool.python and files < python_files):
        raise WrongRun(f"{program.shown}: {files} of {python_files} Python files", _HINT)
    return finished.sample
