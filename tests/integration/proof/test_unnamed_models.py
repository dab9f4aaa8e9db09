"""A model that neither the graph nor its name calls one is signed and verified as one."""

from __future__ import annotations

import pytest

from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import HARMLESS
from tests.integration.tampering.verified_project import read_payload

WRITE = """\
import gzip, pathlib
pathlib.Path('table.csv.gz').write_bytes(gzip.compress({table}, mtime=0))
pathlib.Path('result.dat').write_bytes({model})
"""
STAGES = {
    "make": {"cmd": "python3 make.py", "deps": ["make.py"], "outs": ["table.csv.gz", "result.dat"]},
    "count": {"cmd": "wc -c < table.csv.gz > n.txt", "deps": ["table.csv.gz"], "outs": ["n.txt"]},
}


@pytest.fixture
def unnamed(repository: Repository) -> Repository:
    """A run with a model and with data; both have names of data."""
    repository.write("make.py", WRITE.format(table=b"a,b\n" * 20, model=HARMLESS))
    repository.stages(STAGES, artifacts={"result": {"path": "result.dat", "type": "dataset"}})
    repository.commit("pipeline")
    repository.run()
    return repository


def steps(repository: Repository, path: str) -> dict[str, str]:
    told = repository.ml_assets("verify", path, "--json").document
    return {one["name"]: one["verdict"] for one in told["steps"]}


def test_content_decides_what_is_signed_and_verified(unnamed: Repository) -> None:
    for again in (False, True):  # the next decision needs the same results
        if again:
            unnamed.run("--force")
        told = steps(unnamed, "result.dat")
        assert told["signature"] == told["gates"] == "passed", told
        for data in ("table.csv.gz", "n.txt"):
            told = steps(unnamed, data)
            assert "signature" not in told and {"failed", "error"}.isdisjoint(told.values()), told
    bill = unnamed.ml_assets("sbom", "result.dat", "--json").document
    assert bill["metadata"]["component"]["type"] == "machine-learning-model"
    assert unnamed.ml_assets("sign", "result.dat", "--environment", "materialize").code == 0
    assert "not a model" in unnamed.ml_assets("sign", "table.csv.gz").stderr
    ledger = unnamed.project / ".ml-assets" / "state" / "ledger"
    for file in ledger.rglob("*.json"):
        if "model_signing" in read_payload(file.read_bytes())["predicateType"]:
            file.unlink()
    (unnamed.project / "copy.csv").write_bytes(HARMLESS)
    for place in ("result.dat", "copy.csv"):
        assert steps(unnamed, place)["signature"] == "failed"
