"""Keys, evidence and drill: through the command, and with other people's tools."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.contract.repository import Repository


def keys(project: Repository, *words: str, code: int = 0) -> dict[str, object]:
    done = project.ml_assets("keys", *words, "--json")
    assert done.code == code, done
    return done.document


def publish(project: Repository) -> str:
    identifier = str(keys(project, "generate")["id"])
    project.commit("trust")
    return identifier


def test_generate_makes_one_key_and_lists_it_once(proven: Repository) -> None:
    first = keys(proven, "generate")
    assert keys(proven, "generate")["id"] == first["id"]
    text = (proven.project / ".ml-assets" / "trust" / "trust.toml").read_text()
    assert text.count("[[keys]]") == 1
    assert first["listed"] and not first["trusted"]
    proven.commit("trust")
    assert keys(proven, "show")["trusted"]
    assert proven.ml_assets("verify", "model.pkl").code == 0


def test_what_a_rotated_key_signed_stays_good(proven: Repository) -> None:
    publish(proven)
    rotated = keys(proven, "rotate")
    proven.commit("rotated")
    assert rotated["former"] != rotated["id"]
    done = proven.ml_assets("verify", "model.pkl")
    assert done.code == 0, done


def test_nothing_of_a_revoked_key_counts(proven: Repository) -> None:
    identifier = publish(proven)
    keys(proven, "revoke", identifier[:12])
    proven.commit("revoked")
    done = proven.ml_assets("verify", "model.pkl")
    assert done.code == 1
    assert "revoked" in done.stdout


def test_revocation_counts_once_it_is_on_the_protected_branch(proven: Repository) -> None:
    identifier = publish(proven)
    keys(proven, "revoke", identifier[:12])
    assert proven.ml_assets("verify", "model.pkl").code == 0


def test_key_that_a_branch_lists_itself_is_not_trusted(proven: Repository, tmp_path: Path) -> None:
    """Whoever changes a branch can write any list into it."""
    proven.git("checkout", "--quiet", "-b", "feature")
    from tests.unit.security.statements.statement_samples import make_signer

    signer = make_signer()
    proven.write(".ml-assets/trust/evil.pem", signer.public_key.pem)
    proven.write(
        ".ml-assets/trust/trust.toml", 'version = 1\n[[keys]]\nfile = "evil.pem"\nname = "me"\n'
    )
    proven.commit("trust me")
    ledger = proven.project / ".ml-assets" / "state" / "ledger"
    from security.signing.bundle import parse_bundle

    for path in list(ledger.rglob("*.json")):
        bundle = signer.sign(parse_bundle(path.read_bytes()).envelope.payload)
        path.unlink()
        target = ledger / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(bundle.content)
    assert proven.ml_assets("verify", "model.pkl").code == 1


def test_protected_key_needs_its_passphrase(proven: Repository) -> None:
    user = proven.home / "user" / ".config" / "ml-assets"
    (user / "signing.key").unlink()
    secret = {"ML_ASSETS_KEY_PASSPHRASE": "correct horse"}
    assert proven.ml_assets("keys", "generate", extra=secret).code == 0
    assert b"ENCRYPTED" in (user / "signing.key").read_bytes()
    assert proven.ml_assets("run", "--force").code == 3
    assert proven.ml_assets("run", "--force", extra=secret).code == 0
    wrong = {"ML_ASSETS_KEY_PASSPHRASE": "wrong"}
    done = proven.ml_assets("run", "--force", extra=wrong)
    assert done.code == 3
    assert "wrong" not in done.stderr.replace("or a wrong passphrase", "")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_key_that_others_can_read_is_refused(proven: Repository, mode: int) -> None:
    key = proven.home / "user" / ".config" / "ml-assets" / "signing.key"
    key.chmod(mode)
    done = proven.ml_assets("run", "--force")
    assert done.code == 3
    assert "readable by other users" in done.stderr


def test_key_that_is_a_link_or_none_is_refused(proven: Repository, tmp_path: Path) -> None:
    key = proven.home / "user" / ".config" / "ml-assets" / "signing.key"
    text = key.read_bytes()
    key.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert proven.ml_assets("run", "--force").code == 3
    key.unlink()
    (tmp_path / "key").write_bytes(text)
    (tmp_path / "key").chmod(0o600)
    key.symlink_to(tmp_path / "key")
    assert proven.ml_assets("run", "--force").code == 3


@pytest.mark.parametrize("words", [("revoke", "abcdef"), ("revoke", ""), ()])
def test_bad_words_are_errors(proven: Repository, words: tuple[str, ...]) -> None:
    done = proven.ml_assets("keys", *words)
    assert done.code == 2
    assert "hint:" in done.stderr


# --- evidence


@pytest.fixture
def evidence(proven: Repository, tmp_path: Path) -> Path:
    done = proven.ml_assets("evidence", "model.pkl", "--output", str(tmp_path / "evidence"))
    assert done.code == 0, done
    return tmp_path / "evidence"


def test_model_signature_is_accepted_by_model_signing(evidence: Path) -> None:
    (bundle,) = evidence.glob("bundles/model-signature-*")
    (key,) = evidence.glob("keys/*.pem")
    words = ["-m", "model_signing", "verify", "key", str(evidence / "artifact" / "model.pkl")]
    options = ["--signature", str(bundle), "--public_key", str(key)]
    done = subprocess.run(
        [sys.executable, *words, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (evidence / "artifact" / "model.pkl").open("ab") as stream:
        stream.write(b"x")
    changed = subprocess.run([sys.executable, *words, *options], capture_output=True, check=False)
    assert changed.returncode != 0


def test_statements_are_accepted_by_openssl_as_the_page_says(evidence: Path) -> None:
    page = (evidence / "README.md").read_text()
    (script,) = re.findall(r"python3 - bundles/FILE <<'EOF'\n(.*?)\nEOF", page, re.DOTALL)
    (key,) = evidence.glob("keys/*.pem")
    bundles = sorted(evidence.glob("bundles/*.json"))
    assert len(bundles) >= 7
    for bundle in bundles:
        subprocess.run([sys.executable, "-c", script, str(bundle)], cwd=evidence, check=True)
        words = ["dgst", "-sha256", "-verify", str(key), "-signature", "signature", "message"]
        done = subprocess.run(["openssl", *words], cwd=evidence, capture_output=True, check=False)
        assert done.returncode == 0, bundle


def test_bills_are_cyclonedx(evidence: Path) -> None:
    bills = [json.loads(path.read_bytes()) for path in evidence.glob("bills/*.json")]
    assert {one["bomFormat"] for one in bills} == {"CycloneDX"}
    kinds = {one["metadata"]["component"]["type"] for one in bills}
    assert "machine-learning-model" in kinds


def test_evidence_has_rules_and_no_private_key(proven: Repository, evidence: Path) -> None:
    assert (evidence / "policy.toml").exists()
    assert json.loads((evidence / "verification.json").read_bytes())["verdict"] == "passed"
    for path in evidence.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes()


def test_evidence_overwrites_nothing(proven: Repository, evidence: Path) -> None:
    assert proven.ml_assets("evidence", "model.pkl", "--output", str(evidence)).code == 2


# --- drill


@pytest.mark.slow
def test_drill_catches_every_attack_that_can_be_tried(proven: Repository) -> None:
    proven.commit("the lock")
    done = proven.ml_assets("drill", "--json")
    assert done.code == 0, done
    outcomes = {one["attack"]: one["outcome"] for one in done.document["attacks"]}
    assert outcomes.pop("a registry entry") == "not tried"
    assert set(outcomes.values()) == {"caught"}, done.stdout
    assert len(outcomes) == 21
    assert proven.ml_assets("verify", "model.pkl").code == 0


@pytest.mark.slow
def test_drill_says_what_it_could_not_try(repository: Repository) -> None:
    repository.stages({"s": {"cmd": "echo 1 > o", "outs": ["o"]}})
    repository.commit()
    repository.run()
    done = repository.ml_assets("drill", "--json")
    assert done.code == 3
    assert done.document["caught"] == 0
