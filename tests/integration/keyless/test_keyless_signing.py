"""Signing keyless for real: with both interfaces of the log, as a job and with a given token."""

import dataclasses
import datetime
import json
import logging
import socket
from pathlib import Path

import pytest

from resources.errors import UnavailableError
from resources.signing import keyless_signer as keyless
from resources.signing.keyless_signer import TOKEN_VARIABLE, KeylessSigner, open_keyless_signer
from security.signing.bundle import BundleKind
from security.signing.identity import Identity
from security.signing.keyless_signature import verify_keyless
from security.signing.signature import verify_bundle
from security.statements.statement import Subject, write_statement
from security.verify.slsa_level import find_level
from tests.integration.keyless.keyless_samples import (
    Signed,
    make_entry,
    make_statement,
    open_signer,
    trusting,
)
from tests.private_sigstore.oidc import COMMIT, WORKFLOW
from tests.private_sigstore.server import FULCIO_PATH, PrivateSigstore
from tests.unit.security.statements.statement_samples import run

KINDS = ("v1", "v1_stamped", "v2")
MINUTE = datetime.timedelta(minutes=1)


@pytest.mark.parametrize("kind", KINDS)
def test_signature_of_a_job_verifies_and_says_who_and_when(
    sigstore: PrivateSigstore, signed: Signed, kind: str
) -> None:
    entry = make_entry(sigstore)
    found, identity, at = verify_keyless(getattr(signed, kind), trusting(entry))
    assert found is entry
    assert (identity.kind, identity.name) == (BundleKind.KEYLESS, WORKFLOW)
    assert identity.issuer == sigstore.url
    assert abs(datetime.datetime.now(datetime.UTC) - at) < 5 * MINUTE


def test_claims_of_the_run_are_told_by_name(sigstore: PrivateSigstore, signed: Signed) -> None:
    claims = verify_bundle(signed.v1, trusting(make_entry(sigstore))).identity.claims
    repository = "https://github.com/acme/flights"
    assert claims == {
        "issuer": sigstore.url,
        "build_signer_uri": WORKFLOW,
        "build_signer_digest": COMMIT,
        "runner_environment": "github-hosted",
        "source_repository_uri": repository,
        "source_repository_digest": COMMIT,
        "source_repository_ref": "refs/heads/main",
        "source_repository_identifier": "1001",
        "source_repository_owner_uri": "https://github.com/acme",
        "source_repository_owner_identifier": "2002",
        "build_config_uri": WORKFLOW,
        "build_config_digest": COMMIT,
        "build_trigger": "push",
        "run_invocation_uri": f"{repository}/actions/runs/42/attempts/1",
        "source_repository_visibility": "private",
    }


def test_reusable_workflow_that_signs_for_its_caller_reaches_level_3(job: PrivateSigstore) -> None:
    shared = "acme/shared/.github/workflows/train.yml@refs/tags/v1"
    job.behaviour.claims = {"job_workflow_ref": shared}
    bundle = open_signer(job).sign(make_statement())
    name = f"https://github.com/{shared}"
    verified = verify_bundle(bundle, trusting(make_entry(job, identity=name)))
    assert find_level(run("model"), verified.identity).level == 3


def test_signer_tells_whom_its_certificate_names(job: PrivateSigstore) -> None:
    signer = open_signer(job)
    identity = signer.identity
    verified = verify_bundle(signer.sign(make_statement()), trusting(make_entry(job)))
    assert verified.identity == dataclasses.replace(identity, label="the workflow")
    assert isinstance(identity, Identity) and identity.name == WORKFLOW


