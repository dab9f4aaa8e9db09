"""A process that fills the ledger of the current repository with runs of two inputs each.

    python -P benchmarks/write_ledger.py COUNT

The runs form 100 chains, each from one data file. It prints the digest of one data file and the
number of outs that were made from it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.project.project import find_project
from ml_assets.signer.user_directories import find_configuration
from resources.signing.keyring import Keyring
from security.ledger.ledger import Ledger, LedgerDirectory
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

_CHAINS = 100


def main(count: int) -> int:
    """Write the runs, and print the digest and the number of outs."""
    project = find_project(Path.cwd())
    ledger = Ledger(LedgerDirectory(project.make_state() / "ledger"))
    signer = Keyring(find_configuration()).open_signer()
    for number in range(count):
        ledger.append(signer.sign(write_provenance(_run(number)).payload))
    length = (count - 1 - 7) // _CHAINS + 1
    print(json.dumps({"sha256": _sha("data 7"), "outs": length}))
    return 0


def _run(number: int) -> Provenance:
    chain, place = number % _CHAINS, number // _CHAINS
    first = place == 0
    name = f"data {chain}" if first else f"out {chain} {place - 1}"
    at = datetime.now(UTC)
    code = Material("code", {"sha256": _sha("code")}, Role.CODE)
    used = Material(name, {"sha256": _sha(name)}, Role.DATA if first else Role.OUT)
    out = f"out {chain} {place}"
    return Provenance(
        outs=(Subject(out, {"sha256": _sha(out)}),),
        stage=f"stage {chain} {place}",
        command=("true",),
        params={},
        variables=(),
        materials=(code, used),
        action=ProvenanceAction.RAN,
        conditions=Conditions(confined=True),
        builder=Builder("urn:ml-assets:builder:local", {"ml-assets": "0"}),
        invocation=f"run {number}",
        started=at,
        finished=at,
    )


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
