"""The door of a shared signer: who comes in, and what goes on when the first client is gone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
#: Starts a shared signer, prints its address, and waits.
OWNER = """\
import os, sys
from pathlib import Path
from ml_assets.signer.access import separate_signer
from ml_assets.signer.door import ADDRESS_VARIABLE
separate_signer([Path.cwd()], shared=True)
print(os.environ.get(ADDRESS_VARIABLE, ""), flush=True)
for line in sys.stdin:
    exec(line)
    sys.stdout.flush()
"""
#: A process of Dagster's: connects, does what it is told, and prints one JSON value.
CLIENT = """\
import json, os, sys, time
from pathlib import Path
from ml_assets.signer.access import find_signer, is_separate
from ml_assets.signer.service import SigningMethod
from resources.errors import ResourceError
from security.errors import SecurityError
method = SigningMethod("key", os.getcwd())
statement = json.dumps({
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "model", "digest": {"sha256": "0" * 64}}],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {},
}).encode()
def refusal(work):
    try:
        work()
    except (ResourceError, SecurityError) as error:
        return error.message
    return None
"""


class Owner:
    """A process that has started a shared signer."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.variables = {
            "HOME": str(place),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ML_ASSETS_KEY_PASSPHRASE": "passphrase-of-the-key",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER],
            cwd=place,
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def tell(self, line: str) -> str:
        """Execute a line in the process; return the line that it prints."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def start_client(self, code: str, address: str | None = None) -> subprocess.Popen[str]:
        """Start a client outside of the owner's namespace."""
        variables = {**self.variables, "ML_ASSETS_SIGNER": address or self.address}
        del variables["ML_ASSETS_KEY_PASSPHRASE"]
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT + code],
            cwd=self.place,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, code: str, address: str | None = None) -> Any:
        """Run a client; return what it prints."""
        output, _ = self.start_client(code, address).communicate(timeout=60)
        return json.loads(output)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    found = Owner(tmp_path)
    if not found.address:
        found.process.kill()
        pytest.skip("no private mounts here")
    yield found
    found.process.kill()
    found.process.wait()


SIGN = "s = find_signer(); s.open(method); print(json.dumps(len(s.sign(statement).content) > 100))"


def test_processes_with_the_address_sign(owner: Owner) -> None:
    assert owner.ask("print(json.dumps(is_separate()))") is True
    assert owner.ask(SIGN) is True
    assert owner.ask(SIGN) is True
    assert owner.ask("print(json.dumps(find_signer().has_passphrase()))") is True


def test_owner_and_what_it_starts_see_no_keys(owner: Owner) -> None:
    assert owner.ask(SIGN) is True
    listed = "import subprocess as s; print(s.run('ls -A ~/.config/ml-assets', shell=True,"
    assert owner.tell(f"{listed} capture_output=True).stdout)") == "b''"


def test_every_client_chooses_what_signs_for_itself_alone(owner: Owner) -> None:
    first = "find_signer().choose(SigningMethod('keyless', os.getcwd())); "
    changed = first + "print(json.dumps(refusal(lambda: find_signer().open(method))))"
    assert "signing method changed" in owner.ask(changed)
    assert owner.ask(SIGN) is True


@pytest.mark.parametrize("secret", ["", "guessed", "x" * 100_000])
def test_client_without_the_secret_is_refused(owner: Owner, secret: str) -> None:
    address = f"{secret}@{owner.address.partition('@')[2]}"
    if len(secret) > 1000:  # more than a variable should hold, but a socket takes it
        code = (
            "import socket\nfrom ml_assets.signer.channel import send, receive\n"
            "c = socket.socket(socket.AF_UNIX); c.connect(os.environ['ML_ASSETS_SIGNER'])\n"
            f"send(c, {{'secret': {secret!r}}}); print(json.dumps(receive(c)))"
        )
        assert owner.ask(code, address.partition("@")[2]) is None
    else:
        assert "cannot connect to the signer" in owner.ask(
            "print(json.dumps(refusal(is_separate)))", address
        )
    assert owner.ask(SIGN) is True


def test_request_before_the_secret_is_refused(owner: Owner) -> None:
    code = (
        "import socket\nfrom ml_assets.signer.channel import send, receive\n"
        "c = socket.socket(socket.AF_UNIX); c.connect(os.environ['ML_ASSETS_SIGNER'])\n"
        "send(c, {'request': 'seal', 'purpose': 'p', 'messages': []})\n"
        "print(json.dumps(receive(c)))"
    )
    assert owner.ask(code, owner.address.partition("@")[2]) is None
    silent = "import socket\nc = socket.socket(socket.AF_UNIX)\n"
    stalled = owner.start_client(
        f"{silent}c.connect({owner.address.partition('@')[2]!r}); print(1, flush=True);"
        " sys.stdin.read()"
    )
    assert stalled.stdout is not None and stalled.stdout.readline() == "1\n"
    assert owner.ask(SIGN) is True, "a client that says nothing keeps no one out"
    stalled.kill()
    stalled.communicate()


def test_stage_sees_no_socket(owner: Owner) -> None:
    path = owner.address.partition("@")[2]
    code = (
        "import subprocess\nfrom security.sandbox.confinement import start_confined, FileView\n"
        "from security.sandbox.private_directory import find_private\n"
        f"start = lambda: subprocess.Popen(['ls', {path!r}])\n"
        "view = FileView((find_private(),))\n"
        "print(json.dumps([start().wait(), start_confined(start, view).wait()]))"
    )
    output, _ = owner.start_client(code).communicate(timeout=60)
    assert json.loads(output.splitlines()[-1]) == [0, 2]


def test_clients_finish_when_the_owner_is_killed_and_no_one_else_comes_in(owner: Owner) -> None:
    client = owner.start_client(
        "s = find_signer(); s.open(method); print('in', flush=True); sys.stdin.readline();"
        "print(json.dumps(len(s.sign(statement).content) > 100))"
    )
    assert client.stdout is not None and client.stdout.readline() == "in\n"
    owner.process.send_signal(signal.SIGKILL)
    owner.process.wait()
    directory = Path(owner.address.partition("@")[2]).parent
    for _ in range(100):
        if not directory.exists():
            break
        subprocess.run(["sleep", "0.05"], check=True)
    assert not directory.exists(), "nothing is left behind"
    assert "cannot connect to the signer" in owner.ask("print(json.dumps(refusal(is_separate)))")
    output, _ = client.communicate("\n", timeout=60)
    assert json.loads(output) is True


def test_directory_of_a_killed_signer_is_removed_by_the_next(tmp_path: Path) -> None:
    first = Owner(tmp_path)
    if not first.address:
        first.process.kill()
        pytest.skip("no private mounts here")
    running = Path(first.address.partition("@")[2]).parent
    abandoned = running.with_name("signer-abandoned")
    abandoned.mkdir(exist_ok=True)
    for path in (running, abandoned):
        os.utime(path, (0, 0))
    second = Owner(tmp_path)
    try:
        assert not abandoned.exists()
        assert running.exists(), "its process holds the lock"
    finally:
        for one in (first, second):
            one.process.kill()
            one.process.wait()
