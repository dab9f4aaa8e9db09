"""Turns, and one small run of the real commands through each kind of procedure."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit
from benchmarks.graphs import trivial_graph
from benchmarks.measurement import Sample
from benchmarks.procedures import measure_cold, measure_growth, measure_load, measure_noop
from benchmarks.programs import Program, Programs
from benchmarks.repositories import graph_files
from benchmarks.workbench import Contender, Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit("dvc repro", Unit.RATIO, 1.0)
Make = Callable[[Options], Workbench]


@pytest.fixture
def make(tmp_path: Path, programs: Programs) -> Make:
    """Make a workbench with these options."""
    return lambda options: Workbench(tmp_path, programs, options, lambda line: None)


def contender(name: str, log: list[str], **options: int) -> Contender:
    """Return a contender that writes its name into the log and takes as long as the log is."""

    def attempt() -> Sample:
        log.append(name)
        return Sample(float(len(log)), 0.0)

    return Contender(
        name,
        Program(name, (name,)),
        1,
        attempt,
        warm_ups=options.get("warm_ups", 0),
        slow=bool(options.get("slow", False)),
    )


def test_contenders_alternate_after_their_warm_ups(make: Make) -> None:
    log: list[str] = []
    both = [contender("ours", log, warm_ups=1), contender("peer", log)]
    ours, peer = make(Options()).take_turns(both, 3)
    assert log == ["ours", "ours", "peer", "ours", "peer", "ours", "peer"]
    assert [sample.seconds for sample in ours.samples] == [2.0, 4.0, 6.0]
    assert [sample.seconds for sample in peer.samples] == [3.0, 5.0, 7.0]


def test_a_slow_contender_runs_once_and_says_so(make: Make) -> None:
    log: list[str] = []
    both = [contender("ours", log), contender("peer", log, slow=True)]
    ours, peer = make(Options(runs=3)).take_turns(both, 5)
    assert log == ["ours", "peer", "ours", "ours"]
    assert (len(ours.samples), ours.slow) == (3, False)
    assert (len(peer.samples), peer.slow) == (1, True)


def test_a_slow_contender_runs_as_often_as_asked_for(make: Make) -> None:
    log: list[str] = []
    make(Options(slow_runs=2)).take_turns([contender("peer", log, slow=True)], 5)
    assert log == ["peer", "peer"]


def test_a_failing_command_gives_no_sample(make: Make) -> None:
    bench = make(Options())
    repository = bench.build({})
    with pytest.raises(WrongRun, match="false: exit code 1"):
        bench.execute(Program("false", ("false",)), repository)


def test_a_section_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    with make(Options()).section() as bench:
        bench.build(graph_files(trivial_graph(1)))
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_messages_carry_no_path_of_the_machine(make: Make, tmp_path: Path) -> None:
    bench = make(Options())
    python = bench.programs.python
    text = bench.without_paths(f"{python} failed in {tmp_path}/repository-1")
    assert text == f"BIN/{python.name} failed in BENCH/repository-1"


@pytest.mark.slow
def test_a_cold_case_measures_both_and_checks_them(make: Make) -> None:
    outcome = measure_cold(make(Options()), trivial_graph(2), LIMIT, runs=1)
    (figure,) = outcome.figures
    assert outcome.peer is not None
    assert figure.value is not None
    assert outcome.ours.median_seconds and outcome.peer.median_seconds
    expected = outcome.ours.median_seconds / outcome.peer.median_seconds
    assert figure.value == pytest.approx(expected)


@pytest.mark.slow
def test_a_noop_case_measures_runs_in_which_nothing_runs(make: Make) -> None:
    seconds = Limit("whole command", Unit.SECONDS, 60.0)
    outcome = measure_noop(make(Options()), 2, LIMIT, seconds, runs=1)
    assert [figure.value is not None for figure in outcome.figures] == [True, True]


@pytest.mark.slow
def test_growth_without_the_slow_peer_says_that_it_is_left_out(make: Make) -> None:
    outcome = measure_growth(make(Options()), 2, 4, LIMIT, runs=1)
    assert outcome.peer is None
    assert outcome.figures[-1].value is None
    assert "dvc repro is not run" in outcome.notes[0]


@pytest.mark.slow
def test_definitions_are_loaded_from_the_cached_manifest(make: Make) -> None:
    outcome = measure_load(make(Options()), 3, Limit("load", Unit.SECONDS, 60.0), runs=1)
    (figure,) = outcome.figures
    assert figure.value is not None and figure.value > 0
