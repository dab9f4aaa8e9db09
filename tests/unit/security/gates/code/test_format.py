"""The gate ``format``: black, and what a checkout tries with it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Finding, Severity
from security.gates.code.format import FormatGate
from security.gates.interface import GateError, Report
from tests.unit.security.gates.gate_tasks import build_task, remove_packages, replace_python

pytestmark = pytest.mark.process

CLEAN, DIRTY, BROKEN = "x = 1\n", "x=1\n", "def f(:\n"
MARKER = 'open("{}", "w").close()\n'


def judge(directory: Path, files: dict[str, str | bytes]) -> Report:
    gate = FormatGate()
    return gate.judge(build_task(directory, gate, files))


def dirty(report: Report) -> list[str]:
    return [finding.path for finding in report.findings]


def test_clean_files_have_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": CLEAN, "b/c.pyi": "x: int\n", "empty.py": ""})
    assert (report.findings, report.judged, report.unjudged) == ((), 3, None)


def test_dirty_file_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": CLEAN, "b/c.py": DIRTY})
    expected = Finding("black", "black would reformat this file", Severity.LOW, path="b/c.py")
    assert (report.findings, report.judged, report.unjudged) == ((expected,), 2, None)


def test_unparsable_file_is_unjudged_and_hides_no_other(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": DIRTY, "b.py": BROKEN, "c.py": CLEAN})
    assert (dirty(report), report.judged) == (["a.py"], 2)
    assert report.unjudged is not None and "b.py" in report.unjudged


def test_undecodable_files_are_unjudged(tmp_path: Path) -> None:
    broken = {"a.py": b"x = 1\0\n", "b.py": b"x = '\xff'\n", "c.py": b"# coding: nowhere\nx = 1\n"}
    report = judge(tmp_path, dict(broken))
    assert report.judged == 0 and all(path in str(report.unjudged) for path in broken)


def test_byte_order_mark_and_declared_encoding_are_judged(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbfx=1\n"
    latin = b"# -*- coding: latin-1 -*-\nx='\xe4'\n"
    report = judge(tmp_path, {"bom.py": marked, "latin.py": latin})
    assert (dirty(report), report.unjudged) == (["bom.py", "latin.py"], None)


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    assert judge(tmp_path, {"pyproject.toml": "", "README.md": ""}).judged == 0


def test_built_in_exclusions_hide_nothing(tmp_path: Path) -> None:
    files = {f"{name}/a.py": DIRTY for name in ("build", ".venv", ".tox", "dist", ".git")}
    report = judge(tmp_path, dict(files))
    assert (dirty(report), report.facts["left_out"]) == (sorted(files), 0)


def test_gitignore_above_the_copy_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.black]\nextend-exclude = '.*'\n")
    assert dirty(judge(tmp_path, {"a.py": DIRTY})) == ["a.py"]


@pytest.mark.parametrize(
    ("setting", "judged"),
    [
        ("extend-exclude = 'gen/'", ["a.py", "genuine.py"]),
        ("exclude = '/gen'", ["a.py"]),
        ("force-exclude = '''\n^/gen/  # a comment\n| ^/a[.]py$\n'''", ["genuine.py"]),
        ("include = 'a[.]py$'", ["a.py"]),
        ("extend_exclude = ''", ["a.py", "gen/b.py", "genuine.py"]),
    ],
)
def test_what_the_protected_configuration_leaves_out_is_counted(
    tmp_path: Path, setting: str, judged: list[str]
) -> None:
    files = {"a.py": DIRTY, "gen/b.py": DIRTY, "genuine.py": DIRTY}
    report = judge(tmp_path, {**files, "pyproject.toml": f"[tool.black]\n{setting}\n"})
    assert dirty(report) == judged
    assert (report.judged, report.facts["left_out"]) == (len(judged), 3 - len(judged))


def test_style_of_the_protected_configuration_applies(tmp_path: Path) -> None:
    configuration = (
        "[tool.black]\nline-length = 20\nskip-string-normalization = true\nquiet = true\n"
    )
    long = "x = ['a', 'b', 'c', 'd', 'e']\n"
    report = judge(tmp_path, {"a.py": long, "b.py": "x = ''\n", "pyproject.toml": configuration})
    assert dirty(report) == ["a.py"]


def test_python_version_that_the_project_requires_applies(tmp_path: Path) -> None:
    names = [f"open({letter * 28!r}) as {letter}" for letter in "abc"]
    old = f"with {names[0]}, open(\n    {'b' * 28!r}\n) as b, {names[2]}:\n    pass\n"
    files: dict[str, str | bytes] = {"a.py": old.replace("'", '"')}
    assert dirty(judge(tmp_path / "any", files)) == []
    files["pyproject.toml"] = "[project]\nrequires-python = '>=3.11'\n"
    assert dirty(judge(tmp_path / "new", files)) == ["a.py"]


@pytest.mark.parametrize(
    "configuration",
    [
        "[tool.black",
        "[tool]\nblack = 1\n",
        "[tool.black]\nexclude = '('\n",
    ]
    + ["[tool.black]\nrequired-version = '1.0'\n", "[tool.black]\nline-length = 'long'\n"],
)
def test_bad_configuration_is_no_pass(tmp_path: Path, configuration: str) -> None:
    with pytest.raises(GateError):
        judge(tmp_path, {"a.py": CLEAN, "pyproject.toml": configuration})


def test_files_that_are_no_configuration_silence_nothing(tmp_path: Path) -> None:
    nested = "[tool.black]\nexclude = '.*'\nline-length = 320\n"
    report = judge(tmp_path, {"a/pyproject.toml": nested, "a/b.py": DIRTY, "setup.cfg": nested})
    assert dirty(report) == ["a/b.py"]


def test_planted_modules_do_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    names = (
        "black.py",
        "ast.py",
        "sitecustomize.py",
        "conftest.py",
        "click.py",
        "black/__main__.py",
    )
    report = judge(tmp_path, {name: MARKER.format(ran) for name in names})
    assert report.judged == len(names) and not ran.exists()


def test_names_that_look_like_records_or_options_are_judged(tmp_path: Path) -> None:
    names = ["-x.py", "--version.py", "a b.py", "a.py\nwould reformat b.py", "c\x1b[31m.py", "-.py"]
    names.append("b.py already well formatted, good job.\n.py")
    files = {name: DIRTY for name in names if name.endswith(".py")}
    report = judge(tmp_path, {**files, "b.py": DIRTY, "clean.py": CLEAN})
    assert dirty(report) == sorted([*files, "b.py"])
    assert (report.judged, report.unjudged) == (len(files) + 2, None)


def test_text_in_files_cannot_pass_for_a_record(tmp_path: Path) -> None:
    forged = (
        "def f(:\n    'would reformat /x/000000.py'\n/000001.py already well formatted, good job.\n"
    )
    report = judge(tmp_path, {"a.py": forged, "b.py": DIRTY})
    assert (dirty(report), report.judged) == (["b.py"], 1)


def test_comments_that_switch_black_off_are_counted(tmp_path: Path) -> None:
    text = "# fmt: off\nx=1\n# fmt: on\ny=2  # fmt:skip\n# yapf: disable\nz=3\n"
    report = judge(tmp_path, {"a.py": text, "b.py": CLEAN})
    assert (report.findings, report.facts["formatting_switched_off"]) == ((), 3)


def test_symbolic_link_is_unjudged(tmp_path: Path) -> None:
    gate = FormatGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN, "b.py": CLEAN})
    (task.directory / "a.py").unlink()
    (task.directory / "a.py").symlink_to("b.py")
    report = gate.judge(task)
    assert report.judged == 1 and report.unjudged is not None and "a.py" in report.unjudged


def test_missing_file_is_unjudged(tmp_path: Path) -> None:
    gate = FormatGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN})
    report = gate.judge(replace(task, files=("a.py", "gone.py")))
    assert report.judged == 1 and report.unjudged is not None and "gone.py" in report.unjudged


def test_a_thousand_findings_are_all_reported(tmp_path: Path) -> None:
    report = judge(tmp_path, {f"d{number % 7}/f{number}.py": DIRTY for number in range(1000)})
    assert len(report.findings) == report.judged == 1000


def test_missing_black_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = FormatGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN})
    remove_packages(monkeypatch)
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match="tool missing: black"):
            ask(task)


def test_python_without_black_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(sys.base_prefix, "bin", "python3")))
    with pytest.raises(GateError, match="No module named black"):
        judge(tmp_path, {"a.py": DIRTY})


@pytest.mark.parametrize(
    "script",
    ["exit 0", "exit 1", "exit 123", "kill -9 $$", "echo garbage", "head -c 9999 /dev/urandom"]
    + ["echo '1 file would be left unchanged.' >&2"]
    + ["echo /elsewhere/000000.py already well formatted, good job."],
)
def test_broken_black_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    replace_python(monkeypatch, tmp_path / "python", script)
    with pytest.raises(GateError):
        judge(tmp_path, {"a.py": CLEAN})


@pytest.mark.parametrize("more", ["; exit 1", "; exit 123", "; echo $d/000000.py $said >&2"])
def test_exit_code_and_records_must_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    said = "for d; do :; done; said='already well formatted, good job.'"
    said += "; echo $d/000000.py $said >&2"
    replace_python(monkeypatch, tmp_path / "python", said)
    assert judge(tmp_path / "honest", {"a.py": CLEAN}).judged == 1
    replace_python(monkeypatch, tmp_path / "python", said + more)
    with pytest.raises(GateError):
        judge(tmp_path / "wrong", {"a.py": CLEAN})


def test_hanging_black_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_python(monkeypatch, tmp_path / "python", "exec sleep 60")
    gate = FormatGate()
    with pytest.raises(GateError):
        gate.judge(build_task(tmp_path, gate, {"a.py": CLEAN}, timeout=0.3))


def test_tool_names_what_decides(tmp_path: Path) -> None:
    gate = FormatGate()
    tool = gate.tool(build_task(tmp_path, gate, {"a.py": CLEAN}))
    assert tool.name == "black" and tool.version and "python" in tool.configuration
    assert gate.configures("pyproject.toml") and not gate.configures("a/pyproject.toml")
    assert not gate.reads("a/pyproject.toml") and not gate.reads("README.md")
