"""A ledger at a URL: the same statements, wherever fsspec leads."""

from pathlib import Path

import fsspec
import pytest

from resources.errors import ConfigurationError
from resources.stores.ledger_bucket import LedgerBucket, open_bucket
from security.ledger.ledger import Ledger, LedgerError
from security.statements.provenance import write_provenance
from tests.integration.contract.repository import Repository
from tests.unit.security.statements.statement_samples import make_signer, run


@pytest.fixture(params=["memory", "file"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerBucket:
    name = tmp_path.name
    return open_bucket(f"memory://{name}" if request.param == "memory" else f"file://{tmp_path}/l")


def test_statement_is_loaded_as_it_was_added(bucket: LedgerBucket) -> None:
    ledger = Ledger(bucket)
    assert list(ledger.digests()) == []
    bundle = make_signer().sign(write_provenance(run("model")).payload)
    assert ledger.append(bundle) == ledger.append(bundle) == bundle.sha256
    assert list(ledger.digests()) == [bundle.sha256]
    assert ledger.load(bundle.sha256).content == bundle.content


def test_changed_object_is_noticed(bucket: LedgerBucket) -> None:
    ledger = Ledger(bucket)
    bundle = make_signer().sign(write_provenance(run("model")).payload)
    ledger.append(bundle)
    bucket._files.pipe_file(bucket._path(bundle.sha256), b"{}")
    with pytest.raises(LedgerError, match="changed in the ledger"):
        ledger.load(bundle.sha256)
    ledger.append(bundle)
    assert ledger.load(bundle.sha256).content == bundle.content


def test_missing_object_is_an_error(bucket: LedgerBucket) -> None:
    with pytest.raises(LedgerError, match="cannot read"):
        Ledger(bucket).load("ab" * 32)


def test_name_that_is_no_digest_leads_nowhere(bucket: LedgerBucket) -> None:
    with pytest.raises(LedgerError, match="not the digest"):
        Ledger(bucket).load("../x")


@pytest.mark.parametrize("url", ["nothing://x", "nonsense:://"])
def test_url_that_nobody_knows_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot open the ledger"):
        open_bucket(url)


def test_project_keeps_its_statements_at_the_url_of_its_settings(
    repository: Repository, tmp_path: Path
) -> None:
    from tests.integration.gates.gated_project import build

    build(repository)
    repository.write("ml-assets.toml", f'[signing]\nledger = "file://{tmp_path}/shared"\n')
    repository.commit()
    repository.run()
    assert not (repository.project / ".ml-assets" / "state" / "ledger").exists()
    assert len(list((tmp_path / "shared").rglob("*.json"))) > 5
    assert repository.ml_assets("verify", "model.pkl").code == 0
    assert fsspec.filesystem("file").exists(f"{tmp_path}/shared")
