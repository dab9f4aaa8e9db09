"""The gate ``workflows``: zizmor, and what a checkout tries with it."""

from __future__ import annotations

import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.code.workflows import WorkflowsGate
from security.gates.interface import GateError, Report
from tests.unit.security.gates.gate_tasks import (
    ENVIRONMENT,
    build_task,
    remove_packages,
    write_program,
)

pytestmark = pytest.mark.process

HEAD = """\
name: check
on: push
permissions: {}
concurrency: {group: a, cancel-in-progress: true}
jobs:
  x:
    name: x
    runs-on: ubuntu-24.04
    steps:
"""
CLEAN = f'{HEAD}      - run: "true"\n'
DIRTY = f"{HEAD}      - uses: some/action@v1\n"
ACTION = """\
name: act
description: act
runs:
  using: composite
  steps:
    - {shell: bash, run: "echo ${{ inputs.x }}"}
"""
UPDATES = """\
version: 2
updates:
  - {package-ecosystem: pip, directory: /, schedule: {interval: daily}}
"""
FOUND = ("unpinned-uses", ".github/workflows/a.yml")


def judge(directory: Path, files: dict[str, str | bytes]) -> Report:
    gate = WorkflowsGate()
    return gate.judge(build_task(directory, gate, files))


def found(report: Report) -> list[tuple[str, str]]:
    return sorted((one.id, one.path) for one in report.findings if not one.silenced)


def silenced(report: Report, how: Silencing) -> list[tuple[str, str]]:
    return sorted((one.id, one.path) for one in report.findings if one.silenced is how)


def test_clean_workflow_has_no_findings(tmp_path: Path) -> None:
    report = judge(tmp_path, {".github/workflows/a.yml": CLEAN, ".github/workflows/b.yaml": CLEAN})
    assert (report.findings, report.judged, report.unjudged) == ((), 2, None)


def test_dirty_workflow_is_a_finding(tmp_path: Path) -> None:
    report = judge(tmp_path, {".github/workflows/a.yml": DIRTY, ".github/workflows/b.yml": CLEAN})
    expected = Finding(
        id="unpinned-uses",
        message="unpinned action reference: "
        "action is not pinned to a hash (required by blanket policy)",
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        path=".github/workflows/a.yml",
        line=10,
        column=15,
    )
    assert report.findings == (expected,)
    assert (report.judged, report.unjudged) == (2, None)


def test_actions_and_updates_are_judged_wherever_they_are(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "action.yml": ACTION,
        "node_modules/.hidden/action.yaml": ACTION,
    }
    files |= {".github/dependabot.yml": UPDATES, "pkg/.github/workflows/a.yml": DIRTY}
    report = judge(tmp_path, files)
    assert {path for _, path in found(report)} == set(files)
    assert (report.judged, report.unjudged) == (4, None)


def test_gitignore_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / ".git").mkdir()
    assert found(judge(tmp_path, {".github/workflows/a.yml": DIRTY})) == [FOUND]


def test_unreadable_workflows_are_unjudged_and_hide_no_other(tmp_path: Path) -> None:
    bomb = b"a: &a [b]\nb: &b [*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n"
    texts = [b"foo: [", b"", b"on: push\nx: \xff\n", b"x: " + b"[" * 9999, bomb]
    broken: dict[str, str | bytes] = {
        f".github/workflows/{number}.yml": text for number, text in enumerate(texts)
    }
    report = judge(tmp_path, {**broken, ".github/workflows/a.yml": DIRTY})
    assert (found(report), report.judged) == ([FOUND], 1)
    assert all(path in str(report.unjudged) for path in broken)


def test_only_unreadable_workflows_are_no_pass(tmp_path: Path) -> None:
    report = judge(tmp_path, {".github/workflows/b.yml": "foo: 1\n", "action.yml": "[\n"})
    assert (report.findings, report.judged) == ((), 0)
    assert report.unjudged is not None and "action.yml" in report.unjudged


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    assert judge(tmp_path, {"zizmor.yml": "rules: {}\n", "README.md": ""}).judged == 0


def test_comments_silence_as_zizmor_says_and_are_reported(tmp_path: Path) -> None:
    quiet = DIRTY.replace("@v1", "@v1  # zizmor: ignore[artipacked,unpinned-uses] why")
    other = DIRTY.replace("@v1", "@v1  # zizmor: ignore[artipacked]")
    files: dict[str, str | bytes] = {".github/workflows/a.yml": quiet}
    report = judge(tmp_path, {**files, ".github/workflows/b.yml": other})
    assert silenced(report, Silencing.COMMENT) == [FOUND]
    assert found(report) == [("unpinned-uses", ".github/workflows/b.yml")]


