"""The signer process: it signs statements, and its client cannot reach what it signs with."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources.signing.keyring import Keyring
from security.signing.bundle import parse_bundle
from security.signing.envelope import signed_message

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
#: Starts the signer, then runs what it is given, which prints one JSON value.
PROGRAM = """\
import json, os, signal, subprocess, sys, time
from pathlib import Path
from ml_assets.signer.process import start_signer
from ml_assets.signer.service import SigningMethod
from resources.errors import ResourceError
from security.errors import SecurityError

keys = Path(os.environ["HOME"]) / ".config" / "ml-assets"
signer = start_signer(keys, os.environ, [Path.cwd()])
method = SigningMethod("key", os.getcwd())
(pid,) = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

def state(kind, **changes):
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": "0" * 64}}],
        "predicateType": kind,
        "predicate": {},
    }
    return json.dumps({**statement, **changes}).encode()

PROVENANCE = state("https://slsa.dev/provenance/v1")

def refusal(work):
    try:
        work()
    except (ResourceError, SecurityError) as error:
        return [type(error).__name__, error.message]
    return None
"""

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run code in a process that has started its signer; return the JSON that it prints."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    def run_code(code: str, **variables: str) -> Any:
        ended = subprocess.run(
            [sys.executable, "-c", f"{PROGRAM}\n{code}"],
            cwd=work,
            env={
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run_code


def test_signature_is_that_of_the_key_which_nobody_else_can_read(run: Run, tmp_path: Path) -> None:
    content = run(
        "signer.open(method); bundle = signer.sign(PROVENANCE)\n"
        "print(json.dumps([bundle.content.decode(), os.path.exists(keys / 'signing.key')]))"
    )
    bundle = parse_bundle(content[0].encode())
    key = Keyring(tmp_path / "home" / ".config" / "ml-assets").public_key()
    assert key is not None and content[1] is False
    key.verify(bundle.envelope.signature, signed_message(bundle.envelope.payload))


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("b'any bytes'", "StatementError"),
        ("state('urn:somebody:else')", "StatementError"),
        ("state('https://slsa.dev/provenance/v1', subject=[])", "StatementError"),
        ("PROVENANCE + b' '", None),
    ],
)
def test_only_statements_of_known_types_are_signed(
    run: Run, payload: str, error: str | None
) -> None:
    refused = run(
        f"signer.open(method); print(json.dumps(refusal(lambda: signer.sign({payload}))))"
    )
    assert (refused and refused[0]) == error


def test_what_signs_is_chosen_once(run: Run) -> None:
    refused = run(
        "signer.open(method); signer.open(method)\n"
        "other = SigningMethod('keyless', os.getcwd(), sigstore='{}')\n"
        "works = [lambda: signer.open(other), lambda: signer.sign(PROVENANCE)]\n"
        "print(json.dumps([refusal(work) for work in works]))"
    )
    assert refused[0] == ["ConfigurationError", "the signing method changed during the command"]
    assert refused[1] is None


def test_nothing_is_signed_before_a_method_is_chosen(run: Run) -> None:
    assert run("print(json.dumps(refusal(lambda: signer.sign(PROVENANCE))))")[0] == (
        "UnavailableError"
    )


def test_secrets_are_only_in_the_signer(run: Run) -> None:
    names = ["ML_ASSETS_KEY_PASSPHRASE", "ML_ASSETS_PKCS11_PIN", "SIGSTORE_ID_TOKEN"]
    code = (
        "signer.open(method)\n"
        "def read(name):\n"
        "    return subprocess.run(['cat', f'/proc/{pid}/{name}'], capture_output=True).stdout\n"
        "child = subprocess.run(['env'], capture_output=True, text=True).stdout\n"
        "seen = [dict(os.environ), child]\n"
        "seen += [len(read(name)) for name in ('environ', 'maps')]\n"
        "print(json.dumps(seen))"
    )
    ours, childs, *of_signer = run(code, **dict.fromkeys(names, "s3cret"))
    assert not set(names) & set(ours)
    assert "s3cret" not in childs
    assert of_signer == [0, 0]


def test_encrypted_key_needs_the_passphrase_of_the_start(run: Run) -> None:
    run("signer.generate(); print(0)", ML_ASSETS_KEY_PASSPHRASE="s3cret")
    refused = run("print(json.dumps(refusal(lambda: signer.open(method))))")
    assert refused[0] == "UnavailableError" and "passphrase" in refused[1]
    opened = "signer.open(method); print(json.dumps(len(signer.sign(PROVENANCE).content)))"
    assert run(opened, ML_ASSETS_KEY_PASSPHRASE="s3cret") > 0


def test_signer_says_whether_it_has_a_passphrase(run: Run) -> None:
    asked = "print(json.dumps(signer.has_passphrase()))"
    assert run(asked) is False
    assert run(asked, ML_ASSETS_KEY_PASSPHRASE="s3cret") is True


def test_signer_that_dies_is_an_error_and_never_a_wait(run: Run) -> None:
    refused = run(
        "signer.open(method); os.kill(pid, signal.SIGKILL)\n"
        "print(json.dumps([refusal(lambda: signer.sign(PROVENANCE)) for _ in range(2)]))"
    )
    assert (
        refused
        == [
            ["UnavailableError", "signer process ended: nothing more can be signed"],
        ]
        * 2
    )


def test_signals_of_the_terminal_leave_the_signer_alone(run: Run) -> None:
    assert run(
        "signer.open(method)\n"
        "for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): os.kill(pid, one)\n"
        "print(json.dumps(len(signer.sign(PROVENANCE).content)))"
    )


def test_signer_ends_with_its_client(run: Run) -> None:
    pid = run("print(json.dumps(pid))")
    for _ in range(100):
        if not Path(f"/proc/{pid}/exe").exists():
            return
    pytest.fail("the signer goes on")


def test_threads_get_their_own_answers(run: Run) -> None:
    seals = run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    found = list(pool.map(lambda n: signer.seal('p', [b'%d' % n])[0].hex(), range(200)))\n"
        "again = [signer.seal('p', [b'%d' % n])[0].hex() for n in range(200)]\n"
        "other = signer.seal('q', [b'0'])[0].hex()\n"
        "print(json.dumps([found == again, len(set(found)), other in found]))"
    )
    assert seals == [True, 200, False]


def test_seals_of_two_runs_are_the_same(run: Run) -> None:
    code = "print(json.dumps([one.hex() for one in signer.seal('p', [b'a', b'b'])]))"
    assert run(code) == run(code)


def test_unknown_requests_are_refused(run: Run) -> None:
    refused = run("print(json.dumps(refusal(lambda: signer._ask('read', path='/etc/passwd'))))")
    assert refused == ["UnavailableError", "unknown request"]


def test_failure_in_the_signer_does_not_quote_its_message(run: Run) -> None:
    refused = run("print(json.dumps(refusal(lambda: signer._ask('sign', payload='s3cret!'))))")
    assert refused[0] == "UnavailableError" and "s3cret" not in refused[1]