def test_person_signs_with_a_given_token(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sigstore.provider.issue_for_person("dev@example.com")
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    bundle = open_signer(sigstore, rekor=2).sign(make_statement())
    entry = make_entry(sigstore, identity="dev@example.com")
    assert verify_bundle(bundle, trusting(entry)).identity.name == "dev@example.com"


@pytest.mark.parametrize("digest", [{"dirHash": "a" * 64}, {"gitCommit": COMMIT}])
def test_statement_about_what_has_no_sha256_can_be_signed(
    job: PrivateSigstore, digest: dict[str, str]
) -> None:
    kind = "urn:ml-assets:directory-listing:v1"
    statement = write_statement([Subject("data", digest)], kind, {})
    bundle = open_signer(job).sign(statement.payload)
    assert verify_bundle(bundle, trusting(make_entry(job))).statement == statement


def test_one_certificate_serves_many_signatures_while_it_is_good(job: PrivateSigstore) -> None:
    signer = open_signer(job)
    first, second = signer.sign(make_statement("a")), signer.sign(make_statement("b"))
    assert first.certificates == second.certificates
    signer._open = (signer._open[0], datetime.datetime.now(datetime.UTC), signer._open[2])
    assert signer.sign(make_statement("c")).certificates != first.certificates


@pytest.mark.parametrize("kind", KINDS)
def test_verification_opens_no_socket(
    sigstore: PrivateSigstore, signed: Signed, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoSocketError(Exception):
        pass

    def refuse(*_: object, **__: object) -> None:
        raise NoSocketError

    trust = trusting(make_entry(sigstore))
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    with pytest.raises(NoSocketError):
        socket.create_connection(("127.0.0.1", 1))
    verify_bundle(getattr(signed, kind), trust)


# --- what cannot be signed, and the token that is told to nobody


def test_without_any_identity_the_hint_says_how_to_get_one(sigstore: PrivateSigstore) -> None:
    with pytest.raises(UnavailableError, match="no identity to sign with") as error:
        open_signer(sigstore).sign(make_statement())
    assert "id-token: write" in error.value.hint and TOKEN_VARIABLE in error.value.hint


@pytest.mark.parametrize(
    "missing", ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
)
def test_job_without_the_permission_is_told_of_it(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(
        UnavailableError, match="the job has no permission to request a token"
    ) as error:
        open_signer(job).sign(make_statement())
    assert "id-token: write" in error.value.hint


def test_request_token_of_another_job_gets_no_identity(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another")
    with pytest.raises(UnavailableError, match="answered with status 401"):
        open_signer(job).sign(make_statement())


def test_token_that_is_over_is_said_to_be(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, sigstore.token(seconds=-60))
    with pytest.raises(UnavailableError, match="the token has expired"):
        open_signer(sigstore).sign(make_statement())


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_token_that_is_none_is_not_sent_to_anybody(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with pytest.raises(UnavailableError, match="the token is invalid"):
        open_signer(sigstore).sign(make_statement())


def test_token_for_another_audience_is_refused(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, sigstore.token(aud="somebody else"))
    with pytest.raises(UnavailableError, match="the token is invalid"):
        open_signer(sigstore).sign(make_statement())


def test_token_of_another_issuer_gets_no_certificate(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, PrivateSigstore().token())
    with pytest.raises(UnavailableError, match="answered with status 400"):
        open_signer(sigstore).sign(make_statement())


@pytest.mark.parametrize("rekor", [1, 2])
@pytest.mark.parametrize("service", ["certificates", "log"])
def test_service_that_is_down_is_named_by_what_it_answered(
    job: PrivateSigstore, rekor: int, service: str
) -> None:
    job.fail = {FULCIO_PATH if service == "certificates" else f"/api/v{rekor}/log/entries"}
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1 answered with status 503"):
        open_signer(job, rekor).sign(make_statement())


def test_signature_that_nobody_stamped_is_none(job: PrivateSigstore) -> None:
    job.fail = {"/api/v1/timestamp"}
    with pytest.raises(UnavailableError, match="did not sign"):
        open_signer(job, rekor=2).sign(make_statement())


def test_host_that_is_not_there_cannot_be_reached(job: PrivateSigstore) -> None:
    gone = PrivateSigstore()
    configuration = json.dumps(gone.trust_configuration())
    gone._server.server_close()
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1 cannot be reached"):
        KeylessSigner(configuration).sign(make_statement())


@pytest.mark.parametrize("rekor", [1, 2])
@pytest.mark.parametrize("certified", [False, True])
def test_service_that_says_nothing_is_given_up(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch, rekor: int, certified: bool
) -> None:
    signer = open_signer(job, rekor)
    if certified:
        assert signer.identity.name == WORKFLOW
    monkeypatch.setattr(keyless, "LONGEST_WAIT", 0.1)
    job.behaviour.silence = 0.5
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1 cannot be reached"):
        signer.sign(make_statement())


def test_certificate_without_a_promise_of_its_log_signs_nothing(job: PrivateSigstore) -> None:
    job.behaviour.foreign_sct = True
    with pytest.raises(UnavailableError, match="did not sign"):
        open_signer(job).sign(make_statement())


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize(("rekor", "clock"), [(1, "log_clock"), (2, "stamp_clock")])
def test_signature_of_a_wrong_time_is_given_to_nobody(
    job: PrivateSigstore, rekor: int, clock: str, hours: int
) -> None:
    setattr(job.behaviour, clock, datetime.timedelta(hours=hours))
    with pytest.raises(UnavailableError, match="invalid signature from Sigstore"):
        open_signer(job, rekor).sign(make_statement())


def test_signature_of_other_bytes_is_given_to_nobody(
    job: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, wrap = make_statement("other"), keyless._wrap
    monkeypatch.setattr(keyless, "_wrap", lambda _: wrap(other))
    with pytest.raises(UnavailableError, match="it covers other bytes"):
        open_signer(job).sign(make_statement())


def test_configuration_of_other_keys_is_noticed_before_anybody_gets_the_signature(
    job: PrivateSigstore,
) -> None:
    configuration = job.trust_configuration()
    configuration["trustedRoot"]["tlogs"] = PrivateSigstore().trusted_root()["tlogs"]
    with pytest.raises(UnavailableError, match="invalid signature from Sigstore"):
        KeylessSigner(json.dumps(configuration)).sign(make_statement())


@pytest.mark.parametrize("path", [FULCIO_PATH, "/api/v1/log/entries", ""])
def test_token_is_in_no_message_no_log_and_no_name(
    job: PrivateSigstore,
    path: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    job.fail, signer, told = {path}, open_signer(job), ""
    try:
        signer.sign(make_statement())
    except UnavailableError as error:
        told = f"{error!r} {error} {error.message} {error.hint} {error.__cause__!r}"
        assert error.__suppress_context__ and error.__cause__ is None
    assert (told == "") is (path == "")
    output = "".join(capfd.readouterr())
    secret = job.behaviour.last_token.split(".")[1]
    assert len(secret) > 100
    for text in (told, caplog.text, output, repr(signer), str(vars(signer))):
        assert secret not in text


def test_trusted_root_of_the_configuration_verifies_what_was_signed(
    job: PrivateSigstore, tmp_path: Path
) -> None:
    file = tmp_path / "trust.json"
    file.write_text(json.dumps(job.trust_configuration()))
    signer = open_keyless_signer(file)
    entry = make_entry(job, root=signer.trusted_root)
    verify_bundle(signer.sign(make_statement()), trusting(entry))
