"""The benchmark beside Snakemake: the same graph, and a peer that does its work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.errors import NotPossible, WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.graphs import trivial_graph
from benchmarks.programs import Programs
from benchmarks.snakemake import SNAKEMAKE, measure_beside_snakemake, write_snakefile
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit(SNAKEMAKE, Unit.RATIO, 1e6)
#: Runs the rules of a Snakefile in their order, without any check.
SIMULATOR = """\
#!/bin/sh
if [ "$1" = --version ]; then echo 0.0; exit 0; fi
[ "$*" = "-j2 --quiet all" ] || exit 9
sed -n "s/^    shell: '\\(.*\\)'$/\\1/p" Snakefile {filter} | sh
"""


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def install_simulator(directory: Path, monkeypatch: pytest.MonkeyPatch, only: str = "") -> None:
    """Put a program that executes a Snakefile first on ``PATH``."""
    program = directory / "bin" / SNAKEMAKE
    program.parent.mkdir()
    program.write_text(SIMULATOR.format(filter=only))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_snakefile_has_a_rule_for_each_stage() -> None:
    text = write_snakefile(trivial_graph(21))

    assert text.count("rule ") == 22
    assert "rule s20:\n    input: 'o0.txt'\n    output: 'o20.txt'\n" in text
    assert "    shell: 'echo 20 > o20.txt'\n" in text


def test_run_is_measured_beside_snakemake(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_simulator(tmp_path, monkeypatch)

    outcome = measure_beside_snakemake(bench, trivial_graph(3), LIMIT, runs=1)

    assert outcome.figures[0].verdict is Verdict.MET
    assert outcome.peer is not None and outcome.peer.contender == SNAKEMAKE


def test_snakemake_that_leaves_stages_out_gives_no_figure(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_simulator(tmp_path, monkeypatch, "| head -n 2")

    with pytest.raises(WrongRun, match=r"outs missing or wrong: o2\.txt"):
        measure_beside_snakemake(bench, trivial_graph(3), LIMIT, runs=1)


def test_machine_without_snakemake_gets_the_command_that_installs_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setattr("benchmarks.snakemake.shutil.which", lambda name: None)

    with pytest.raises(NotPossible, match="no snakemake: ") as raised:
        measure_beside_snakemake(bench, trivial_graph(1), LIMIT, runs=1)
    assert raised.value.hint.startswith("install it: pipx install snakemake==")
