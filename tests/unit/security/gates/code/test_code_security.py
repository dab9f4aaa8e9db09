"""The gate ``code-security``: bandit, and what a checkout tries with it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.code.code_security import CodeSecurityGate
from security.gates.interface import GateError, Report
from tests.unit.security.gates.gate_tasks import build_task, remove_packages, replace_python

pytestmark = pytest.mark.process

CLEAN, DIRTY = "x = 1\n", "eval(input())\n"
MARKER = 'open("{}", "w").close()\n'
BASELINE = ".ml-assets/bandit-baseline.json"


def judge(
    directory: Path, files: dict[str, str | bytes], baseline: str | None = BASELINE
) -> Report:
    gate = CodeSecurityGate(baseline)
    return gate.judge(build_task(directory, gate, files))


def found(report: Report) -> list[tuple[str, str]]:
    return [(finding.path, finding.id) for finding in report.findings if not finding.silenced]


def silenced(report: Report, how: Silencing) -> list[tuple[str, str, int | None]]:
    findings = [finding for finding in report.findings if finding.silenced is how]
    return [(finding.path, finding.id, finding.line) for finding in findings]


def baseline_of(*results: dict[str, Any]) -> str:
    return json.dumps({"errors": [], "metrics": {}, "results": list(results)})


def known(path: str, **other: Any) -> dict[str, Any]:
    values = {
        "filename": path,
        "issue_confidence": "HIGH",
        "issue_severity": "MEDIUM",
        "issue_text": "Use of possibly insecure function - consider using safer ast.literal_eval.",
        "line_number": 77,
        "test_id": "B307",
        "test_name": "blacklist",
    }
    return {**values, **other}


def test_clean_files_have_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": CLEAN, "b/c.pyw": CLEAN, "empty.py": ""})
    assert (report.findings, report.judged, report.unjudged) == ((), 3, None)


def test_dirty_file_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": CLEAN, "b/c.py": f"{CLEAN}y = {DIRTY}"})
    expected = Finding(
        id="B307",
        message="Use of possibly insecure function - consider using safer ast.literal_eval.",
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        path="b/c.py",
        line=2,
        column=5,
        aliases=("blacklist",),
    )
    assert (report.findings, report.judged) == ((expected,), 2)


def test_high_severity_and_other_suffixes(tmp_path: Path) -> None:
    text = "import subprocess\nsubprocess.call(input(), shell=True)\n"
    report = judge(tmp_path, {"a.PY": text, "b.pyw": text})
    bad = [finding for finding in report.findings if finding.id == "B602"]
    assert [finding.path for finding in bad] == ["a.PY", "b.pyw"]
    assert {(one.severity, one.confidence) for one in bad} == {(Severity.HIGH, Confidence.HIGH)}


def test_unparsable_files_are_unjudged_and_hide_no_other(tmp_path: Path) -> None:
    texts = [b"x = 1\0\n", b"x = '\xff'\n", b"# coding: nowhere\n"]
    texts += [b"x = " + b"(" * 9999, b"x = " + b"-" * 3000 + b"1\n"]
    broken: dict[str, str | bytes] = {f"{number}.py": text for number, text in enumerate(texts)}
    report = judge(tmp_path, {**broken, "a.py": DIRTY})
    assert (found(report), report.judged) == ([("a.py", "B307")], 1)
    assert all(path in str(report.unjudged) for path in broken)


def test_encodings_hide_nothing(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "bom.py": b"\xef\xbb\xbf" + DIRTY.encode(),
        "latin.py": b"# coding: latin-1\n" + DIRTY.encode() + b"# \xe4\n",
        "utf7.py": b"# coding: utf-7\n+AGUAdgBhAGw-(input())\n",
        "crlf.py": b"x = 1\r\n" + DIRTY.encode(),
    }
    report = judge(tmp_path, files)
    assert found(report) == [(path, "B307") for path in sorted(files)]
    assert (report.judged, report.unjudged) == (4, None)


def test_comments_silence_as_bandit_says_and_are_reported(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "all.py": "eval(input())  # nosec\n",
        "by_id.py": "eval(input())  # nosec: B307 because\n",
        "by_name.py": "assert input()  # nosec assert_used\n",
        "loud.py": DIRTY,
        "multi.py": "import pickle\npickle.loads(\n    x,\n)  # nosec B301\n",
        "other.py": "eval(input())  # nosec B101\n",
        "text.py": "eval('# nosec')\n",
    }
    report = judge(tmp_path, files)
    loud = [("loud.py", "B307"), ("multi.py", "B403"), ("other.py", "B307"), ("text.py", "B307")]
    assert found(report) == loud
    quiet = [("all.py", "B307", 1), ("by_id.py", "B307", 1), ("by_name.py", "B101", 1)]
    assert silenced(report, Silencing.COMMENT) == [*quiet, ("multi.py", "B301", 2)]


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    assert judge(tmp_path, {"pyproject.toml": "", ".bandit": "", "README.md": ""}).judged == 0


def test_built_in_exclusions_hide_nothing(tmp_path: Path) -> None:
    names = ("CVS", "x/.tox", ".git", "x.egg", "__pycache__", ".eggs", ".venv")
    files = {f"{name}/evil.py": DIRTY for name in names}
    report = judge(tmp_path, dict(files))
    assert sorted(path for path, _ in found(report)) == sorted(files)


@pytest.mark.parametrize(
    ("name", "text", "judged"),
    [
        ("pyproject.toml", "[tool.bandit]\nexclude_dirs = ['tests', '*/gen/*']\n", ["a.py"]),
        (
            "pyproject.toml",
            "[tool.bandit]\nexclude_dirs = ['./gen/b.py']\n",
            ["a.py", "tests/c.py"],
        ),
        (".bandit", "[bandit]\nexclude = ./tests,/gen/\n", ["a.py"]),
        (".bandit", "[bandit]\nexclude = ./\n", []),
    ],
)
def test_what_the_protected_configuration_leaves_out_is_counted(
    tmp_path: Path, name: str, text: str, judged: list[str]
) -> None:
    files: dict[str, str | bytes] = {path: DIRTY for path in ("a.py", "gen/b.py", "tests/c.py")}
    report = judge(tmp_path, {**files, name: text})
    assert [path for path, _ in found(report)] == judged
    assert (report.judged, report.unjudged) == (len(judged), None)
    assert report.facts["left_out"] == 3 - len(judged)


def test_excluded_directory_does_not_take_its_namesakes_along(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"tests/a.py": DIRTY, "tests_b.py": DIRTY}
    report = judge(tmp_path, {**files, ".bandit": "[bandit]\nexclude = ./tests\n"})
    assert (found(report), report.judged) == ([("tests_b.py", "B307")], 1)
    assert (report.unjudged, report.facts["left_out"]) == (None, 1)


@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("pyproject.toml", "[tool.bandit]\nskips = ['B101']\n", ["B307"]),
        ("pyproject.toml", "[tool.bandit]\ntests = ['B101']\n", ["B101"]),
        ("pyproject.toml", "[tool.bandit.assert_used]\nskips = ['*a.py']\n", ["B307"]),
        (".bandit", "[bandit]\nskips = B101\n", ["B307"]),
        (".bandit", "[bandit]\ntests = B101\n", ["B101"]),
        (".bandit", "[bandit]\nlevel = 3\ntargets = other\nbaseline = x\n", ["B101", "B307"]),
    ],
)
def test_rules_of_the_protected_configuration_apply(
    tmp_path: Path, name: str, text: str, ids: list[str]
) -> None:
    report = judge(tmp_path, {"a.py": f"assert x\n{DIRTY}", name: text})
    assert [id for _, id in found(report)] == ids


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.bandit"),
        ("pyproject.toml", "[tool]\nbandit = 1\n"),
        ("pyproject.toml", "[tool.bandit]\nexclude_dirs = [1]\n"),
        ("pyproject.toml", "[tool.bandit]\nexclude_dirs = 1\n"),
        ("pyproject.toml", "[tool.bandit]\nskips = ['B101']\ntests = ['B101']\n"),
        ("pyproject.toml", "[tool.bandit]\ntests = ['B000']\n"),
        (".bandit", "skips: [B101]\n"),
        (".bandit", "[bandit]\ntests = nothing\n"),
        (BASELINE, "{}"),
        (BASELINE, "["),
        (BASELINE, '{"results": [{"test_id": "B307"}]}'),
        (BASELINE, '{"results": [1]}'),
    ],
)
def test_bad_configuration_is_no_pass(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(GateError):
        judge(tmp_path, {"a.py": CLEAN, name: text})


def test_files_that_are_no_configuration_silence_nothing(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a/b.py": DIRTY}
    files |= {"a/.bandit": "[bandit]\nskips = B307\n", ".flake8": "[bandit]\nskips = B307\n"}
    files |= {
        "a/pyproject.toml": "[tool.bandit]\nskips = ['B307']\n",
        "bandit.yaml": "skips: [B307]",
    }
    assert found(judge(tmp_path, files)) == [("a/b.py", "B307")]


def test_planted_ini_file_that_got_into_the_copy_is_not_looked_for(tmp_path: Path) -> None:
    gate = CodeSecurityGate()
    task = build_task(tmp_path, gate, {"a/b.py": DIRTY})
    (task.directory / "a" / ".bandit").write_text("[bandit]\nskips = B307\n")
    assert found(gate.judge(task)) == [("a/b.py", "B307")]


def test_baseline_silences_what_it_holds_and_says_so(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.py": DIRTY, "b.py": DIRTY, "c.py": DIRTY}
    files[BASELINE] = baseline_of(known("./a.py"), known("b.py"), known("c.py", test_id="B101"))
    report = judge(tmp_path, files)
    assert silenced(report, Silencing.BASELINE) == [("a.py", "B307", 1), ("b.py", "B307", 1)]
    assert found(report) == [("c.py", "B307")]


def test_one_more_than_the_baseline_knows_makes_all_loud(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.py": DIRTY + DIRTY, BASELINE: baseline_of(known("a.py"))}
    assert found(judge(tmp_path, files)) == [("a.py", "B307")] * 2


def test_report_of_bandit_is_a_baseline(tmp_path: Path) -> None:
    gate = CodeSecurityGate()
    files: dict[str, str | bytes] = {"a.py": f"{DIRTY}assert x\n"}
    task = build_task(tmp_path / "one", gate, files)
    gate.judge(task)
    files[BASELINE] = (task.scratch / "scan.json").read_bytes()
    report = judge(tmp_path / "two", files)
    assert (found(report), len(report.findings)) == ([], 2)


def test_without_a_baseline_none_is_read(tmp_path: Path) -> None:
    gate = CodeSecurityGate(baseline=None)
    assert not gate.reads(BASELINE)
    files: dict[str, str | bytes] = {"a.py": DIRTY, BASELINE: baseline_of(known("a.py"))}
    assert found(judge(tmp_path, files, baseline=None)) == [("a.py", "B307")]
    assert CodeSecurityGate("known.json").configures("known.json")


def test_planted_modules_do_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    names = ("bandit.py", "ast.py", "sitecustomize.py", "conftest.py", "yaml/__init__.py")
    report = judge(tmp_path, {name: MARKER.format(ran) for name in names})
    assert report.judged == len(names) and not ran.exists()


def test_odd_names_are_judged(tmp_path: Path) -> None:
    names = ["-x.py", "--exit-zero.py", "a b.py", "n\nl.py", "c\x1b[31m.py", "ü,x.py", "_totals.py"]
    names += ["*.py", b"\xff.py".decode("utf-8", "surrogateescape"), "d\n/e.py"]
    files: dict[str, str | bytes] = {name: f"{DIRTY}assert x  # nosec\n" for name in names}
    report = judge(tmp_path, files)
    assert sorted(found(report)) == sorted((name, "B307") for name in names)
    quiet = silenced(report, Silencing.COMMENT)
    assert sorted(quiet) == sorted((name, "B101", 2) for name in names)
    assert (report.judged, report.unjudged) == (len(names), None)


def test_missing_file_is_unjudged(tmp_path: Path) -> None:
    gate = CodeSecurityGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN})
    report = gate.judge(replace(task, files=("a.py", "gone.py")))
    assert report.judged == 1 and report.unjudged is not None and "gone.py" in report.unjudged


def test_ten_thousand_findings_are_all_reported(tmp_path: Path) -> None:
    report = judge(tmp_path, {"a.py": "assert x\n" * 9999 + "assert x  # nosec\n"})
    assert len(found(report)) == 9999
    assert silenced(report, Silencing.COMMENT) == [("a.py", "B101", 10000)]


def test_missing_bandit_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = CodeSecurityGate()
    task = build_task(tmp_path, gate, {"a.py": CLEAN})
    remove_packages(monkeypatch)
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match="tool missing: bandit"):
            ask(task)


def test_python_without_bandit_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(sys.base_prefix, "bin", "python3")))
    with pytest.raises(GateError, match="No module named bandit"):
        judge(tmp_path, {"a.py": DIRTY})


def say(report: str) -> str:
    """Return a script that writes a report to where bandit is told to."""
    return f"for a; do case $a in --output=*) echo '{report}' >\"${{a#--output=}}\";; esac; done"


NOTHING = '{"errors": [], "metrics": {}, "results": []}'
CLEAN_REPORT = '{"errors": [], "metrics": {"./a.py": {}, "_totals": {}}, "results": []}'


@pytest.mark.parametrize(
    "script",
    ["exit 0", "exit 1", "exit 2", "kill -9 $$", "echo garbage", "head -c 9999 /dev/urandom"]
    + [say("garbage"), say("[]"), say("{}"), say("1"), f"{say(NOTHING)}; exit 1"]
    + [f"{say(CLEAN_REPORT)}; exit 2", say(CLEAN_REPORT.replace("a.py", "b.py"))],
)
def test_broken_bandit_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    replace_python(monkeypatch, tmp_path / "python", script)
    with pytest.raises(GateError):
        judge(tmp_path, {"a.py": CLEAN})


def test_files_and_tests_that_bandit_gave_up_are_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for script, judged, unjudged in (
        (say(CLEAN_REPORT), 1, None),
        (say(NOTHING), 0, "a.py: not scanned"),
        (f"{say(CLEAN_REPORT)}; echo 'Bandit internal error running: x' >&2", 1, "1 tests crashed"),
    ):
        replace_python(monkeypatch, tmp_path / "python", script)
        report = judge(tmp_path / f"{unjudged}", {"a.py": CLEAN})
        assert report.judged == judged
        assert (unjudged or "") in (report.unjudged or "") and bool(unjudged) == bool(
            report.unjudged
        )


def test_findings_stay_loud_where_the_second_look_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads(CLEAN_REPORT) | {"results": [known("./a.py")]}
    failed = [{"filename": "./a.py", "reason": "exception"}]
    second = json.loads(CLEAN_REPORT) | {"errors": failed}
    looks = f"*--ignore-nosec*) {say(json.dumps(first))}; exit 1;; *) {say(json.dumps(second))};;"
    replace_python(monkeypatch, tmp_path / "python", f'case "$*" in {looks} esac')
    assert found(judge(tmp_path, {"a.py": "eval(x)  # nosec\n"})) == [("a.py", "B307")]


def test_hanging_bandit_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_python(monkeypatch, tmp_path / "python", "exec sleep 60")
    gate = CodeSecurityGate()
    with pytest.raises(GateError):
        gate.judge(build_task(tmp_path, gate, {"a.py": CLEAN}, timeout=0.3))


def test_tool_names_what_decides(tmp_path: Path) -> None:
    gate = CodeSecurityGate()
    tool = gate.tool(build_task(tmp_path, gate, {"a.py": CLEAN}))
    assert tool.name == "bandit" and tool.version and "python" in tool.configuration
    assert gate.configures(".bandit") and not gate.configures("a/.bandit")
    assert not gate.reads("a/.bandit") and gate.reads("a.ipynb")
