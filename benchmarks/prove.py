"""A process that proves, verifies or only hashes a file, and prints the seconds.

    python -P benchmarks/prove.py md5|sha256|both|prove|verify FILE

It prints one JSON document with the time and the number of bytes read, as counted by the kernel.
The time excludes imports and the creation of a key.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.proof.out_contents import model_statement
from resources.dvc.cache.content import Content, ContentReader
from resources.dvc.graph.documents import Documents
from resources.dvc.lock.lock_file import LockFile
from resources.signing.keyring import Keyring
from resources.stores.digest_store import DigestStore
from security.content.digest import digest_file
from security.content.file_tree import read_tree
from security.ledger.ledger import Ledger, LedgerDirectory
from security.ledger.statement_index import StatementIndex
from security.signing.model_signature import PREDICATE, root_digest, verify_model_files
from security.signing.signer import KeySigner
from security.signing.trust import Trust, TrustedKey
from security.statements.provenance import (
    Builder,
    Conditions,
    Provenance,
    ProvenanceAction,
    write_provenance,
)
from security.statements.statement import Subject
from security.verify.verified_statements import VerifiedStatements

_BUFFER = 1 << 20


def main(how: str, file: Path) -> int:
    """Measure, and print the document."""
    with tempfile.TemporaryDirectory() as scratch:
        work = _ways(file, Path(scratch))[how]()
        read, started, before = _bytes_read(), time.perf_counter(), os.times()
        sha256 = work()
        seconds, after = time.perf_counter() - started, os.times()
        read = _bytes_read() - read
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": sum(after[:4]) - sum(before[:4]),
                "bytes_read": read,
                "sha256": sha256,
            }
        )
    )
    return 0


def _ways(file: Path, scratch: Path) -> dict[str, Callable[[], Callable[[], str]]]:
    return {
        "md5": lambda: lambda: _hash("md5", file),
        "sha256": lambda: lambda: _hash("sha256", file),
        "both": lambda: lambda: digest_file(file).sha256,
        "prove": lambda: _proving(file, scratch),
        "verify": lambda: _verifying(file, scratch),
    }


def _hash(name: str, file: Path) -> str:
    digest = hashlib.new(name)
    buffer = memoryview(bytearray(_BUFFER))
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def _proving(file: Path, scratch: Path) -> Callable[[], str]:
    """Hash, write the lock entry, sign provenance and model, and store all of it."""
    signer = Keyring(scratch / "keys").open_signer()
    ledger = Ledger(LedgerDirectory(scratch / "ledger"))
    reader = ContentReader(DigestStore(scratch / "digests"))
    lock = LockFile(scratch / "dvc.lock", Documents(scratch))

    def work() -> str:
        started = datetime.now(UTC)
        content = reader.read(str(file))
        assert content is not None
        outs = [{"path": file.name, **content.lock_fields()}]
        lock.write({"train": {"cmd": "train", "outs": outs}})
        _state(file.name, content, started, signer, ledger)
        reader.store.save()
        return content.sha256

    return work


def _state(
    name: str, content: Content, started: datetime, signer: KeySigner, ledger: Ledger
) -> None:
    run = Provenance(
        outs=(Subject(name, {"sha256": content.sha256}),),
        stage="train",
        command=("train",),
        params={},
        variables=(),
        materials=(),
        action=ProvenanceAction.RAN,
        conditions=Conditions(confined=True),
        builder=Builder("urn:ml-assets:builder:local", {"ml-assets": "0"}),
        invocation="benchmark",
        started=started,
        finished=datetime.now(UTC),
    )
    for statement in (write_provenance(run), model_statement(name, content)):
        ledger.append(signer.sign(statement.payload))


def _verifying(file: Path, scratch: Path) -> Callable[[], str]:
    """Read and hash, verify the model's signature and its provenance."""
    sha256 = digest_file(file).sha256
    content = Content("", sha256, file.stat().st_size)
    signer = Keyring(scratch / "keys").open_signer()
    ledger = Ledger(LedgerDirectory(scratch / "ledger"))
    _state(file.name, content, datetime.now(UTC), signer, ledger)
    trust = Trust({signer.public_key.id: TrustedKey("us", key=signer.public_key)})

    def work() -> str:
        tree = read_tree(file)
        index = StatementIndex(ledger)
        index.refresh()
        records = VerifiedStatements(ledger, index, trust)
        (signed,) = records.about(root_digest(tree.files), PREDICATE)
        verify_model_files(signed.statement, file.name, tree.files)
        origin = records.origin(tree.files["."])
        assert origin is not None and origin.provenance.stage == "train"
        return tree.files["."]

    return work


def _bytes_read() -> int:
    """Return the bytes that this process has read, cached or not (proc(5), rchar)."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve()))
