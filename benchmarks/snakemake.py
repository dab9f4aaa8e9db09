"""Snakemake as a peer: the same graph as a Snakefile, and its program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.correctness import check_outs, check_run
from benchmarks.errors import NotPossible
from benchmarks.figures import Limit, ratio
from benchmarks.graphs import Graph
from benchmarks.measurement import COMMAND_SECONDS
from benchmarks.procedures import OURS, Outcome, attempt_cold
from benchmarks.programs import Program
from benchmarks.repositories import graph_files
from benchmarks.workbench import Contender, Workbench

SNAKEMAKE = "snakemake"
_VERSION = "9.27.1"
_CORES = 2
_ARGUMENTS = (f"-j{_CORES}", "--quiet", "all")


def measure_beside_snakemake(bench: Workbench, graph: Graph, limit: Limit, *, runs: int) -> Outcome:
    """Measure runs of every stage on two processors, each in a fresh copy of the repository."""
    template = bench.build({**graph_files(graph), "Snakefile": write_snakefile(graph).encode()})
    peer_program, version = _find_snakemake(template.home / SNAKEMAKE)
    contenders = (
        (OURS, bench.programs.run, partial(check_run, graph=graph)),
        (SNAKEMAKE, peer_program, partial(check_outs, graph=graph)),
    )
    ours, peer = bench.take_turns(
        [
            Contender(
                name,
                program,
                len(graph),
                partial(attempt_cold, bench, template, program, check, _CORES),
                warm_ups=1,
            )
            for name, program, check in contenders
        ],
        runs,
    )
    note = f"snakemake {version} keeps no hashes of files and signs nothing"
    return Outcome(ours, peer, (limit.figure(ratio(ours, peer)),), notes=(note,))


def write_snakefile(graph: Graph) -> str:
    """Return the text of a Snakefile with one rule for each stage."""
    targets = ", ".join(repr(stage.out) for stage in graph.stages)
    rules = [f"rule all:\n    input: {targets}\n"]
    for stage in graph.stages:
        rules.append(
            f"rule {stage.name}:\n    input: {stage.dep!r}\n    output: {stage.out!r}\n"
            f"    shell: {stage.command!r}\n"
        )
    return "\n".join(rules)


def _find_snakemake(environment: Path) -> tuple[Program, str]:
    """Find Snakemake on ``PATH``, or install it into an environment of its own.

    Returns:
        The program and its version.

    Raises:
        NotPossible: it cannot be installed or does not start.
    """
    installed = shutil.which(SNAKEMAKE)
    program = installed or os.fspath(_install(environment))
    version = _call(program, "--version").strip()
    shown = " ".join((SNAKEMAKE, *_ARGUMENTS))
    return Program(shown, (program, *_ARGUMENTS)), version


def _install(environment: Path) -> Path:
    _call(sys.executable, "-m", "venv", os.fspath(environment))
    python = os.fspath(environment / "bin" / "python")
    _call(python, "-m", "pip", "install", "--quiet", f"{SNAKEMAKE}=={_VERSION}")
    return environment / "bin" / SNAKEMAKE


def _call(*command: str) -> str:
    """Run a preparing command with the user's own settings and return its output."""
    hint = f"install it: pipx install {SNAKEMAKE}=={_VERSION}"
    try:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotPossible(f"no snakemake: {error}", hint) from error
    if finished.returncode:
        last = (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]
        raise NotPossible(f"no snakemake: {last}", hint)
    return finished.stdout
