"""Fixtures of the keyless tests: a private Sigstore, and this process as a job that may sign."""

import pytest

from tests.integration.keyless.keyless_samples import AMBIENT_VARIABLES, Signed, sign_as_job
from tests.private_sigstore.server import PrivateSigstore


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the identity out of the environment that the tests themselves may run in."""
    for name in AMBIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def job(sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch) -> PrivateSigstore:
    """Make this process a job of GitHub Actions, on the private Sigstore."""
    for name, value in sigstore.job_environment().items():
        monkeypatch.setenv(name, value)
    return sigstore


@pytest.fixture(scope="session")
def signed(served: PrivateSigstore) -> Signed:
    """What a job has signed, in each way."""
    with pytest.MonkeyPatch.context() as patch:
        for name in AMBIENT_VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in served.job_environment().items():
            patch.setenv(name, value)
        return Signed(
            v1=sign_as_job(served, rekor=1, stamps=False),
            v1_stamped=sign_as_job(served, rekor=1, stamps=True),
            v2=sign_as_job(served, rekor=2, stamps=True),
        )
