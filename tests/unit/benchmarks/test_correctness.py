"""A wrong run is an error: each way to be wrong is tried on a repository that was right."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.correctness import (
    check_all_skipped,
    check_outs,
    check_pipeline,
    check_run,
    check_success,
    take_snapshot,
)
from benchmarks.errors import NotPossible, WrongRun
from benchmarks.example import Pipeline, load_example, parse_lock
from benchmarks.graphs import Graph, trivial_graph
from benchmarks.measurement import Finished, Sample
from benchmarks.repositories import Repository, write_done_state

GRAPH = trivial_graph(3)


@pytest.fixture
def done(tmp_path: Path) -> Iterator[Repository]:
    """A repository in which every stage is done."""
    repository = Repository(tmp_path)
    repository.work.mkdir()
    write_done_state(repository, GRAPH)
    check_run(repository, GRAPH)
    yield repository


def ended(code: int = 0, stdout: str = "", stderr: str = "") -> Finished:
    """Return a process that has ended."""
    return Finished(code, Sample(1.0, 1.0), stdout, stderr)


def skipped(*actions: str) -> Finished:
    """Return a process that has printed these actions, as `ml-assets run --json` does."""
    assets = [{"key": f"main/o{n}.txt", "action": action} for n, action in enumerate(actions)]
    return ended(stdout=json.dumps({"assets": assets}))


@pytest.mark.parametrize("code", [1, 2, 3, -9])
def test_another_exit_code_than_0_is_wrong(code: int) -> None:
    check_success(ended(), "command")
    with pytest.raises(WrongRun, match=f"command: exit code {code}: last words"):
        check_success(ended(code, stderr="last words\n"), "command")


def test_a_missing_out_is_wrong(done: Repository) -> None:
    (done.work / "o1.txt").unlink()
    with pytest.raises(WrongRun, match="outs missing or wrong: o1.txt"):
        check_run(done, GRAPH)


def test_an_out_with_another_content_is_wrong(done: Repository) -> None:
    (done.work / "o2.txt").write_bytes(b"3\n")
    with pytest.raises(WrongRun, match="outs missing or wrong: o2.txt"):
        check_outs(done, GRAPH)


def test_a_lock_that_lacks_a_stage_is_wrong(done: Repository) -> None:
    (done.work / "dvc.lock").write_text(trivial_graph(2).dvc_lock(), encoding="utf-8")
    with pytest.raises(WrongRun, match="dvc.lock: stages missing: s2"):
        check_run(done, GRAPH)


def test_no_lock_is_wrong(done: Repository) -> None:
    (done.work / "dvc.lock").unlink()
    with pytest.raises(WrongRun, match="dvc.lock: stages missing: s0, s1, s2"):
        check_run(done, GRAPH)


def test_a_lock_with_one_other_byte_is_wrong(done: Repository) -> None:
    lock = done.work / "dvc.lock"
    lock.write_bytes(lock.read_bytes() + b"\n")
    with pytest.raises(WrongRun, match="dvc.lock: not as DVC writes it"):
        check_run(done, GRAPH)


def test_a_noop_that_wrote_an_out_again_is_wrong(done: Repository) -> None:
    before = take_snapshot(done, GRAPH)
    before.check_unchanged(done, GRAPH)
    (done.work / "o1.txt").write_bytes(GRAPH.stages[1].content)
    with pytest.raises(WrongRun, match="not a no-op: outs or dvc.lock were written"):
        before.check_unchanged(done, GRAPH)


def test_a_noop_that_replaced_an_out_by_its_equal_is_wrong(done: Repository) -> None:
    before = take_snapshot(done, GRAPH)
    twin = done.work / "twin"
    twin.write_bytes(GRAPH.stages[1].content)
    twin.rename(done.work / "o1.txt")
    with pytest.raises(WrongRun, match="not a no-op"):
        before.check_unchanged(done, GRAPH)


def test_a_noop_must_report_every_stage_as_skipped() -> None:
    check_all_skipped(skipped("skip", "skip"), 2)
    with pytest.raises(WrongRun, match="1 of 2 assets were not skipped"):
        check_all_skipped(skipped("skip", "run"), 2)
    with pytest.raises(WrongRun, match="1 of 2 assets were not skipped"):
        check_all_skipped(skipped("restore", "skip"), 2)


@pytest.mark.parametrize("finished", [skipped("skip"), skipped(), skipped("skip", "skip", "skip")])
def test_a_noop_over_other_stages_than_all_is_wrong(finished: Finished) -> None:
    with pytest.raises(WrongRun, match="not a no-op"):
        check_all_skipped(finished, 2)


@pytest.mark.parametrize("text", ["", "passed", "[]", "{}", '{"assets": [{}]}'])
def test_no_document_is_wrong(text: str) -> None:
    with pytest.raises(WrongRun, match="invalid document"):
        check_all_skipped(ended(stdout=text), 0)


def pipeline_of(graph: Graph) -> Pipeline:
    """Return a graph as the pipeline of a checkout."""
    stages, outs = parse_lock(graph.dvc_lock().encode())
    return Pipeline({}, stages, outs)


def test_a_pipeline_needs_every_out_and_every_stage(done: Repository) -> None:
    check_pipeline(done, pipeline_of(GRAPH))
    with pytest.raises(WrongRun, match="outs missing: o3.txt"):
        check_pipeline(done, pipeline_of(trivial_graph(4)))
    with pytest.raises(WrongRun, match="other stages or outs"):
        check_pipeline(done, pipeline_of(trivial_graph(2)))


@pytest.mark.parametrize("lock", [b"", b"schema: '2.0'\n", b"stages: {}\n", b"[", b"stages: []\n"])
def test_a_lock_of_nothing_is_no_expectation(lock: bytes) -> None:
    with pytest.raises(NotPossible):
        parse_lock(lock)


def test_a_checkout_without_the_example_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="missing: dvc.yaml, dvc.lock, scripts"):
        load_example(tmp_path)


def test_the_example_is_taken_without_outs_and_cache(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(GRAPH.dvc_lock(), encoding="utf-8")
    kept = ("dvc.yaml", "params.yaml", "scripts/a.py", "src/b/c.py")
    left_out = ("o0.txt", "src/__pycache__/c.pyc", ".dvc/cache/files/md5/aa/bb", "reports/x.json")
    for path in (*kept, *left_out):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path, encoding="utf-8")
    example = load_example(tmp_path)
    assert example.files == {path: path.encode() for path in kept}
    assert example.stages == {"s0", "s1", "s2"}
    assert example.outs == {"o0.txt", "o1.txt", "o2.txt"}
