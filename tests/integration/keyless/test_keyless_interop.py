"""Independent programs verify what was signed here: npm's @sigstore/verify and model_signing."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from security.content.digest import digest_file
from security.signing.bundle import Bundle
from security.signing.model_signature import write_model_statement
from tests.integration.keyless.keyless_samples import (
    Signed,
    change_bundle,
    flip,
    make_statement,
    open_signer,
)
from tests.private_sigstore.oidc import WORKFLOW
from tests.private_sigstore.server import PrivateSigstore
from tests.unit.security.statements.statement_samples import make_signer

INTEROP = Path(__file__).resolve().parents[2] / "interop"
NO_NETWORK = re.compile(r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT)\b")


def install(directory: Path) -> subprocess.CompletedProcess[str]:
    """Install just what the lock file names, without running any of it."""
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache"]
    return subprocess.run(
        [*command, str(directory / "cache")],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def copy_project(directory: Path) -> Path:
    """Copy what npm needs to know."""
    for name in ("package.json", "package-lock.json", "verify.mjs"):
        shutil.copy(INTEROP / name, directory)
    return directory


@dataclass(frozen=True)
class NpmVerifier:
    """@sigstore/verify, installed."""

    directory: Path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Verify."""
        return subprocess.run(
            ["node", "verify.mjs", *map(str, arguments)],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="session")
def npm_verifier(tmp_path_factory: pytest.TempPathFactory) -> NpmVerifier:
    """Install it once."""
    directory = copy_project(tmp_path_factory.mktemp("interop"))
    answer = install(directory)
    if answer.returncode and NO_NETWORK.search(answer.stderr):
        pytest.skip("npm cannot reach its registry, and the verifier has to be installed")
    assert answer.returncode == 0, answer.stderr
    return NpmVerifier(directory)


def put(directory: Path, bundle: Bundle) -> Path:
    """Write a bundle into a file."""
    path = directory / "bundle.json"
    path.write_bytes(bundle.content)
    return path


def put_root(directory: Path, sigstore: PrivateSigstore) -> Path:
    """Write a trusted root into a file."""
    path = directory / "trusted_root.json"
    path.write_text(json.dumps(sigstore.trusted_root()))
    return path


def change_signature(body: dict) -> None:  # type: ignore[type-arg]  # any JSON
    inner = body["dsseEnvelope"]["signatures"][0]
    inner["sig"] = flip(inner["sig"])


