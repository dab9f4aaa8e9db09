"""The secrets gate: what is not looked at, scans that go wrong, and what a scan may not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from security.gates.interface import GateError, Report
from security.gates.secrets import SecretsGate
from security.gates.secrets.detectors import Detectors
from security.gates.secrets.readable_text import decode, read_text
from security.gates.secrets.scan_report import parse_scan
from security.gates.tool.tool_process import ToolExit
from tests.unit.security.gates.gate_tasks import build_task
from tests.unit.security.gates.secrets.secret_samples import (
    ALL_SECRETS,
    AWS,
    BASELINE,
    HEX,
    PEM,
    RANDOM,
    SLACK,
    STRIPE,
    WORD,
    build_baseline,
    build_filter,
    judge_secrets,
)

pytestmark = pytest.mark.process


def _ids(report: Report) -> list[tuple[str, str, int | None]]:
    return [(finding.id, finding.path, finding.line) for finding in report.findings]


def test_too_large_a_text_is_named_and_not_clean(tmp_path: Path) -> None:
    gate = SecretsGate(most_text=100, most_binary=1000)
    files = {"a.txt": "a" * 101, "b.txt": "b" * 100, "c.bin": bytes(1000), "d.bin": bytes(1001)}
    report = judge_secrets(tmp_path, files, gate)
    assert report.judged == 2
    assert report.unjudged == (
        "not scanned: a.txt: text larger than 100 bytes; d.bin: larger than 1000 bytes"
    )


def test_file_that_is_gone_or_a_pipe_is_named_and_not_clean(tmp_path: Path) -> None:
    gate = SecretsGate()
    task = build_task(tmp_path, gate, {"a.py": "x = 1\n", "gone": "", "pipe": ""})
    (task.directory / "gone").unlink()
    (task.directory / "pipe").unlink()
    os.mkfifo(task.directory / "pipe")
    report = gate.judge(task)
    assert report.judged == 1
    assert report.unjudged is not None
    assert (
        "gone: No such file or directory; pipe: neither a regular file nor a link"
        in report.unjudged
    )


def test_many_unread_files_do_not_flood_the_reason(tmp_path: Path) -> None:
    report = judge_secrets(
        tmp_path, {f"{n:02}.txt": "ab" for n in range(9)}, SecretsGate(most_text=1)
    )
    assert report.judged == 0
    assert report.unjudged is not None
    assert report.unjudged.endswith("; and 4 more")


def test_nothing_to_scan_is_not_clean(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="no files to scan for secrets"):
        judge_secrets(tmp_path, {})


def test_scan_that_hangs_is_not_clean(tmp_path: Path) -> None:
    gate = SecretsGate()
    with pytest.raises(GateError, match="0.01 s"):
        gate.judge(build_task(tmp_path, gate, {"a.py": "x = 1\n"}, timeout=0.01))


ANSWER = {
    "files": [{"path": "a", "kind": "text", "hits": [], "noise": {}}],
    "entries": 0,
    "used": 0,
}


def test_whole_answer_is_believed() -> None:
    assert parse_scan(ToolExit(0, json.dumps(ANSWER).encode(), ""), ["a"]).judged == 1


@pytest.mark.parametrize(
    ("exit_code", "output", "files", "match"),
    [
        (0, "", ["a"], "failed, exit code 0: no output"),
        (0, json.dumps(ANSWER)[:-1], ["a"], "failed, exit code 0"),
        (0, "[]", ["a"], "failed, exit code 0"),
        (0, "{}", ["a"], "unreadable report"),
        (1, json.dumps(ANSWER), ["a"], "failed, exit code 1"),
        (0, json.dumps(ANSWER), ["a", "b"], "reported other files"),
        (0, json.dumps(ANSWER), ["b"], "reported other files"),
        (0, json.dumps({**ANSWER, "files": []}), ["a"], "reported other files"),
        (0, json.dumps({**ANSWER, "files": [{"path": "a"}]}), ["a"], "unreadable report"),
    ],
)
def test_answer_that_is_not_whole_is_refused(
    exit_code: int, output: str, files: list[str], match: str
) -> None:
    with pytest.raises(GateError, match=match):
        parse_scan(ToolExit(exit_code, output.encode(), ""), files)


def test_code_of_the_checkout_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    planted = f"open({str(mark)!r}, 'w')\n"
    names = ("detect_secrets/__init__.py", "security/__init__.py", "json.py", "sitecustomize.py")
    report = judge_secrets(tmp_path, {**dict.fromkeys(names, planted), "a.py": f"'{AWS}'\n"})
    assert [finding.path for finding in report.findings] == ["a.py"]
    assert not mark.exists()


# --- no network -----------------------------------------------------------------------------------

_WATCHED = """
import runpy, sys
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
for kind in get_mapping_from_secret_type_to_class().values():
    kind.verify = lambda *arguments, **names: open(sys.argv[2], "w")
