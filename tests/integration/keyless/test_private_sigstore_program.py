"""The private Sigstore as a program, for trying by hand: what it writes signs and verifies."""

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.signing.keyless_signer import TOKEN_VARIABLE, open_keyless_signer
from security.signing.signature import verify_bundle
from security.signing.trust import TrustedIdentity
from tests.integration.keyless.keyless_samples import make_statement, trusting
from tests.private_sigstore.oidc import WORKFLOW

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, str]]:
    """Start it; give the process, its directory and its address."""
    directory = tmp_path / "sigstore"
    command = [sys.executable, "-m", "tests.private_sigstore", str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, directory, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("who", ["dev@example.com", WORKFLOW])
def test_what_it_writes_signs_and_verifies(
    program: tuple[subprocess.Popen[str], Path, str],
    monkeypatch: pytest.MonkeyPatch,
    who: str,
    version: int,
) -> None:
    process, directory, url = program
    if who == WORKFLOW:
        for line in (directory / "job.env").read_text().splitlines():
            monkeypatch.setenv(*line.split("=", 1))
    else:
        monkeypatch.setenv(TOKEN_VARIABLE, (directory / "token").read_text())
    bundle = open_keyless_signer(directory / f"trust-v{version}.json").sign(make_statement())
    root = (directory / "trusted_root.json").read_bytes()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    entry = TrustedIdentity("somebody", identity=who, issuer=url, root=root)
    assert verify_bundle(bundle, trusting(entry)).identity.name == who


def test_its_secrets_are_for_its_user_only(
    program: tuple[subprocess.Popen[str], Path, str],
) -> None:
    _, directory, _ = program
    for name in ("token", "job.env"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


def test_it_says_how_it_is_called() -> None:
    command = [sys.executable, "-m", "tests.private_sigstore"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "python -m tests.private_sigstore DIRECTORY" in answer.stderr
