"""The benchmark of the static gates: the same work by hand, and only whole judgements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import gate_static
from benchmarks.errors import WrongRun
from benchmarks.figures import Limit, Unit, Verdict
from benchmarks.gate_static import BY_HAND, GATES, TOOLS, Tool, measure_static
from benchmarks.measurement import Finished, Sample
from benchmarks.programs import Programs
from benchmarks.this_repository import WORKFLOW, read_source
from benchmarks.workbench import Options, Workbench

pytestmark = pytest.mark.process

LIMIT = Limit("by hand", Unit.RATIO, 1000.0)
SMALL = {
    ".gitignore": b"/.ml-assets/\n",
    "pyproject.toml": b'[tool.mypy]\nfiles = ["one.py"]\n[tool.bandit]\nskips = []\n',
    "one.py": b"ONE = 1\n",
    WORKFLOW: read_source()[WORKFLOW],
}


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that says nothing."""
    with Workbench(tmp_path, programs, Options(), lambda line: None).section() as section:
        yield section


def finished(stdout: str = "", stderr: str = "") -> Finished:
    """Return a process that has said something and ended well."""
    return Finished(0, Sample(1.0, 1.0), stdout, stderr)


def tool(name: str) -> Tool:
    """Return one of the tools."""
    return next(one for one in TOOLS if one.name == name)


@pytest.mark.slow
def test_all_gates_are_measured_beside_all_tools(bench: Workbench) -> None:
    outcome = measure_static(bench, LIMIT, runs=1, files=SMALL)
    assert outcome.figures[0].verdict is Verdict.MET
    assert [series.contender for series in outcome.more] == [one.name for one in TOOLS]
    assert outcome.peer is not None and outcome.peer.contender == BY_HAND
    by_hand = [series.samples[0].seconds for series in outcome.more]
    assert outcome.peer.samples[0].seconds == pytest.approx(sum(by_hand))
    least = max(*by_hand, sum(by_hand) / 2)
    assert outcome.figures[0].value == pytest.approx(outcome.ours.samples[0].seconds / least)


def test_gate_that_could_not_judge_all_is_no_figure(bench: Workbench) -> None:
    with pytest.raises(WrongRun, match="exit code 3: .*workflows of source: error"):
        measure_static(bench, LIMIT, runs=1, files={**SMALL, WORKFLOW: b"on: [\n"})


def test_tool_that_looked_at_fewer_files_is_no_figure(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_static, "_attempt_check", lambda *_: Sample(1.0, 1.0))
    excluding = Tool("flake8", ("--benchmark", "--exclude=one.py"), (0, 1), tool("flake8").count)
    monkeypatch.setattr(gate_static, "TOOLS", (excluding,))
    with pytest.raises(WrongRun, match="of 1 Python files"):
        measure_static(bench, LIMIT, runs=1, files=SMALL)


@pytest.mark.parametrize(
    ("name", "said", "files"),
    [
        ("black", "3 files would be reformatted, 2 files would be left unchanged.", 5),
        ("black", "1 file would be left unchanged.", 1),
        ("flake8", "1.5 seconds elapsed\n7 total files processed\n", 7),
        ("mypy", "Success: no issues found in 9 source files", 9),
        ("mypy", "Found 1 error in 1 file (checked 9 source files)", 9),
        ("bandit", json.dumps({"metrics": {"_totals": {}, "a.py": {}, "b.py": {}}}), 2),
        ("bandit", "no document", None),
        ("detect-secrets", json.dumps({"results": {}}), 1),
        ("zizmor", "[]", 1),
        ("mypy", "usage: mypy", None),
    ],
)
def test_tools_say_how_many_files_they_looked_at(name: str, said: str, files: int | None) -> None:
    assert tool(name).count(finished(said)) == files


def test_every_static_gate_but_one_has_its_tool() -> None:
    assert len(GATES) == len(TOOLS) + 1 and "dependencies" in GATES