def test_lock_file_has_digests_and_no_addresses() -> None:
    text = (INTEROP / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    del packages[""]
    assert packages["node_modules/@sigstore/verify"]["version"] == "4.1.3"
    assert all(re.match(r"sha512-\S{86}==$", one["integrity"]) for one in packages.values())
    assert "resolved" not in text and "://" not in text


@pytest.mark.system("npm")
def test_package_of_other_bytes_is_not_installed(npm_verifier: NpmVerifier, tmp_path: Path) -> None:
    lock = copy_project(tmp_path) / "package-lock.json"
    document = json.loads(lock.read_text())
    package = document["packages"]["node_modules/@sigstore/verify"]
    package["integrity"] = f"sha512-{flip(package['integrity'].removeprefix('sha512-'))}"
    lock.write_text(json.dumps(document))
    answer = install(tmp_path)
    assert answer.returncode != 0 and "EINTEGRITY" in answer.stderr


@pytest.mark.system("npm")
def test_npm_verifier_accepts_what_a_key_signed(npm_verifier: NpmVerifier, tmp_path: Path) -> None:
    signer, key = make_signer(), tmp_path / "key.pem"
    key.write_bytes(signer.public_key.pem)
    bundle = signer.sign(make_statement())
    answer = npm_verifier.run("key", put(tmp_path, bundle), key)
    assert answer.returncode == 0, answer.stderr
    assert base64.b64decode(answer.stdout) == bundle.envelope.payload


@pytest.mark.system("npm")
def test_npm_verifier_refuses_another_key_and_a_changed_signature(
    npm_verifier: NpmVerifier, tmp_path: Path
) -> None:
    signer, key = make_signer(), tmp_path / "key.pem"
    bundle = signer.sign(make_statement())
    key.write_bytes(make_signer().public_key.pem)
    assert npm_verifier.run("key", put(tmp_path, bundle), key).returncode == 1
    key.write_bytes(signer.public_key.pem)
    changed = put(tmp_path, change_bundle(bundle, change_signature))
    answer = npm_verifier.run("key", changed, key)
    assert answer.returncode == 1 and "SIGNATURE_ERROR" in answer.stderr


@pytest.mark.system("npm")
@pytest.mark.parametrize("kind", ["v1", "v1_stamped", "v2"])
def test_npm_verifier_accepts_what_was_signed_keyless(
    npm_verifier: NpmVerifier, sigstore: PrivateSigstore, signed: Signed, tmp_path: Path, kind: str
) -> None:
    bundle, root = getattr(signed, kind), put_root(tmp_path, sigstore)
    answer = npm_verifier.run("keyless", put(tmp_path, bundle), root, WORKFLOW, sigstore.url)
    assert answer.returncode == 0, answer.stderr
    assert base64.b64decode(answer.stdout) == bundle.envelope.payload


@pytest.mark.system("npm")
def test_npm_verifier_refuses_the_same_keyless_bundles_as_we_do(
    npm_verifier: NpmVerifier, sigstore: PrivateSigstore, signed: Signed, tmp_path: Path
) -> None:
    root, changed = put_root(tmp_path, sigstore), change_bundle(signed.v1, change_signature)
    file = put(tmp_path, changed)
    assert npm_verifier.run("keyless", file, root, WORKFLOW, sigstore.url).returncode == 1
    file = put(tmp_path, signed.v1)
    assert npm_verifier.run("keyless", file, root, WORKFLOW[:-1], sigstore.url).returncode == 1
    assert npm_verifier.run("keyless", file, root, WORKFLOW, "https://a.example").returncode == 1
    other = put_root(tmp_path, PrivateSigstore())
    assert npm_verifier.run("keyless", file, other, WORKFLOW, sigstore.url).returncode == 1


# --- model_signing


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory of two files, one below another directory."""
    directory = tmp_path / "model"
    (directory / "weights").mkdir(parents=True)
    (directory / "weights" / "one.bin").write_bytes(b"\0" * 100)
    (directory / "config.json").write_text("{}")
    return directory


def sign_model(job: PrivateSigstore, model: Path, tmp_path: Path) -> list[str]:
    """Sign a model keyless; return how model_signing is told to verify it."""
    paths = [path for path in model.rglob("*") if path.is_file()]
    files = {path.relative_to(model).as_posix(): digest_file(path).sha256 for path in paths}
    signature, trust = tmp_path / "model.sig", tmp_path / "trust.json"
    signature.write_bytes(
        open_signer(job).sign(write_model_statement("model", files).payload).content
    )
    trust.write_text(json.dumps(job.trust_configuration()))
    program = str(Path(sys.executable).parent / "model_signing")
    options = {"--signature": signature, "--trust_config": trust, "--identity": WORKFLOW}
    options["--identity_provider"] = job.url
    return [
        program,
        "verify",
        "sigstore",
        str(model),
        *(str(x) for y in options.items() for x in y),
    ]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ)
    )


def test_model_signing_verifies_a_model_that_was_signed_keyless(
    job: PrivateSigstore, model: Path, tmp_path: Path
) -> None:
    answer = run(sign_model(job, model, tmp_path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "succeeded" in answer.stdout


def test_model_signing_refuses_a_changed_model_and_another_identity(
    job: PrivateSigstore, model: Path, tmp_path: Path
) -> None:
    command = sign_model(job, model, tmp_path)
    other = [one.replace("refs/heads/main", "refs/heads/evil") for one in command]
    assert run(other).returncode != 0
    (model / "config.json").write_text("[]")
    answer = run(command)
    assert answer.returncode != 0 and "config.json" in answer.stdout + answer.stderr
