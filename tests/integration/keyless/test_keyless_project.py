"""A whole project that signs keyless: a job runs it, and anybody verifies it afterwards."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from security.sandbox.confinement import can_confine
from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import HARMLESS, build
from tests.private_sigstore.oidc import WORKFLOW
from tests.private_sigstore.server import PrivateSigstore

SETTINGS = '[tool.ml-assets.signing]\nmethod = "keyless"\nsigstore = ".ml-assets/sigstore.json"\n'
#: A stage that looks for what signs: in its own environment, and in those of all processes.
THIEF = """
import os, pathlib
found = [repr(dict(os.environ)).encode()]
for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
    try:
        found.append(path.read_bytes())
    except OSError:
        pass
text = b"".join(found)
assert b"CONTRACT_NOTES" in text
stolen = [name for name in (b"ID_TOKEN_REQUEST_TOKEN", b"ID_TOKEN_REQUEST_URL") if name in text]
pathlib.Path("model.pkl").write_bytes(bytes(MODEL))
assert not stolen, stolen
"""


@pytest.fixture
def project(repository: Repository, sigstore: PrivateSigstore) -> Iterator[Repository]:
    """Three stages whose statements are signed keyless, by a workflow that the list names."""
    build(repository)
    repository.write("raw.txt", "2\n1\n")
    repository.write("pyproject.toml", SETTINGS)
    repository.write(".ml-assets/sigstore.json", json.dumps(sigstore.trust_configuration()))
    repository.write(".ml-assets/trust/root.json", json.dumps(sigstore.trusted_root()))
    entry = f'identity = "{WORKFLOW}"\nissuer = "{sigstore.url}"\nroot = "root.json"\n'
    repository.write(".ml-assets/trust/trust.toml", f"version = 1\n\n[[keyless]]\n{entry}")
    repository.commit("sign keyless")
    yield repository


def test_run_of_a_job_is_verified_by_anybody(
    project: Repository, sigstore: PrivateSigstore
) -> None:
    ran = project.ml_assets("run", extra=sigstore.job_environment())
    assert ran.code == 0, ran
    document = project.ml_assets("verify", "model.pkl", "--json").document
    assert document["verdict"] == "passed", document
    assert "build job signs its own provenance" in document["slsa_cap"]
    secret = sigstore.behaviour.last_token.split(".")[1]
    assert secret not in ran.stdout + ran.stderr
    files = [path for path in (project.project / ".ml-assets").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.skipif(not can_confine(), reason="this kernel cannot confine processes")
def test_stage_of_the_job_cannot_get_at_what_signs(
    project: Repository, sigstore: PrivateSigstore
) -> None:
    project.write("train.py", THIEF.replace("MODEL", repr(list(HARMLESS))))
    project.commit("a thief")
    ran = project.ml_assets_script("run", extra=sigstore.job_environment())
    assert ran.code == 0, ran


def test_trusted_root_of_the_configured_sigstore_is_written_for_the_list(
    project: Repository, sigstore: PrivateSigstore
) -> None:
    done = project.ml_assets("keys", "trusted-root", "--json")
    assert done.document == {"written": ".ml-assets/trust/trusted_root.json"}
    written = json.loads((project.project / ".ml-assets/trust/trusted_root.json").read_text())
    assert written["certificateAuthorities"] == sigstore.trusted_root()["certificateAuthorities"]


def test_nobody_else_can_sign_for_it(project: Repository) -> None:
    ran = project.ml_assets("run")
    assert ran.code != 0
    assert "no identity to sign with" in ran.stdout + ran.stderr


def test_branch_cannot_send_the_token_elsewhere(
    project: Repository, sigstore: PrivateSigstore
) -> None:
    """Whom a job shows its token is said by the protected branch, as all that signing goes by."""
    seen: list[str] = []

    class Thief(PrivateSigstore):
        def post(self, path: str, body: bytes, headers: Any) -> Any:
            seen.append(headers.get("Authorization", ""))
            return super().post(path, body, headers)

    project.git("branch", "-M", "main")
    project.git("checkout", "-q", "-b", "evil")
    with Thief() as thief:
        project.write(".ml-assets/sigstore.json", json.dumps(thief.trust_configuration()))
        project.commit("elsewhere")
        done = project.ml_assets("run", extra=sigstore.job_environment())
    assert done.code == 0, done
    assert seen == []
