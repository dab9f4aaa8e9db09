"""The secrets gate: what it finds and where, and what it knows to be none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from security.finding import Confidence, Finding, Severity
from security.gates.interface import Report
from security.gates.secrets import SecretsGate
from tests.unit.security.gates.gate_tasks import build_task
from tests.unit.security.gates.secrets.secret_samples import (
    ALL_SECRETS,
    AWS,
    GITHUB,
    HEX,
    HUGGING_FACE,
    PEM,
    RANDOM,
    SLACK,
    WORD,
    build_notebook,
    judge_secrets,
)

pytestmark = pytest.mark.process


def _ids(report: Report) -> list[tuple[str, str, int | None]]:
    return [(finding.id, finding.path, finding.line) for finding in report.findings]


CLEAN = {
    "src/a.py": "import os\n\nprint(os.environ['HOME'])\n",
    "README.md": f"Set your {WORD} in the environment: `{WORD}: ...`\n",
    "dvc.lock": f"schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: a\n      md5: {HEX}\n",
    "data.csv.dvc": f"outs:\n- md5: {HEX}.dir\n  path: data\n",
    "requirements.lock": f"a==1.0 \\\n    --hash=sha256:{HEX}{HEX}\n",
    "package-lock.json": json.dumps({"integrity": f"sha512-{(RANDOM * 3)[:86]}=="}),
    "a.ipynb": build_notebook("x = 1\n", "print(x)\n", output="1\n"),
    ".env.example": f"{WORD.upper()}=${{SECRET}}\nTOKEN=<token>\n",
    ".github/workflows/ci.yml": "env:\n  API_KEY: ${{ secrets.API_KEY }}\n",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "empty": "",
}


def test_clean_files_have_no_findings_and_are_all_judged(tmp_path: Path) -> None:
    report = judge_secrets(tmp_path, CLEAN)
    assert (report.findings, report.judged, report.unjudged) == ((), len(CLEAN), None)
    assert report.facts["files"] == len(CLEAN)
    assert report.facts["binary_files"] == 1
    assert report.facts["digests_passed_over"] == 2


DIRTY: dict[str, tuple[str | bytes, str, int | None]] = {
    "a.py": (f"x = 1\nkey = '{AWS}'\n", "aws-access-key", 2),
    "b.sh": (f"export TOKEN={GITHUB}\n", "github-token", 1),
    "c.py": (f"login('me', {WORD}='hunter2')\n", "secret-keyword", 1),
    "key.pem": (f"{PEM}\nabc\n", "private-key", 1),
    "utf16.txt": (f"one\n{PEM}\n".encode("utf-16"), "private-key", 2),
    "utf16le.txt": (f"one\r\ntwo\r\n{PEM}\r\n".encode("utf-16-le"), "private-key", 3),
    "utf16be.txt": (f"{PEM}\n".encode("utf-16-be"), "private-key", 1),
    "utf32.txt": (f"{PEM}\n".encode("utf-32"), "private-key", 1),
    "latin.py": (f"# caf\xe9\n{WORD} = 'hunter2'\n".encode("latin-1"), "secret-keyword", 2),
    "old-mac.txt": (f"one\rtwo\r{AWS}\r", "aws-access-key", 3),
    "model.bin": (b"\0\1\2\3" * 99 + AWS.encode() + b"\0" * 99, "aws-access-key", None),
    ".env": (f"A=1\nDB_{WORD.upper()}=hunter2\n", "secret-keyword", 2),
    "values.yaml": (f"db:\n  {WORD}: hunter2\n", "secret-keyword", 2),
    ".github/workflows/ci.yml": (f"env:\n  KEY: {RANDOM}\n", "base64-high-entropy-string", 2),
    "Dockerfile": (f"FROM x\nENV KEY={RANDOM}\n", "base64-high-entropy-string", 2),
    "Makefile": (f"a:\n\tcurl -H x --token={RANDOM}\n", "base64-high-entropy-string", 2),
    "README.md": (f"# A\n\n    SALT={HEX}\n", "hex-high-entropy-string", 3),
    "conf.toml": (f'salt = "{HEX}"\n', "hex-high-entropy-string", 1),
    ".dvc/config": (
        "['remote \"s3\"']\n    session_" + f"token = {'abc' * 9}\n",
        "dvc-remote-credential",
        2,
    ),
    ".dvc/config.local": (f"['remote']\n    {WORD} = x1y2\n", "dvc-remote-credential", 2),
    "requirements.txt": (
        f"--index-url https://me:{RANDOM}@example.org\n",
        "basic-auth-credentials",
        1,
    ),
    "hub.py": (f"login('{HUGGING_FACE}')\n", "hugging-face-token", 1),
    "maps.js": ("key('AIza" + "SyA1234567890abcdefghijklmnopqrstuv')\n", "google-api-key", 1),
    "yarn.lock": (f"resolved {SLACK}\n", "slack-token", 1),
    "swagger.json": (json.dumps({"a": AWS}), "aws-access-key", 1),
    "package-lock.json": (json.dumps({"a": AWS}), "aws-access-key", 1),
    "style.css": (f"/* {AWS} */\n", "aws-access-key", 1),
    "a_id.py": (f"my_id, x = 1, f('{RANDOM}')\n", "base64-high-entropy-string", 1),
    "line\nbreak\x1b.py": (f"'{AWS}'\n", "aws-access-key", 1),
    "no\udcff-utf8.py": (f"'{AWS}'\n", "aws-access-key", 1),
    "source.ipynb": (build_notebook("x = 1\n", f'{WORD} = "hunter2"\n'), "secret-keyword", 8),
    "output.ipynb": (build_notebook(output=f'{WORD} = "hunter2"\n'), "secret-keyword", 11),
    "one-line.ipynb": (
        json.dumps(json.loads(build_notebook(f'{WORD} = "hunter2"\n'))),
        "secret-keyword",
        1,
    ),
    "long.js": ("x" * 4090 + f"'{AWS}'" + "y" * 9000, "aws-access-key", 1),
}


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    files = {path: content for path, (content, _, _) in DIRTY.items()}
    return judge_secrets(tmp_path_factory.mktemp("dirty"), files)


@pytest.mark.parametrize("path", DIRTY)
def test_secret_is_found_on_its_line(dirty: Report, path: str) -> None:
    _, identity, line = DIRTY[path]
    assert (identity, path, line) in _ids(dirty)
    assert dirty.judged == len(DIRTY)
    assert dirty.unjudged is None


def test_no_secret_and_no_digest_of_one_is_in_the_report(dirty: Report) -> None:
    said = json.dumps([finding.to_json() for finding in dirty.findings]) + repr(dirty.facts)
    for secret in (*ALL_SECRETS, "hunter2"):
        assert secret not in said
        for algorithm in ("md5", "sha1", "sha256"):
            assert hashlib.new(algorithm, secret.encode()).hexdigest()[:8] not in said


def test_exact_forms_weigh_more_than_guesses(tmp_path: Path) -> None:
    report = judge_secrets(tmp_path, {"a.py": f"'{AWS}'\nx = '{HEX}'\n"})
    aws, entropy = report.findings
    assert aws == Finding(
        "aws-access-key",
        "possible secret: AWS Access Key",
        Severity.HIGH,
        Confidence.HIGH,
        path="a.py",
        line=1,
    )
    assert (entropy.severity, entropy.confidence) == (Severity.MEDIUM, Confidence.LOW)


def test_target_of_a_link_is_read_as_text_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(f"'{GITHUB}'\n")
    gate = SecretsGate()
    task = build_task(tmp_path, gate, {"a": "", "b": ""})
    for name, target in (("a", str(outside)), ("b", f"https://me:{RANDOM}@example.org")):
        (task.directory / name).unlink()
        (task.directory / name).symlink_to(target)
    assert _ids(gate.judge(task)) == [("basic-auth-credentials", "b", 1)]


# --- what is no secret ----------------------------------------------------------------------------


DOUBTFUL = [
    (f"md5: {HEX}", False),
    (f"md5: {HEX}a", True),  # not as long as an md5
    (f"token: {HEX}", True),
    (f'"sha256": "{HEX}{HEX}"', False),
    (f'"sha256": "{HEX}"', True),
    (f"rev_lock: {HEX}{HEX[:8]}", False),
    (f'"x": "{RANDOM}"', True),
    ("uuid: '123e4567-e89b-12d3-a456-426614174000'", False),
    (f"{WORD}: null", False),
    (f"{WORD}: get_{WORD}()", False),
    (f"connect(a(), {WORD}='hunter2')", True),  # a call on the line excuses nothing
    ("url: https://me:${TOKEN}@example.org", False),
    ("a==1.1.1.2", False),
    ("host: 8.8." + "4.4", True),
]


def test_what_guesses_see_is_passed_over_only_where_it_is_no_secret(tmp_path: Path) -> None:
    report = judge_secrets(
        tmp_path, {f"{n:02}.yaml": f"{line}\n" for n, (line, _) in enumerate(DOUBTFUL)}
    )
    found = {int(finding.path[:2]) for finding in report.findings}
    assert found == {number for number, (_, expected) in enumerate(DOUBTFUL) if expected}


def test_picture_in_a_notebook_is_passed_over_and_other_bytes_are_not(tmp_path: Path) -> None:
    picture = "iVBORw0KGgo" + RANDOM * 3
    report = judge_secrets(
        tmp_path,
        {
            "a.ipynb": json.dumps({"image/png": picture}, indent=1),
            "b.ipynb": json.dumps({"image/png": RANDOM * 3}, indent=1),
        },
    )
    assert {finding.path for finding in report.findings} == {"b.ipynb"}
    assert report.facts["pictures_passed_over"] == 1


def test_zero_bytes_do_not_hide_what_has_an_exact_form(tmp_path: Path) -> None:
    report = judge_secrets(
        tmp_path, {"a.py": b"\0" * 999 + f"key = '{AWS}'\n".encode() + b"\0" * 999}
    )
    assert [finding.id for finding in report.findings] == ["aws-access-key"]
