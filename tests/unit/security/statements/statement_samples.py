"""Samples for tests of proofs: keys, signers, and statements that are right but for one thing."""

import datetime
import hashlib
from dataclasses import replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from security.ledger.ledger import Ledger, LedgerDirectory
from security.ledger.statement_index import StatementIndex
from security.signing.bundle import Bundle
from security.signing.public_key import PublicKey
from security.signing.signer import KeySigner
from security.signing.trust import Trust, TrustedKey
from security.statements.provenance import (
    Builder,
    Conditions,
    Material,
    Provenance,
    ProvenanceAction,
    Role,
    write_provenance,
)
from security.statements.statement import Subject
from security.verify.verified_statements import VerifiedStatements

NOON = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_signer() -> KeySigner:
    """A signer with a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return KeySigner(
        PublicKey(key.public_key()), lambda message: key.sign(message, ec.ECDSA(hashes.SHA256()))
    )


def trusting(*signers: KeySigner) -> Trust:
    """A trust in some signers."""
    keys = {one.public_key.id: TrustedKey("somebody", key=one.public_key) for one in signers}
    return Trust(keys)


def run(out: str, *materials: Material, stage: str = "train", **changes: object) -> Provenance:
    """The provenance of a run that wrote one file; a file's name is what it holds."""
    found = Provenance(
        outs=(Subject(out, {"sha256": sha(out)}),),
        stage=stage,
        command=("python train.py",),
        params={"params.yaml": {"depth": 3}},
        variables=("PATH",),
        materials=(Material("commit", {"gitCommit": COMMIT}, Role.COMMIT), *materials),
        action=ProvenanceAction.RAN,
        conditions=Conditions(confined=True),
        builder=Builder("urn:ml-assets:builder:local", {"dvc": "3.67.1"}),
        invocation="run-1",
        started=NOON,
        finished=NOON + datetime.timedelta(seconds=2),
    )
    return replace(found, **changes)  # type: ignore[arg-type]  # by name, from the test


def out_of(name: str) -> Material:
    """What another run wrote."""
    return Material(name, {"sha256": sha(name)}, Role.OUT)


def data(name: str) -> Material:
    """What DVC tracks and no stage writes."""
    return Material(name, {"sha256": sha(name), "md5": "0" * 32}, Role.DATA)


class Book:
    """A ledger in a directory, with a signer that is trusted there."""

    def __init__(self, directory) -> None:  # type: ignore[no-untyped-def]  # pytest's tmp_path
        self.directory = directory
        self.signer = make_signer()
        self.trust = trusting(self.signer)
        self.ledger = Ledger(LedgerDirectory(directory))

    def add(self, provenance: Provenance, signer: KeySigner | None = None) -> Bundle:
        """Sign a provenance and add it."""
        bundle = (signer or self.signer).sign(write_provenance(provenance).payload)
        self.ledger.append(bundle)
        return bundle

    def statements(self) -> VerifiedStatements:
        """Its verified statements."""
        index = StatementIndex(self.ledger)
        index.refresh()
        return VerifiedStatements(self.ledger, index, self.trust)