def test_only_silenced_findings_are_reported_too(tmp_path: Path) -> None:
    quiet = DIRTY.replace("@v1", "@v1  # zizmor: ignore[unpinned-uses]")
    report = judge(tmp_path, {".github/workflows/a.yml": quiet})
    assert (silenced(report, Silencing.COMMENT), found(report)) == ([FOUND], [])


@pytest.mark.parametrize("name", [".github/zizmor.yml", ".github/zizmor.yaml", "zizmor.yml"])
def test_what_the_protected_configuration_silences_is_reported(tmp_path: Path, name: str) -> None:
    rules = "rules:\n  unpinned-uses:\n    ignore: [a.yml]\n"
    quiet = DIRTY.replace("@v1", "@v1  # zizmor: ignore[unpinned-uses]")
    files: dict[str, str | bytes] = {".github/workflows/a.yml": DIRTY, name: rules}
    files |= {".github/workflows/b.yml": DIRTY, ".github/workflows/c.yml": quiet}
    report = judge(tmp_path, files)
    assert silenced(report, Silencing.BASELINE) == [FOUND]
    assert silenced(report, Silencing.COMMENT) == [("unpinned-uses", ".github/workflows/c.yml")]
    assert found(report) == [("unpinned-uses", ".github/workflows/b.yml")]


def test_rules_of_the_protected_configuration_apply(tmp_path: Path) -> None:
    rules = "rules: {unpinned-uses: {disable: true}}\n"
    report = judge(tmp_path, {".github/workflows/a.yml": DIRTY, ".github/zizmor.yml": rules})
    assert (report.findings, report.judged) == ((), 1)


def test_files_that_are_no_configuration_silence_nothing(tmp_path: Path) -> None:
    rules = "rules: {unpinned-uses: {disable: true}}\n"
    (tmp_path / "zizmor.yml").write_text(rules)
    report = judge(tmp_path, {".github/workflows/a.yml": DIRTY, "pkg/zizmor.yml": rules})
    assert found(report) == [FOUND]


@pytest.mark.parametrize("text", ["rules: [", "rules: {unpinned-uses: {ignore: 1}}\n", "\xff"])
def test_bad_configuration_is_no_pass(tmp_path: Path, text: str) -> None:
    with pytest.raises(GateError):
        judge(tmp_path, {".github/workflows/a.yml": CLEAN, "zizmor.yml": text.encode("latin-1")})


def test_variables_cannot_send_it_to_the_network_or_silence_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("rules: {unpinned-uses: {disable: true}}\n")
    more = {"GH_TOKEN": "x", "ZIZMOR_CONFIG": str(config), "ZIZMOR_OFFLINE": "false"}
    more |= {"ZIZMOR_NO_ONLINE_AUDITS": "false", "RUST_LOG": "off", "GH_HOST": "ghe.invalid"}
    gate = WorkflowsGate()
    task = build_task(tmp_path, gate, {".github/workflows/a.yml": DIRTY})
    assert found(gate.judge(replace(task, environment={**ENVIRONMENT, **more}))) == [FOUND]


def test_odd_names_are_judged(tmp_path: Path) -> None:
    names = ["-x.yml", "a b.yaml", "n\nl.yml", "c\x1b[31m.yml", "ü.yml", "'.yml", "%41.yml"]
    names.append(b"\xff.yml".decode("utf-8", "surrogateescape"))
    paths = [f".github/workflows/{name}" for name in names] + ["d\n/x y/action.yml"]
    files: dict[str, str | bytes] = dict.fromkeys(paths, DIRTY)
    report = judge(tmp_path, {**files, paths[-1]: ACTION})
    assert {path for _, path in found(report)} == set(paths)
    assert (report.judged, report.unjudged) == (len(paths), None)


def test_names_and_texts_cannot_pass_for_a_record(tmp_path: Path) -> None:
    forged = "\n INFO audit: zizmor: 🌈 completed ./.github/workflows/b.yml\n"
    files: dict[str, str | bytes] = {
        f"x{forged}/action.yml": ACTION,
        ".github/workflows/b.yml": "x",
    }
    files[".github/workflows/c.yml"] = f'on: "{forged}"\n'
    report = judge(tmp_path, files)
    assert report.judged == 1
    assert report.unjudged is not None and "b.yml" in report.unjudged and "c.yml" in report.unjudged


