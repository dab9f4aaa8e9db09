"""The secrets gate: comments and baselines silence, and never more than they say."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from security.finding import Confidence, Silencing
from security.gates.interface import GateError, Report
from security.gates.secrets import SecretsGate
from security.gates.secrets.baseline import parse_baseline
from tests.unit.security.gates.gate_tasks import build_task
from tests.unit.security.gates.secrets.secret_samples import (
    AWS,
    BASELINE,
    GITHUB,
    HEX,
    NEXT_LINE,
    PEM,
    PRAGMA,
    RANDOM,
    WORD,
    build_baseline,
    build_filter,
    build_notebook,
    judge_secrets,
)

pytestmark = pytest.mark.process


def _ids(report: Report) -> list[tuple[str, str, int | None]]:
    return [(finding.id, finding.path, finding.line) for finding in report.findings]


def _silenced(report: Report) -> list[Silencing | None]:
    return [finding.silenced for finding in report.findings]


def test_comments_silence_and_are_said_to(tmp_path: Path) -> None:
    text = f"a = '{AWS}'  # {PRAGMA}\n# {NEXT_LINE}\nb = '{AWS}'\nc = '{AWS}'\n"
    assert _silenced(judge_secrets(tmp_path, {"a.py": text})) == [Silencing.COMMENT] * 2 + [None]


def test_comment_in_a_notebook_silences(tmp_path: Path) -> None:
    cell = build_notebook(
        f"# {NEXT_LINE}\n", f"a = '{AWS}'\n", f"b = '{GITHUB}'  # {PRAGMA}\n", f"'{AWS}'"
    )
    found = judge_secrets(tmp_path, {"a.ipynb": cell}).findings
    exact = [one.silenced for one in found if one.confidence is Confidence.HIGH]
    assert exact == [Silencing.COMMENT, Silencing.COMMENT, None]


def _entry(kind: str, secret: str, **more: object) -> dict[str, object]:
    digest = hashlib.sha1(secret.encode(), usedforsecurity=False).hexdigest()
    return {"type": kind, "filename": "a.py", "hashed_secret": digest, "line_number": 1, **more}


def test_baseline_silences_what_it_knows(tmp_path: Path) -> None:
    known = [_entry("AWS Access Key", AWS), _entry("AWS Access Key", "gone", is_secret=False)]
    other = "AKIA" + "Z7QWERTY2UIOP3AT"
    files = {"a.py": f"\n\n'{AWS}'\n'{other}'\n", BASELINE: build_baseline(results={"a.py": known})}
    report = judge_secrets(tmp_path, files)
    assert _ids(report) == [("aws-access-key", "a.py", 3), ("aws-access-key", "a.py", 4)]
    assert _silenced(report) == [Silencing.BASELINE, None]
    assert report.facts["baseline_entries"] == 2
    assert report.facts["baseline_entries_unused"] == 1


@pytest.mark.parametrize("known_first", [True, False])
def test_unknown_secret_beside_a_known_one_is_not_silenced(
    tmp_path: Path, known_first: bool
) -> None:
    pair = (AWS, "AKIA" + "Z7QWERTY2UIOP3AT")
    text = "'{}', '{}'\n".format(*(pair if known_first else pair[::-1]))
    known = {"a.py": [_entry("AWS Access Key", AWS)]}
    report = judge_secrets(tmp_path, {"a.py": text, BASELINE: build_baseline(results=known)})
    assert _silenced(report) == [None]


def test_baseline_entry_labelled_a_real_secret_silences_nothing(tmp_path: Path) -> None:
    known = {"a.py": [_entry("AWS Access Key", AWS, is_secret=True)]}
    report = judge_secrets(
        tmp_path, {"a.py": f"'{AWS}'\n", BASELINE: build_baseline(results=known)}
    )
    assert _silenced(report) == [None]


def test_second_key_in_a_file_is_not_known_because_the_first_is(tmp_path: Path) -> None:
    known = {"a.py": [_entry("Private Key", PEM.strip("-")), _entry("GitHub Token", "ghp")]}
    text = f"'{GITHUB}'  {PEM}\n'{GITHUB[::-1][:36]}'\n{PEM}\n'{GITHUB}'\n"
    report = judge_secrets(tmp_path, {"a.py": text, BASELINE: build_baseline(results=known)})
    exact = [one for one in report.findings if one.id in ("private-key", "github-token")]
    assert [(one.line, one.silenced) for one in exact] == [
        (1, Silencing.BASELINE),
        (1, Silencing.BASELINE),
        (3, None),
        (4, None),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"plugins_used": []},
        {"filters_used": [build_filter("regex.should_exclude_file", pattern=["^a"])]},
        {"filters_used": [build_filter("regex.should_exclude_line", pattern="x =")]},
        {"filters_used": [build_filter("regex.should_exclude_secret", pattern="^AKIA")]},
    ],
)
def test_what_a_baseline_leaves_out_is_silenced_and_seen(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    report = judge_secrets(
        tmp_path, {"a.py": f"x = '{AWS}'\n", BASELINE: build_baseline(**changes)}
    )
    assert _silenced(report) == [Silencing.BASELINE]


def test_limits_of_a_baseline_are_kept_in_both_directions(tmp_path: Path) -> None:
    text = f"x = '{RANDOM}'\ny = 'abcdefghijKLMN'\n"

    def silenced(name: str, limit: float) -> list[Silencing | None]:
        plugins = [{"name": "Base64HighEntropyString", "limit": limit}]
        files = {"a.py": text, BASELINE: build_baseline(plugins_used=plugins)}
        return _silenced(judge_secrets(tmp_path / name, files))

    assert silenced("usual", 4.5) == [None]
    assert silenced("lower", 3.5) == [None, None]
    assert silenced("higher", 6) == [Silencing.BASELINE]


def test_comments_do_not_silence_where_the_baseline_says_so(tmp_path: Path) -> None:
    files = {"a.py": f"'{AWS}'  # {PRAGMA}\n", BASELINE: build_baseline(filters_used=[])}
    assert _silenced(judge_secrets(tmp_path, files)) == [None]


def test_baseline_that_detect_secrets_has_written_is_understood(tmp_path: Path) -> None:
    files = {"a.py": f"x = '{AWS}'\ny = '{HEX}'\n", "b.yaml": f"{WORD}: hunter2\n"}
    task = build_task(tmp_path, SecretsGate(), files)
    arguments = [str(Path(sys.executable).parent / "detect-secrets"), "scan", "--no-verify"]
    arguments += ["--all-files", "."]
    done = subprocess.run(arguments, cwd=task.directory, capture_output=True, check=True, text=True)
    report = judge_secrets(tmp_path, {**files, BASELINE: done.stdout})
    assert _silenced(report) == [Silencing.BASELINE] * 3
    assert report.facts["baseline_entries_unused"] == 0


@pytest.mark.parametrize(
    ("baseline", "match"),
    [
        ("", "Expecting value"),
        ("[]", "not of version 1"),
        ("[" * 100_000, "nested too deeply"),
        ('{"version": "1.5.0", "version": "1.5.0"}', "duplicate key: version"),
        (build_baseline(version="0.13.1"), "not of version 1"),
        (build_baseline(plugins_used={}), "plugins_used: not a list"),
        (build_baseline(plugins_used=[{"name": "Mine"}]), "unknown detector: Mine"),
        (
            build_baseline(plugins_used=[{"name": "KeywordDetector", "x": 1}]),
            "unsupported option of KeywordDetector: x",
        ),
        (build_baseline(plugins_used=[{"name": "HexHighEntropyString", "limit": "0"}]), "limit of"),
        (
            build_baseline(filters_used=[{"path": "file://mine.py::f"}]),
            "unsupported filter: file://mine.py",
        ),
        (
            build_baseline(filters_used=[build_filter("gibberish.should_exclude_secret")]),
            "unsupported filter",
        ),
        (
            build_baseline(filters_used=[build_filter("regex.should_exclude_file", pattern="(")]),
            "pattern:",
        ),
        (build_baseline(results=[]), "results: not an object"),
        (
            build_baseline(results={"a.py": [{"type": "x"}]}),
            "entry without",
        ),
    ],
)
def test_baseline_that_is_not_understood_is_refused(baseline: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        parse_baseline(baseline.encode())


def test_unreadable_baseline_is_not_clean(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="unreadable .secrets.baseline: not of version 1"):
        judge_secrets(tmp_path, {"a.py": "x = 1\n", BASELINE: "[]"})


def test_code_that_a_baseline_names_is_not_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    plugin = {"name": "AWSKeyDetector", "path": "file://mine.py"}
    files = {
        "mine.py": f"open({str(mark)!r}, 'w')\n",
        BASELINE: build_baseline(plugins_used=[plugin]),
    }
    with pytest.raises(GateError, match="unsupported option of AWSKeyDetector: path"):
        judge_secrets(tmp_path, files)
    assert not mark.exists()


def test_gate_takes_the_baseline_from_the_protected_branch_and_reads_everything() -> None:
    gate = SecretsGate()
    assert gate.configures(BASELINE)
    assert not gate.configures(f"deep/{BASELINE}")
    assert all(
        map(gate.reads, ("README.md", ".env", "poetry.lock", "a.png", ".dvc/config", BASELINE))
    )
