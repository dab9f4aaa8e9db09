"""A signed model on disk: the model, its ledger and the list of trusted signers, as deployed."""

import hashlib
from pathlib import Path

from security.content.file_tree import read_tree
from security.gates.interface import Report, Tool
from security.ledger.ledger import Ledger, LedgerDirectory
from security.signing.bundle import Bundle, parse_bundle
from security.signing.model_signature import write_model_statement
from security.statements.gate_result import Binding, GateResult, write_result
from security.statements.provenance import write_provenance
from security.statements.statement import Subject
from security.verify.slsa_level import find_level
from security.verify.verification_summary import Summary, write_summary
from tests.unit.security.statements.statement_samples import NOON, data, make_signer, run

CONTENT = b"\x80\x04]\x94(K\x01K\x02e."


class SignedModel:
    """A model with all statements that its verification needs."""

    def __init__(self, directory: Path) -> None:
        self.model = directory / "model.pkl"
        self.model.write_bytes(CONTENT)
        self.model.chmod(0o644)
        self.ledger = directory / "ledger"
        self.trust = directory / "trust"
        self._write_statements()

    def _write_statements(self) -> None:
        signer, ledger = make_signer(), Ledger(LedgerDirectory(self.ledger))
        self.trust.mkdir()
        (self.trust / "key.pem").write_bytes(signer.public_key.pem)
        (self.trust / "trust.toml").write_text(
            'version = 1\n[[keys]]\nfile = "key.pem"\nname = "release key"\n'
        )
        tree = read_tree(self.model)
        sha256 = tree.digest["sha256"]
        out = Subject("model.pkl", tree.digest)
        binding = Binding("model-file", "model.pkl", sha256, {}, Tool("scanner", "1", {}))
        result = write_result(GateResult(binding, Report((), 1), NOON.isoformat(), 1.0))
        provenance = run("model.pkl", data("raw"), outs=(out,))
        signature = write_model_statement("model.pkl", tree.files)
        for payload in (write_provenance(provenance).payload, signature.payload):
            ledger.append(signer.sign(payload))
        ground = ledger.append(signer.sign(result))
        summary = Summary((out,), "materialize", "ab" * 32, True, (ground,), NOON, "1")
        ledger.append(signer.sign(write_summary(summary, [find_level(None, None)]).payload))

    def statements(self) -> dict[str, Path]:
        """The files of the ledger, by the type of their statement."""
        files = sorted(self.ledger.rglob("*.json"))
        return {parse_bundle(one.read_bytes()).statement.predicate_type: one for one in files}

    def replace(self, file: Path, content: bytes) -> Path:
        """Put other bytes in a statement's place, under their own digest; return their file."""
        file.unlink()
        digest = hashlib.sha256(content).hexdigest()
        place = self.ledger / digest[:2] / f"{digest[2:]}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        return place


def sign_again(bundle: Bundle) -> Bundle:
    """Sign the payload of a bundle with a key that nobody trusts."""
    return make_signer().sign(bundle.envelope.payload)