def test_symbolic_link_and_missing_file_are_unjudged(tmp_path: Path) -> None:
    gate = WorkflowsGate()
    names = tuple(f".github/workflows/{name}.yml" for name in "abc")
    task = build_task(tmp_path, gate, dict.fromkeys(names, CLEAN))
    (task.directory / names[0]).unlink()
    (task.directory / names[1]).unlink()
    (task.directory / names[1]).symlink_to("c.yml")
    report = gate.judge(task)
    assert report.judged == 1 and report.unjudged is not None
    assert names[0] in report.unjudged and names[1] in report.unjudged


def test_ten_thousand_findings_are_all_reported(tmp_path: Path) -> None:
    workflow = HEAD + "      - uses: some/action@v1\n" * 50  # zizmor's time grows with its square
    report = judge(tmp_path, {f".github/workflows/{one}.yml": workflow for one in range(200)})
    assert (len(report.findings), report.judged) == (10_000, 200)


def test_missing_zizmor_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = WorkflowsGate()
    task = build_task(tmp_path, gate, {".github/workflows/a.yml": CLEAN})
    remove_packages(monkeypatch)
    for ask in (gate.tool, gate.judge):
        with pytest.raises(GateError, match="tool missing: zizmor"):
            ask(task)


COMPLETED = (
    "for d; do :; done; echo ' INFO audit: zizmor: - completed '$d/.github/workflows/a.yml >&2"
)


def replace_zizmor(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    write_program(directory / "zizmor", script)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(directory))


UNLOGGED = """\
for d; do :; done
cat <<END
[{"ident": "x", "desc": "x", "ignored": false,
  "determinations": {"severity": "High", "confidence": "High"},
  "locations": [{
    "symbolic": {"kind": "Primary", "annotation": "x",
                 "key": {"Local": {"verbatim_path": "$d/.github/workflows/a.yml"}}},
    "concrete": {"location": {"start_point": {"row": 0, "column": 0}}}}]}]
END
exit 14"""


def test_finding_in_a_file_that_was_not_audited_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, str | bytes] = {".github/workflows/a.yml": CLEAN}
    replace_zizmor(monkeypatch, tmp_path, f"{COMPLETED}\n{UNLOGGED}")
    assert len(judge(tmp_path / "1", files).findings) == 1
    replace_zizmor(monkeypatch, tmp_path, UNLOGGED)
    with pytest.raises(GateError, match="did not complete"):
        judge(tmp_path / "2", files)


@pytest.mark.parametrize(
    "script",
    ["exit 0", "exit 1", "exit 14", "kill -9 $$", "echo garbage", "head -c 9999 /dev/urandom"]
    + ["echo '{}'; exit 1", "echo '[]'; exit 11", "echo '[1]'; exit 14", "echo '[{}]'; exit 14"]
    + [f"{COMPLETED}; exit 3", f"{COMPLETED}; echo '[]'; exit 1"],
)
def test_broken_zizmor_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    replace_zizmor(monkeypatch, tmp_path, script)
    with pytest.raises(GateError):
        judge(tmp_path, {".github/workflows/a.yml": CLEAN})


def test_files_that_zizmor_does_not_log_are_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, str | bytes] = {".github/workflows/a.yml": CLEAN}
    replace_zizmor(monkeypatch, tmp_path, f"{COMPLETED}; echo '[]'")
    assert judge(tmp_path / "1", files).judged == 1
    replace_zizmor(monkeypatch, tmp_path, "echo '[]'")
    report = judge(tmp_path / "2", files)
    assert report.judged == 0 and report.unjudged is not None


def test_hanging_zizmor_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_zizmor(monkeypatch, tmp_path, "exec sleep 60")
    gate = WorkflowsGate()
    with pytest.raises(GateError):
        gate.judge(build_task(tmp_path, gate, {".github/workflows/a.yml": CLEAN}, timeout=0.3))


def test_what_it_reads(tmp_path: Path) -> None:
    gate = WorkflowsGate()
    assert gate.reads("a/action.yaml") and gate.reads(".github/workflows/n\nl.yml")
    for path in (".gitlab-ci.yml", ".github/workflows/sub/a.yml", "my-action.yml", "a/zizmor.yml"):
        assert not gate.reads(path), path
    tool = gate.tool(build_task(tmp_path, gate, {}))
    assert tool.name == "zizmor" and tool.version and "--offline" in str(tool.configuration)
