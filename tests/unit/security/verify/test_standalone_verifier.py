"""The verifier stands alone: a signed model verifies with nothing of ours but ``security``."""

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from security.ledger.ledger import Ledger, LedgerDirectory
from security.ledger.statement_index import StatementIndex
from security.policy.policy import builtin_policy
from security.signing.bundle import parse_bundle
from security.signing.trust import parse_trust
from security.verdict import Verdict
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import VerificationSubject, read_subject
from security.verify.verified_statements import VerifiedStatements
from security.verify.verifier import Verifier
from tests.unit.security.statements.statement_samples import NOON, make_signer
from tests.unit.security.verify.signed_model import SignedModel, sign_again

pytestmark = pytest.mark.process

SECURITY = Path(__file__).resolve().parents[4] / "security"
STEPS = ["bytes", "signature", "provenance", "inputs", "commit", "gates"]

#: A serving container's program: it gets a copy of ``security``, the installed libraries, a model,
#: its ledger and the trusted signers. Everything else of ours, and the orchestrator, is refused.
PROGRAM = """
import datetime, json, sys
from pathlib import Path

copy, libraries, model, ledger, trust = sys.argv[1:]
sys.path += [copy, libraries]

class Refused:
    ROOTS = {"ml_assets", "resources", "sensors", "dagster", "dvc", "mlflow", "requests", "httpx"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.ROOTS:
            raise ImportError(f"refused: {name}")

sys.meta_path.insert(0, Refused())

from security.ledger.ledger import Ledger, LedgerDirectory
from security.ledger.statement_index import StatementIndex
from security.policy.policy import builtin_policy
from security.signing.trust import parse_trust
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import read_subject
from security.verify.verified_statements import VerifiedStatements
from security.verify.verifier import Verifier

statements = Ledger(LedgerDirectory(Path(ledger)))
index = StatementIndex(statements)
index.refresh()
files = {one.name: one.read_bytes() for one in Path(trust).iterdir()}
believed = VerifiedStatements(statements, index, parse_trust(files, trust))
today = datetime.date(2026, 11, 24)
rules = VerificationRules.from_policy(builtin_policy(), "materialize", today)
found = Verifier(believed, rules).verify(read_subject(Path(model)))
roots = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({**found.to_json(), "from": sys.modules["security"].__file__, "roots": roots}))
"""


@pytest.fixture
def signed(tmp_path: Path) -> SignedModel:
    return SignedModel(tmp_path)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a copy of ``security`` and nothing else."""
    directory = tmp_path_factory.mktemp("container")
    shutil.copytree(SECURITY, directory / "security")
    return directory


def verify_alone(copy: Path, signed: SignedModel) -> dict[str, Any]:
    """Verify in a process that cannot import anything of ours but the copy."""
    places = [copy, sysconfig.get_path("purelib"), signed.model, signed.ledger, signed.trust]
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, *map(str, places)],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


def verify(signed: SignedModel, subject: VerificationSubject | None = None) -> Verification:
    """Verify in this process."""
    ledger = Ledger(LedgerDirectory(signed.ledger))
    index = StatementIndex(ledger)
    index.refresh()
    files = {one.name: one.read_bytes() for one in signed.trust.iterdir()}
    statements = VerifiedStatements(ledger, index, parse_trust(files, "trust"))
    rules = VerificationRules.from_policy(builtin_policy(), "materialize", NOON.date())
    return Verifier(statements, rules).verify(subject or read_subject(signed.model))


def test_signed_model_verifies_with_only_security_importable(
    copy: Path, signed: SignedModel
) -> None:
    document = verify_alone(copy, signed)
    assert [(one["name"], one["verdict"]) for one in document["steps"]] == [
        (name, "passed") for name in STEPS
    ], document
    assert document["verdict"] == "passed"
    assert document["slsa_level"] == 1
    assert document["from"].startswith(str(copy))
    ours = {"ml_assets", "resources", "sensors", "dagster", "dvc", "mlflow"}
    assert ours.isdisjoint(document["roots"])


def test_changed_model_fails_with_only_security_importable(copy: Path, signed: SignedModel) -> None:
    flip(signed.model, 4)
    document = verify_alone(copy, signed)
    assert document["verdict"] == "failed"
    assert [one["verdict"] for one in document["steps"]][1] == "failed"


def flip(file: Path, at: int) -> None:
    """Change one bit of a byte."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def test_every_byte_of_the_model_counts(signed: SignedModel) -> None:
    assert verify(signed).verdict is Verdict.PASSED
    for at in range(len(signed.model.read_bytes())):
        flip(signed.model, at)
        assert verify(signed).verdict is Verdict.FAILED, at
        flip(signed.model, at)
    assert verify(signed).verdict is Verdict.PASSED


def test_changed_byte_of_any_statement_counts_under_its_old_and_its_new_name(
    signed: SignedModel,
) -> None:
    """An attacker who can write the ledger can also store a changed statement by its new digest."""
    for kind, file in signed.statements().items():
        content = file.read_bytes()
        for at in range(0, len(content), 53):
            flip(file, at)
            assert verify(signed).verdict.exit_code != 0, (kind, at)
            forged = signed.replace(file, file.read_bytes())
            assert verify(signed).verdict.exit_code != 0, (kind, at)
            forged.unlink()
            file.write_bytes(content)
    assert verify(signed).verdict is Verdict.PASSED


def sign_with_a_strangers_key(signed: SignedModel, kind: str) -> None:
    file = signed.statements()[kind]
    signed.replace(file, sign_again(parse_bundle(file.read_bytes())).content)


def take_away(signed: SignedModel, kind: str) -> None:
    signed.statements()[kind].unlink()


@pytest.mark.parametrize("attack", [sign_with_a_strangers_key, take_away])
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("https://model_signing/signature/v1.0", "signature"),
        ("https://slsa.dev/provenance/v1", "provenance"),
        ("urn:ml-assets:gate-result:v1", "gates"),
        ("https://slsa.dev/verification_summary/v1", "gates"),
    ],
)
def test_each_statement_is_needed_from_a_trusted_signer(
    signed: SignedModel, attack: Callable[[SignedModel, str], None], kind: str, step: str
) -> None:
    attack(signed, kind)
    found = verify(signed)
    assert found.verdict.exit_code != 0
    refused = {one.name for one in found.steps if one.verdict.exit_code != 0}
    assert refused == {step}


def test_another_trusted_key_verifies_nothing(signed: SignedModel) -> None:
    (signed.trust / "key.pem").write_bytes(make_signer().public_key.pem)
    found = verify(signed)
    refused = {one.name for one in found.steps if one.verdict.exit_code != 0}
    assert refused == {"signature", "provenance", "gates"}


def test_renamed_model_and_changed_mode_fail_the_signature(signed: SignedModel) -> None:
    signed.model.chmod(0o755)
    (step,) = [one for one in verify(signed).steps if one.name == "signature"]
    assert step.verdict is Verdict.FAILED
    assert "chmod u-x,g-x,o-x model.pkl" in step.detail
    signed.model.chmod(0o644)
    signed.model = signed.model.rename(signed.model.with_name("notes.txt"))
    (step,) = [one for one in verify(signed).steps if one.name == "signature"]
    assert step.verdict is Verdict.FAILED
    assert "another model than notes.txt" in step.detail


def test_files_with_another_digest_than_their_subject_fail(signed: SignedModel) -> None:
    subject = read_subject(signed.model)
    flip(signed.model, 0)
    mixed = replace(subject, tree=read_subject(signed.model).tree)
    step = verify(signed, mixed).steps[0]
    assert (step.name, step.verdict) == ("bytes", Verdict.FAILED)
