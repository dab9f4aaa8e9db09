"""What the tests of the benchmarks share: repositories that are generated once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.graphs import Graph, cpu_graph, sleep_graph, trivial_graph
from benchmarks.measurement import Finished, measure
from benchmarks.programs import Programs, find_programs
from benchmarks.repositories import Repository, build_repository, graph_files

Dvc = Callable[..., Finished]


@pytest.fixture(scope="session")
def programs() -> Programs:
    """The programs of the environment that runs the tests."""
    return find_programs()


@pytest.fixture(scope="session", params=("trivial", "cpu", "sleep"))
def graph(request: pytest.FixtureRequest) -> Graph:
    """One small graph of each kind; the trivial one is long enough for stages after stages."""
    graphs = {
        "trivial": trivial_graph(42),
        "cpu": cpu_graph(2, 0.01),
        "sleep": sleep_graph(2, 0),
    }
    return graphs[request.param]


@pytest.fixture(scope="session")
def template(
    graph: Graph, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    """A repository of that graph in which nothing has run; tests work in copies of it."""
    home = tmp_path_factory.mktemp("benchmarks") / "template"
    return build_repository(home, graph_files(graph), programs)


@pytest.fixture
def dvc(programs: Programs) -> Dvc:
    """Run a real DVC command in a repository, whatever its exit code."""

    def run(repository: Repository, *arguments: str) -> Finished:
        return measure(
            programs.dvc.with_arguments(*arguments).command,
            repository.work,
            programs.environment(repository.home),
            repository.output,
            timeout=120,
        )

    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A place for one repository."""
    return tmp_path / "repository"