from security.gates.secrets import scan
sys.exit(scan.main([sys.argv[1]]))
"""


def test_no_plugin_is_asked_whether_a_secret_works(tmp_path: Path) -> None:
    verification = build_filter("common.is_ignored_due_to_verification_policies", min_level=2)
    (tmp_path / "a.py").write_text(f"'{AWS}'\n'{SLACK}'\n'{STRIPE}'\n")
    (tmp_path / BASELINE).write_text(build_baseline(filters_used=[verification]))
    order = {"files": ["a.py"], "baseline": BASELINE, "text": 9999, "binary": 9999}
    (tmp_path / "order").write_text(json.dumps(order))
    done = subprocess.run(
        [sys.executable, "-I", "-c", _WATCHED, "order", "asked"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    kinds = {kind for _, kind, _, _ in json.loads(done.stdout)["files"][0]["hits"]}
    assert kinds >= {"AWS Access Key", "Slack Token", "Stripe Access Key"}
    assert not (tmp_path / "asked").exists()


_FORBIDDEN = """
import os, socket
from security.gates.secrets import scan
scan.main(["order"])
for action in (
    socket.socket, lambda: socket.getaddrinfo("localhost", 80), lambda: os.system("true"), os.fork
):
    try:
        action()
    except RuntimeError as error:
        print(error)
"""


def test_scan_can_open_no_socket_and_start_no_program(tmp_path: Path) -> None:
    order = {"files": ["a"], "baseline": None, "text": 9, "binary": 9}
    (tmp_path / "order").write_text(json.dumps(order))
    done = subprocess.run(
        [sys.executable, "-I", "-c", _FORBIDDEN], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.count("forbidden in a scan") == 4


# --- looking at candidates only is not narrower, and is fast --------------------------------------


def test_search_over_a_whole_text_finds_what_asking_for_each_line_finds() -> None:
    secrets = [
        *(f"x = '{secret}'" for secret in ALL_SECRETS),
        *ALL_SECRETS,
        PEM,
        f"{WORD}: hunter2",
        f"{WORD} = hunter2",
        f"{WORD} = 'hunter2'",
        f"https://me:{RANDOM}@example.org",
        "8.8." + "4.4",
        "AKC" + "abcdefghij1",
        "eyJhbGciOiJIUzI1NiJ9" + ".eyJhIjoxfQ.abcd",
        "cloudant_key = " + HEX + HEX,
        "ibm_api_key=" + "a1B2" * 11,
        "softlayer_key: " + HEX + HEX,
        "cos_secret_access_key = " + (HEX + HEX)[:48],
        "//example.org/:_authToken=" + "npm_abc",
        HEX + "-us12",
        "SG." + "a" * 22 + "." + "b" * 43,
        "123456789:" + "A" * 35,
        "AC" + HEX,
    ]
    lines = [line for secret in secrets for line in (secret, "", secret, " ", f"a {secret}")]
    detectors = Detectors({})
    for path in ("a.py", "a.yaml", ".dvc/config"):
        view, *_ = read_text(path, "\n".join(lines).encode()).views
        whole = {(hit.type, hit.secret, hit.line) for hit in detectors.search(path, view)}
        single = set()
        for number, line in enumerate(lines):
            one, *_ = read_text(path, line.encode()).views
            plain = type(one)(one.pieces, one.sources, one.lines, one.numbers)
            found = detectors.search(path, plain)
            single |= {(hit.type, hit.secret, number) for hit in found}
        assert whole == single
        assert len({kind for kind, _, _ in whole}) >= 17


def test_text_is_decoded_by_what_it_is() -> None:
    assert decode("ünïcode".encode()) == "ünïcode"
    assert decode("ünïcode".encode("utf-8-sig")) == "ünïcode"
    assert decode(b"caf\xe9") == "caf\xe9"
    assert decode(b"\xff\xfe\x00") is None
    assert decode(b"") == ""
    assert decode(os.urandom(5000)) is None


def test_ten_thousand_findings_are_reported(tmp_path: Path) -> None:
    lines = "".join(f"x = '{AWS[:-5]}{number:05}'\n" for number in range(10_000))
    started = time.monotonic()
    report = judge_secrets(tmp_path, {"a.py": lines})
    assert len(report.findings) == 10_000
    assert time.monotonic() - started < 20


def test_endless_lines_do_not_take_endless_time(tmp_path: Path) -> None:
    parts = ["a", '\\"', "a=", "://", "//", "eyJ", "'", f"{WORD}=", "sk-", "AKIA"]
    files = {f"{number}.json": part * (30_000 // len(part)) for number, part in enumerate(parts)}
    started = time.monotonic()
    assert judge_secrets(tmp_path, files).judged == len(files)
    assert time.monotonic() - started < 20


def test_pieces_of_a_long_line_leave_no_gap_for_a_secret() -> None:
    line = "".join(f"{number:05}" for number in range(3000))
    view, *_ = read_text("a.py", f"short\n{line}\n".encode()).views
    for start in range(0, len(line) - 1500, 50):
        assert any(line[start : start + 1500] in piece for piece in view.pieces)
    assert set(view.sources) == {0, 1, 2}


def test_tool_changes_with_its_bounds_and_is_told_quickly(tmp_path: Path) -> None:
    task = build_task(tmp_path, SecretsGate(), {})
    started = time.monotonic()
    tool = SecretsGate().tool(task)
    assert time.monotonic() - started < 0.5
    assert tool.name == "detect-secrets"
    assert tool.sha256 != SecretsGate(most_text=1).tool(task).sha256
