"""The schedule: order, capacity, mutexes, failures, and an early end."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from resources.dvc.run.schedule import Capacity, Finished, Schedule

DIAMOND = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}


class Work:
    """What the nodes do: nothing, unless told to fail; and a record of what happened."""

    def __init__(self, failures: Mapping[str, BaseException] | None = None) -> None:
        self.failures = dict(failures or {})
        self.started: list[str] = []
        self.running: set[str] = set()
        self.together: list[frozenset[str]] = []
        self.guard = threading.Lock()

    def __call__(self, name: str) -> str:
        with self.guard:
            self.started.append(name)
            self.running.add(name)
            self.together.append(frozenset(self.running))
        time.sleep(0.005)
        with self.guard:
            self.running.discard(name)
        if name in self.failures:
            raise self.failures[name]
        return f"did {name}"


def limits(jobs: int, **more: Any) -> Capacity:
    return Capacity(jobs, more.get("weights", {}), more.get("mutexes", {}), more.get("keep", False))


def run(
    graph: Mapping[str, Sequence[str]], work: Work, bounds: Capacity
) -> dict[str, Finished[str]]:
    finished = list(Schedule(graph, work, bounds).run())
    names = [end.name for end in finished]
    assert len(set(names)) == len(names), f"ended twice: {names}"
    return {end.name: end for end in finished}


def test_each_node_runs_once_after_those_upstream() -> None:
    work = Work()

    ends = run(DIAMOND, work, limits(4))

    assert work.started[0] == "top" and work.started[-1] == "bottom"
    assert sorted(work.started) == sorted(DIAMOND)
    assert {name: end.result for name, end in ends.items()} == {n: f"did {n}" for n in DIAMOND}


def test_with_one_job_nodes_run_in_the_given_order() -> None:
    graph: dict[str, list[str]] = {"c": [], "a": [], "d": ["a"], "b": []}
    work = Work()

    run(graph, work, limits(1))

    assert work.started == ["c", "a", "d", "b"]


def test_node_that_is_not_part_of_the_run_is_taken_as_done() -> None:
    work = Work()

    ends = run({"b": ["a"], "c": ["b", "elsewhere"]}, work, limits(2))

    assert work.started == ["b", "c"]
    assert set(ends) == {"b", "c"}


def test_nothing_to_do_ends_at_once() -> None:
    assert run({}, Work(), limits(4)) == {}


def test_independent_nodes_run_at_once_up_to_the_number_of_jobs() -> None:
    barrier = threading.Barrier(3)
    graph: dict[str, list[str]] = {str(number): [] for number in range(9)}

    # Passed only where three nodes are at it together, three times over.
    ends = list(Schedule(graph, lambda name: barrier.wait(10), limits(3)).run())

    assert [end.error for end in ends] == [None] * 9


def test_capacity_is_never_exceeded() -> None:
    work = Work()
    graph: dict[str, list[str]] = {str(number): [] for number in range(20)}
    weights = {str(number): 1 + number % 3 for number in range(20)}

    run(graph, work, limits(4, weights=weights))

    used = [sum(weights[name] for name in together) for together in work.together]
    assert max(used) <= 4
    assert max(map(len, work.together)) > 1


def test_node_heavier_than_the_capacity_runs_alone() -> None:
    work = Work()
    graph: dict[str, list[str]] = {"heavy": [], **{str(number): [] for number in range(6)}}

    run(graph, work, limits(2, weights={"heavy": 9}))

    assert [together for together in work.together if "heavy" in together] == [{"heavy"}]
    assert sorted(work.started) == sorted(graph)


def test_nodes_that_share_a_mutex_never_run_together() -> None:
    work = Work()
    graph: dict[str, list[str]] = {str(number): [] for number in range(12)}
    mutexes = {str(number): ["gpu"] for number in range(6)} | {"5": ["gpu", "disk"], "6": ["disk"]}

    run(graph, work, limits(4, mutexes=mutexes))

    for together in work.together:
        held = [mutex for name in together for mutex in mutexes.get(name, [])]
        assert len(held) == len(set(held)), together
    assert max(map(len, work.together)) > 1


def test_blocked_node_does_not_keep_a_later_one_waiting() -> None:
    release = threading.Event()
    ran = threading.Event()

    def work(name: str) -> None:
        if name == "first":
            assert ran.wait(10), "the free node never ran"
        if name == "free":
            ran.set()
        release.wait(0)

    graph: dict[str, list[str]] = {"first": [], "same": [], "free": []}
    mutexes = {"first": ["gpu"], "same": ["gpu"]}

    ends = list(Schedule(graph, work, limits(2, mutexes=mutexes)).run())

    assert [end.error for end in ends] == [None] * 3


def test_failure_blocks_everything_downstream_and_names_the_culprit() -> None:
    graph = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "x"], "x": []}
    error = RuntimeError("a failed")

    ends = run(graph, Work({"a": error}), limits(1, keep=True))

    assert ends["a"].error is error
    assert {name: end.blocked_by for name, end in ends.items() if end.blocked_by} == {
        "b": "a",
        "c": "a",
        "d": "a",
    }
    assert ends["x"].result == "did x"


def test_after_a_failure_nothing_more_is_started() -> None:
    graph: dict[str, list[str]] = {"a": [], "b": [], "c": ["a"]}
    work = Work({"a": RuntimeError("a failed")})

    ends = run(graph, work, limits(1))

    assert work.started == ["a"]
    assert set(ends) == {"a", "c"}
    assert ends["c"].blocked_by == "a"


def test_keep_going_runs_what_does_not_depend_on_the_failure() -> None:
    graph = {"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["c", "d"]}
    work = Work({"a": RuntimeError("a failed")})

    ends = run(graph, work, limits(2, keep=True))

    assert sorted(work.started) == ["a", "b", "d"]
    assert (ends["c"].blocked_by, ends["e"].blocked_by) == ("a", "a")


def test_node_below_two_failures_ends_once() -> None:
    graph = {"a": [], "b": [], "c": ["a", "b"], "d": ["c"]}
    failures = {"a": RuntimeError("a"), "b": RuntimeError("b")}

    ends = run(graph, Work(failures), limits(2, keep=True))

    assert set(ends) == set(graph)
    assert ends["c"].blocked_by == ends["d"].blocked_by


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(28, "x"), KeyboardInterrupt(), SystemExit(0), GeneratorExit()],
    ids=lambda error: type(error).__name__,
)
def test_every_kind_of_exception_is_handed_over_and_never_a_success(error: BaseException) -> None:
    ends = run({"a": [], "b": ["a"]}, Work({"a": error}), limits(1))

    assert ends["a"].error is error
    assert ends["a"].result is None
    assert ends["b"].blocked_by == "a"


def test_reader_that_is_slow_does_not_hold_up_the_work() -> None:
    work = Work()
    graph: dict[str, list[str]] = {str(number): [] for number in range(5)}
    reader: Iterator[Finished[str]] = Schedule(graph, work, limits(1)).run()

    next(reader)
    deadline = time.monotonic() + 10
    while len(work.started) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert len(work.started) == 5
    assert len(list(reader)) == 4


def test_reader_that_leaves_early_stops_what_has_not_started() -> None:
    gate = threading.Event()
    started: list[str] = []

    def work(name: str) -> str:
        started.append(name)
        if name != "0":
            assert gate.wait(10)
        return name

    graph: dict[str, list[str]] = {str(number): [] for number in range(50)}
    schedule = Schedule(graph, work, limits(2))
    reader = schedule.run()

    first = next(reader)
    reader.close()  # type: ignore[attr-defined]  # it is a generator
    gate.set()
    rest = list(schedule.drain())

    assert first.name == "0"
    assert len(started) <= 4
    # What was running is not lost.
    assert sorted(end.name for end in (first, *rest)) == sorted(started)
    assert [end.error for end in rest] == [None] * len(rest)


def test_draining_what_never_ran_gives_nothing() -> None:
    assert list(Schedule({"a": []}, Work(), limits(1)).drain()) == []
