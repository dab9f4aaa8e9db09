"""The dependencies gate: the time of the gate alone, and of the whole command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.errors import WrongRun
from benchmarks.figures import Figure, Limit, Unit
from benchmarks.gate_document import read_judgements
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Finished, Sample
from benchmarks.procedures import OURS, Outcome
from benchmarks.programs import Program
from benchmarks.repositories import Repository, graph_files
from benchmarks.workbench import Contender, Workbench
from security.advisories.snapshot import read_snapshot

_SCRIPT = Path(__file__).with_name("judge_dependencies.py")
_HINT = "only a check of all packages counts"


def measure_dependencies(bench: Workbench, packages: int, limit: Limit, *, runs: int) -> Outcome:
    """Measure the check of pinned packages against the bundled advisories, with a built index.

    Half of the packages have advisories. The gate is measured after its imports, the command each
    time in a fresh copy of the repository without results.
    """
    template = bench.build(
        {**graph_files(trivial_graph(1)), "requirements.txt": write_pins(packages)}
    )
    variables = {"ML_ASSETS_ADVISORIES": str(template.home / "advisories")}
    ours = bench.programs.ml_assets
    bench.execute(ours.with_arguments("advisories", "status"), template, variables=variables)
    script = Program(
        "python judge_dependencies.py", (str(bench.programs.python), "-P", str(_SCRIPT))
    )
    check = ours.with_arguments("check", "dependencies", "--json")
    itself, whole = bench.take_turns(
        [
            Contender(
                OURS,
                script,
                1,
                partial(_attempt_gate, bench, script, template, packages, variables),
                1,
            ),
            Contender(
                OURS,
                check,
                1,
                partial(_attempt_command, bench, check, template, packages, variables),
                1,
            ),
        ],
        runs,
    )
    command = Figure("whole command", Unit.SECONDS, whole.median_seconds)
    figures = (limit.figure(itself.median_seconds), command)
    note = f"{packages} pins; the command also checks the installed packages"
    return Outcome(itself, None, figures, (whole,), (note,))


def write_pins(packages: int) -> bytes:
    """Write a requirements file in which half of the packages have advisories."""
    known = sorted(
        {
            entry["package"]["name"]
            for record in read_snapshot()
            for entry in json.loads(record)["affected"]
        }
    )[: packages // 2]
    unknown = [f"benchmark-package-{number}" for number in range(packages - len(known))]
    return "".join(f"{name}==9999.0\n" for name in [*known, *unknown]).encode()


def _attempt_gate(
    bench: Workbench,
    program: Program,
    template: Repository,
    packages: int,
    variables: Mapping[str, str],
) -> Sample:
    finished = bench.execute(program, template, variables=variables)
    document = _read(finished, program)
    if (document.get("judged"), document.get("unjudged")) != (packages, None):
        raise WrongRun(f"{program.shown}: {document.get('judged')} of {packages} packages", _HINT)
    return Sample(float(document["seconds"]), float(document["cpu_seconds"]))


def _attempt_command(
    bench: Workbench,
    program: Program,
    template: Repository,
    packages: int,
    variables: Mapping[str, str],
) -> Sample:
    with bench.copy(template) as repository:
        finished = bench.execute(program, repository, variables=variables)
    (judgement,) = read_judgements(finished, program.shown)
    judged = judgement.facts.get("packages", 0)
    whole = judgement.complete and isinstance(judged, int) and judged >= packages
    if judgement.cached or not whole:
        said = f"{judgement}, {judged} packages, cached: {judgement.cached}"
        raise WrongRun(f"{program.shown}: {said}", _HINT)
    return finished.sample


def _read(finished: Finished, program: Program) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(finished.stdout)
    except ValueError as error:
        raise WrongRun(f"{program.shown}: invalid document", _HINT) from error
    return document
