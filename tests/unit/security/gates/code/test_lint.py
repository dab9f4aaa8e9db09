"""The gate ``lint``: flake8, and what a checkout tries with it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Finding, Severity, Silencing
from security.gates.code.lint import LintGate
from security.gates.interface import GateError, Report
from tests.unit.security.gates.gate_tasks import build_task, remove_packages, replace_python

pytestmark = pytest.mark.process

CLEAN, DIRTY = "x = 1\n", "import os\n"
MARKER = 'open("{}", "w").close()\n'


def judge(directory: Path, files: dict[str, str | bytes]) -> Report:
    gate = LintGate()
    return gate.judge(build_task(directory, gate, files))


def found(report: Report) -> list[tuple[str, str]]:
    return [(finding.path, finding.id) for finding in report.findings if not finding.silenced]


def silenced(report: Report) -> list[tuple[str, str]]:
    return [(finding.path, finding.id) for finding in report.findings if finding.silenced]


def test_clean_files_have_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": CLEAN, "b/c.py": CLEAN, "empty.py": ""})
    assert (report.findings, report.judged, report.unjudged) == ((), 3, None)


def test_dirty_file_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": CLEAN, "b/c.py": "x = 1\nif x:\n    import os\n"})
    message = "'os' imported but unused"
    expected = Finding("F401", message, Severity.MEDIUM, path="b/c.py", line=3, column=5)
    assert (report.findings, report.judged) == ((expected,), 2)


def test_style_is_of_low_severity(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.py": "x=1 \n", ".flake8": "[flake8]\nmax-complexity = 1\n"}
    files["b.py"] = "def f(x):\n    if x:\n        return 1\n    return 2\n"
    report = judge(tmp_path, files)
    assert found(report) == [("a.py", "E225"), ("a.py", "W291"), ("b.py", "C901")]
    assert {finding.severity for finding in report.findings} == {Severity.LOW}


def test_unparsable_files_are_unjudged_and_hide_no_other(tmp_path: Path) -> None:
    texts = ("def f(:\n", "x = (\n", "if x:\n\ty\n        z\n", "'''")
    broken: dict[str, str | bytes] = {f"{number}.py": text for number, text in enumerate(texts)}
    report = judge(tmp_path, {**broken, "a.py": DIRTY})
    assert (found(report), report.judged) == ([("a.py", "F401")], 1)
    assert all(path in str(report.unjudged) for path in broken)


@pytest.mark.parametrize(
    "section",
    ["ignore = E", "ignore = E999,E902,E9", "select = F", "per-file-ignores = *:E999", "exclude ="]
    + ["disable-noqa = false", "extend-ignore = E999", "select = W\nextend-select = F"],
)
def test_no_setting_hides_an_unparsable_file(tmp_path: Path, section: str) -> None:
    broken = "def f(:  # noqa\n"
    report = judge(tmp_path, {"b.py": broken, ".flake8": f"[flake8]\n{section}\n"})
    assert report.judged == 0 and report.unjudged is not None


def test_null_bytes_are_no_pass(tmp_path: Path) -> None:
    try:
        report = judge(tmp_path, {"a.py": b"x = 1\0\n"})
    except GateError:
        return
    assert report.judged == 0 and report.unjudged is not None


def test_nesting_that_overflows_the_parser_is_no_pass(tmp_path: Path) -> None:
    try:
        report = judge(tmp_path, {"a.py": DIRTY, "b.py": "x = " + "(" * 5000 + ")" * 5000 + "\n"})
    except GateError:
        return
    assert report.unjudged is not None and "b.py" in report.unjudged


def test_byte_order_mark_and_declared_encoding_are_judged(tmp_path: Path) -> None:
    latin = b"# -*- coding: latin-1 -*-\nimport os\nx = '\xe4'\n"
    report = judge(tmp_path, {"bom.py": b"\xef\xbb\xbfimport os\n", "latin.py": latin})
    assert found(report) == [("bom.py", "F401"), ("latin.py", "F401")]


def test_comments_silence_as_flake8_says_and_are_reported(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "all.py": "import os  # noqa\n",
        "file.py": "# flake8: noqa\nimport os\nx=1\n",
        "lines.py": "x = f'''\n  {undefined}\n'''  # noqa: F821\n",
        "list.py": "import os, sys  # NOQA:E401,F401\n",
        "loud.py": "import os\n",
        "other.py": "import os  # noqa: E501\n",
    }
    report = judge(tmp_path, files)
    assert found(report) == [("loud.py", "F401"), ("other.py", "F401")]
    expected = ["all.py F401", "file.py F401", "file.py E225", "lines.py F821"]
    expected += ["list.py E401", "list.py F401", "list.py F401"]
    assert sorted(map(" ".join, silenced(report))) == sorted(expected)
    assert {one.silenced for one in report.findings} == {None, Silencing.COMMENT}


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    assert judge(tmp_path, {".flake8": "[flake8]\n", "README.md": ""}).judged == 0


def test_built_in_exclusions_hide_nothing(tmp_path: Path) -> None:
    files = {f"{name}/a.py": DIRTY for name in ("CVS", ".tox", ".git", "x.egg", "__pycache__")}
    report = judge(tmp_path, dict(files))
    assert sorted(path for path, _ in found(report)) == sorted(files)


@pytest.mark.parametrize("name", [".flake8", "setup.cfg", "tox.ini"])
def test_what_the_protected_configuration_leaves_out_is_counted(tmp_path: Path, name: str) -> None:
    section = "[flake8]\nexclude = gen, ./a/b\nextend_exclude =\n    x*\nmax-line-length = 200\n"
    files: dict[str, str | bytes] = {"a/b/c.py": DIRTY, "gen/a.py": DIRTY, "xy.py": DIRTY}
    report = judge(tmp_path, {**files, "b/c.py": DIRTY, name: section})
    assert found(report) == [("b/c.py", "F401")]
    assert (report.judged, report.facts["left_out"]) == (1, 3)


def test_rules_of_the_protected_configuration_apply(tmp_path: Path) -> None:
    section = "[flake8]\nextend-ignore = F401\nper-file-ignores =\n    # why\n    a.py: E225, W\n"
    text = "import os\nx=1\n"
    report = judge(tmp_path, {"a.py": text, "b.py": text, ".flake8": section})
    assert found(report) == [("b.py", "E225")]


@pytest.mark.parametrize("setting", ["format = x", "output-file = out", "jobs = 0", "quiet = 2"])
def test_settings_cannot_change_what_is_printed(tmp_path: Path, setting: str) -> None:
    section = f"[flake8]\n{setting}\ncount = true\nstatistics = true\nshow-source = true\n"
    report = judge(tmp_path, {"a.py": DIRTY, ".flake8": section})
    assert found(report) == [("a.py", "F401")]


@pytest.mark.parametrize(
    "text", ["[flake8\n", "[flake8]\nmax-line-length = x\n", "[flake8]\nignore = ?\n", "\xff"]
)
def test_bad_configuration_is_no_pass(tmp_path: Path, text: str) -> None:
    with pytest.raises(GateError):
        judge(tmp_path, {"a.py": CLEAN, ".flake8": text.encode("latin-1")})


def test_local_plugins_of_a_checkout_do_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    plugin = f"class P:\n    def __init__(self, tree):\n        pass\n\n\n{MARKER.format(ran)}"
    plugins = "[flake8:local-plugins]\nextension =\n    X = planted:P\npaths =\n    ./tools\n"
    report = judge(tmp_path, {"tools/planted.py": plugin, ".flake8": f"[flake8]\n{plugins}"})
    assert not ran.exists()
    assert (report.judged, report.facts["local_plugins_not_loaded"]) == (1, 1)


def test_files_that_are_no_configuration_silence_nothing(tmp_path: Path) -> None:
    section = "[flake8]\nexclude = *\nignore = F\n"
    (tmp_path / ".flake8").write_text(section)
    report = judge(tmp_path, {"a/.flake8": section, "a/b.py": DIRTY, "pyproject.toml": section})
    assert found(report) == [("a/b.py", "F401")]


def test_planted_modules_do_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    names = ("flake8.py", "ast.py", "sitecustomize.py", "conftest.py", "pyflakes/__init__.py")
    report = judge(tmp_path, {name: MARKER.format(ran) for name in names})
    assert report.judged == len(names) and not ran.exists()


def test_names_that_look_like_output_or_options_are_judged(tmp_path: Path) -> None:
    names = ["-x.py", "--version.py", "a b.py", "c\x1b[31m.py", "%(path)s.py", "it's.py", "ü.py"]
    names += ["n\n7          total files processed\n.py", "n\n('a.py', 1, 1, 'F401', 'no')\n.py"]
    files: dict[str, str | bytes] = {name: f"{DIRTY}import re  # noqa\n" for name in names}
    report = judge(tmp_path, files)
    assert sorted(found(report)) == sorted((name, "F401") for name in names)
    assert sorted(silenced(report)) == sorted((name, "F401") for name in names)
    assert (report.judged, report.unjudged) == (len(names), None)


def test_name_that_is_not_unicode_is_judged(tmp_path: Path) -> None:
    name = b"\xff.py".decode("utf-8", "surrogateescape")
    assert found(judge(tmp_path, {name: "import os\nimport re  # noqa\n"})) == [(name, "F401")]


def test_missing_file_is_not_counted_as_judged(tmp_path: Path) -> None:
    gate = LintGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN})
    report = gate.judge(replace(task, files=("a.py", "gone.py")))
    assert report.judged == 1 and report.unjudged is not None


def test_dangling_link_is_unjudged(tmp_path: Path) -> None:
    gate = LintGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN, "b.py": CLEAN})
    (task.directory / "b.py").unlink()
    (task.directory / "b.py").symlink_to("/nowhere")
    report = gate.judge(task)
    assert report.judged == 1 and report.unjudged is not None and "b.py" in report.unjudged


def test_ten_thousand_findings_are_all_reported(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": "x=1  # noqa\n" * 5000 + "x=1\n" * 5000})
    assert (len(found(report)), len(silenced(report))) == (5000, 5000)


def test_missing_flake8_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = LintGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN})
    remove_packages(monkeypatch)
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match="tool missing: flake8"):
            ask(task)


def test_python_without_flake8_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(sys.base_prefix, "bin", "python3")))
    with pytest.raises(GateError, match="No module named flake8"):
        judge(tmp_path, {"a.py": DIRTY})


COUNT = "echo '1          total files processed'"


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "exit 1",
        "kill -9 $$",
        "echo garbage",
        "head -c 9999 /dev/urandom",
        f"{COUNT}; exit 1",
    ]
    + [
        f"echo garbage; {COUNT}; exit 1",
        f"echo garbage; {COUNT}",
        f"echo '(1, 2)'; {COUNT}; exit 1",
    ]
    + [f"echo \"('a.py', 1, 1, 'F401', 'x')\"; {COUNT}"],
)
def test_broken_flake8_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    replace_python(monkeypatch, tmp_path / "python", script)
    with pytest.raises(GateError):
        judge(tmp_path, {"a.py": CLEAN})


@pytest.mark.parametrize("files", [0, 1, 3])
def test_files_that_flake8_did_not_look_at_are_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    replace_python(monkeypatch, tmp_path / "python", f"echo '{files}    total files processed'")
    report = judge(tmp_path, {"a.py": CLEAN, "b.py": CLEAN})
    assert report.unjudged is not None and f"{files} of 2 files were processed" in report.unjudged


def test_hanging_flake8_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_python(monkeypatch, tmp_path / "python", "exec sleep 60")
    gate = LintGate()
    with pytest.raises(GateError):
        gate.judge(build_task(tmp_path, gate, {"a.py": CLEAN}, timeout=0.3))


def test_tool_names_what_decides(tmp_path: Path) -> None:
    gate = LintGate()
    tool = gate.tool(build_task(tmp_path, gate, {"a.py": CLEAN}))
    assert all(part in tool.version for part in ("flake8", "pyflakes", "pycodestyle"))
    assert gate.configures("tox.ini") and not gate.configures("a/tox.ini")
    assert not gate.reads("a/tox.ini") and not gate.reads("a.ipynb")
