"""The schedule of any graph: what holds for random ones, and for very long and wide ones."""

import threading
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.dvc.run.schedule import Capacity, Schedule

Graph = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw an acyclic graph, its nodes in any order."""
    size = draw(st.integers(1, 14))
    edges = {
        str(node): (
            [str(up) for up in draw(st.sets(st.integers(0, node - 1), max_size=3))] if node else []
        )
        for node in range(size)
    }
    return {name: edges[name] for name in draw(st.permutations(list(edges)))}


def below(graph: Mapping[str, Sequence[str]], culprits: set[str]) -> set[str]:
    """Return the nodes that cannot run because of others."""
    blocked: set[str] = set()
    while True:
        more = {n for n, ups in graph.items() if (blocked | culprits) & set(ups)} - blocked
        if not more:
            return blocked
        blocked |= more


@settings(max_examples=150, deadline=None)
@given(
    graph=graphs(),
    jobs=st.integers(1, 4),
    weights=st.dictionaries(st.integers(0, 13).map(str), st.integers(1, 5)),
    mutexes=st.dictionaries(st.integers(0, 13).map(str), st.lists(st.sampled_from("xy"))),
    failing=st.sets(st.integers(0, 13).map(str), max_size=3),
    keep_going=st.booleans(),
)
def test_promises_hold_for_any_graph(
    graph: Graph,
    jobs: int,
    weights: dict[str, int],
    mutexes: dict[str, list[str]],
    failing: set[str],
    keep_going: bool,
) -> None:
    guard = threading.Lock()
    running: set[str] = set()
    done: set[str] = set()
    broken: list[str] = []

    def work(name: str) -> str:
        with guard:
            running.add(name)
            missing = set(graph[name]) - done
            used = sum(weights.get(other, 1) for other in running)
            held = [mutex for other in running for mutex in set(mutexes.get(other, ()))]
            if missing:
                broken.append(f"{name} started before {missing}")
            if used > jobs and len(running) > 1:
                broken.append(f"capacity exceeded: {running}")
            if len(held) != len(set(held)):
                broken.append(f"mutex held twice: {running}")
        time.sleep(0)
        with guard:
            running.discard(name)
            if name not in failing:
                done.add(name)
        if name in failing:
            raise RuntimeError(name)
        return name

    ends = list(Schedule(graph, work, Capacity(jobs, weights, mutexes, keep_going)).run())

    assert broken == []
    names = [end.name for end in ends]
    assert len(names) == len(set(names))
    failed = {end.name for end in ends if end.error is not None}
    blocked = {end.name for end in ends if end.blocked_by is not None}
    assert {end.name for end in ends if end.result is not None} == done
    assert failed <= failing
    assert blocked == below(graph, failed)
    assert {end.blocked_by for end in ends} - {None} <= failed
    if keep_going or not failed:
        assert set(names) == set(graph)


@pytest.mark.parametrize("jobs", [1, 4])
def test_chain_of_5000_is_quick_and_in_order(jobs: int) -> None:
    graph = {str(n): [str(n - 1)] if n else [] for n in range(5000)}
    started = time.monotonic()

    ends = list(Schedule(graph, str, Capacity(jobs, {}, {})).run())

    assert [end.name for end in ends] == list(graph)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("jobs", [1, 16])
def test_5000_side_by_side_are_quick(jobs: int) -> None:
    graph: Graph = {"top": [], **{str(n): ["top"] for n in range(5000)}}
    graph["bottom"] = [str(n) for n in range(5000)]
    started = time.monotonic()

    ends = list(Schedule(graph, str, Capacity(jobs, {}, {})).run())

    assert (ends[0].name, ends[-1].name, len(ends)) == ("top", "bottom", 5002)
    assert time.monotonic() - started < 10


def test_failure_above_5000_blocks_them_all_quickly() -> None:
    graph: Graph = {"top": [], **{str(n): [str(n - 1)] if n else ["top"] for n in range(5000)}}
    started = time.monotonic()

    def fail(name: str) -> None:
        raise RuntimeError(name)

    ends = list(Schedule(graph, fail, Capacity(4, {}, {}, keep_going=True)).run())

    assert {end.blocked_by for end in ends[1:]} == {"top"}
    assert len(ends) == 5001
    assert time.monotonic() - started < 10
