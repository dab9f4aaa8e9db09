"""What is generated: DVC itself must agree with every byte of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.correctness import check_outs, check_run
from benchmarks.graphs import Graph, trivial_graph
from benchmarks.measurement import Finished, measure
from benchmarks.programs import SHELL, Programs
from benchmarks.repositories import Repository, commit_all, copied, write_done_state

pytestmark = pytest.mark.process

Dvc = Callable[..., Finished]


def test_dvc_repro_leaves_the_outs_and_the_lock_that_the_graph_promises(
    template: Repository, graph: Graph, home: Path, dvc: Dvc
) -> None:
    with copied(template, home) as repository:
        finished = dvc(repository, "repro")
        assert finished.code == 0, finished.stderr
        assert repository.read_lock() == graph.dvc_lock().encode()
        check_run(repository, graph)


def test_dvc_finds_nothing_to_do_in_a_generated_done_state(
    template: Repository, graph: Graph, home: Path, dvc: Dvc, programs: Programs
) -> None:
    with copied(template, home) as repository:
        write_done_state(repository, graph)
        commit_all(repository, programs)
        status = dvc(repository, "status", "--json")
        assert (status.code, status.stdout.strip()) == (0, "{}"), status.stderr
        data = dvc(repository, "data", "status", "--json")
        assert (data.code, data.stdout.strip()) == (0, "{}"), data.stderr


def test_dvc_sees_a_done_state_with_one_byte_changed(
    template: Repository, graph: Graph, home: Path, dvc: Dvc
) -> None:
    with copied(template, home) as repository:
        write_done_state(repository, graph)
        (repository.work / graph.stages[0].out).write_bytes(b"x\n")
        status = dvc(repository, "status", "--json")
        assert graph.stages[0].name in status.stdout


def test_the_cache_of_a_generated_done_state_restores_every_out(
    template: Repository, graph: Graph, home: Path, dvc: Dvc
) -> None:
    with copied(template, home) as repository:
        write_done_state(repository, graph)
        for stage in graph.stages:
            (repository.work / stage.out).unlink()
        finished = dvc(repository, "checkout")
        assert finished.code == 0, finished.stderr
        check_run(repository, graph)


def test_copies_share_nothing_and_are_removed(
    template: Repository, graph: Graph, home: Path, programs: Programs
) -> None:
    with copied(template, home) as repository:
        (repository.work / graph.source).write_bytes(b"changed")
        site = programs.environment(repository.home)["DVC_SITE_CACHE_DIR"]
        assert Path(site).is_relative_to(repository.home)
    assert not home.exists()
    assert (template.work / graph.source).read_bytes() == graph.source_content


def test_trivial_stages_are_twenty_roots_and_chains_behind_them() -> None:
    deps = {stage.name: stage.dep for stage in trivial_graph(41).stages}
    assert {deps[f"s{n}"] for n in range(20)} == {"src.txt"}
    assert deps["s20"] == "o0.txt"
    assert deps["s40"] == "o20.txt"


def test_the_bare_commands_write_the_same_outs(
    template: Repository, graph: Graph, home: Path, programs: Programs
) -> None:
    with copied(template, home) as repository:
        (repository.work / "bare.sh").write_text(graph.shell_script(), encoding="utf-8")
        environment = programs.environment(home)
        finished = measure([SHELL, "bare.sh"], repository.work, environment, repository.output)
        assert finished.code == 0, finished.stderr
        check_outs(repository, graph)
        assert not repository.read_lock()


def test_python_in_a_stage_is_that_of_this_environment(programs: Programs, home: Path) -> None:
    found = shutil.which("python", path=programs.environment(home)["PATH"])
    assert found is not None
    assert Path(found).parent == programs.python.parent
