"""Keyless signing against a private Sigstore on loopback, and every way in which it is refused."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resources.errors import UnavailableError
from resources.keyless import KeylessSigner, open_keyless_signer
from security.bundle import Bundle, Kind, parse_bundle
from security.provenance import write_provenance
from security.public_key import SignatureError
from security.signature import verify_bundle
from security.slsa_level import find_level
from security.trust import Trust, TrustedIdentity
from tests.private_sigstore.server import REQUEST_TOKEN, WORKFLOW, PrivateSigstore
from tests.unit.security.proof.statement_samples import run


@pytest.fixture(scope="module")
def sigstore() -> Iterator[PrivateSigstore]:
    with PrivateSigstore() as server:
        yield server


@pytest.fixture
def signer(sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch) -> KeylessSigner:
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", sigstore.token())
    return KeylessSigner(json.dumps(sigstore.trust_configuration()))


def now_run() -> bytes:
    import datetime

    at = datetime.datetime.now(datetime.UTC)
    return write_provenance(run("model", started=at, finished=at)).payload


@pytest.fixture(scope="module")
def signed(sigstore: PrivateSigstore) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGSTORE_ID_TOKEN", sigstore.token(runner_environment="github-hosted"))
        return KeylessSigner(json.dumps(sigstore.trust_configuration())).sign(now_run())


def trusting(
    sigstore: PrivateSigstore, identity: str = WORKFLOW, issuer: str | None = None
) -> Trust:
    root = json.dumps(sigstore.trusted_root()).encode()
    entry = TrustedIdentity("workflow", identity=identity, issuer=issuer or sigstore.url, root=root)
    return Trust({}, identities=(entry,))


def test_keyless_signature_verifies_and_names_who_signed(
    sigstore: PrivateSigstore, signed: Bundle
) -> None:
    verified = verify_bundle(signed, trusting(sigstore))
    assert verified.identity.kind is Kind.KEYLESS
    assert (verified.identity.name, verified.identity.issuer) == (WORKFLOW, sigstore.url)
    assert verified.identity.claims["runner_environment"] == "github-hosted"
    assert verified.identity.label == "workflow"


def test_job_that_signs_its_own_provenance_is_level_1(
    sigstore: PrivateSigstore, signed: Bundle
) -> None:
    identity = verify_bundle(signed, trusting(sigstore)).identity
    level = find_level(run("model"), identity)
    assert level.level == 1
    assert "step of the job" in level.cap


def test_verification_needs_no_network(
    sigstore: PrivateSigstore, signed: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody asked the network")

    trust = trusting(sigstore)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert verify_bundle(signed, trust).identity.name == WORKFLOW


def test_token_of_a_github_job_is_found(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIGSTORE_ID_TOKEN", raising=False)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{sigstore.url}/ambient?x=1")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
    bundle = KeylessSigner(json.dumps(sigstore.trust_configuration())).sign(now_run())
    assert verify_bundle(bundle, trusting(sigstore)).identity.name == WORKFLOW


def test_second_signature_is_in_the_log_too(
    sigstore: PrivateSigstore, signed: Bundle, signer: KeylessSigner
) -> None:
    for _ in range(3):
        verify_bundle(signer.sign(now_run()), trusting(sigstore))


# --- who is not trusted


@pytest.mark.parametrize(
    ("identity", "issuer"),
    [
        (WORKFLOW, "https://other.example"),
        (WORKFLOW.replace("main", "evil"), None),
        (WORKFLOW[:-1], None),
        ("", None),
    ],
)
def test_other_identity_or_issuer_is_refused(
    sigstore: PrivateSigstore, signed: Bundle, identity: str, issuer: str | None
) -> None:
    with pytest.raises(SignatureError, match="not trusted"):
        verify_bundle(signed, trusting(sigstore, identity, issuer))


def test_another_sigstore_is_refused(sigstore: PrivateSigstore, signed: Bundle) -> None:
    with PrivateSigstore() as other:
        root = json.dumps(other.trusted_root()).encode()
    trust = trusting(sigstore)
    trust = replace(trust, identities=(replace(trust.identities[0], root=root),))
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(signed, trust)


@pytest.mark.parametrize("root", [b"", b"{}", b"not JSON", b"\xff"])
def test_root_that_is_none_is_a_refusal(
    sigstore: PrivateSigstore, signed: Bundle, root: bytes
) -> None:
    trust = trusting(sigstore)
    trust = replace(trust, identities=(replace(trust.identities[0], root=root),))
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(signed, trust)


# --- what was changed


Change = Callable[[dict[str, Any]], None]


def entry(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["verificationMaterial"]["tlogEntries"][0]
    return found


def flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(raw).decode()


def payload(body: dict[str, Any]) -> None:
    inner = body["dsseEnvelope"]
    raw = base64.b64decode(inner["payload"]).replace(b"train", b"truin", 1)
    inner["payload"] = base64.b64encode(raw).decode()


def signature(body: dict[str, Any]) -> None:
    inner = body["dsseEnvelope"]["signatures"][0]
    inner["sig"] = flip(inner["sig"])


def certificate(body: dict[str, Any]) -> None:
    inner = body["verificationMaterial"]["certificate"]
    inner["rawBytes"] = flip(inner["rawBytes"])


def promise(body: dict[str, Any]) -> None:
    inner = entry(body)["inclusionPromise"]
    inner["signedEntryTimestamp"] = flip(inner["signedEntryTimestamp"])


def time(body: dict[str, Any]) -> None:
    entry(body)["integratedTime"] = str(int(entry(body)["integratedTime"]) + 3600)


def proof(body: dict[str, Any]) -> None:
    inner = entry(body)["inclusionProof"]
    inner["rootHash"] = flip(inner["rootHash"])


def no_proof(body: dict[str, Any]) -> None:
    del entry(body)["inclusionProof"]


def no_promise(body: dict[str, Any]) -> None:
    del entry(body)["inclusionPromise"]


def no_entry(body: dict[str, Any]) -> None:
    body["verificationMaterial"]["tlogEntries"] = []


def two_entries(body: dict[str, Any]) -> None:
    body["verificationMaterial"]["tlogEntries"] *= 2


def log_body(body: dict[str, Any]) -> None:
    entry(body)["canonicalizedBody"] = flip(entry(body)["canonicalizedBody"])


@pytest.mark.parametrize(
    "change",
    [
        payload,
        signature,
        certificate,
        promise,
        time,
        proof,
        no_proof,
        no_promise,
        no_entry,
        two_entries,
        log_body,
    ],
    ids=lambda one: one.__name__,
)
def test_changed_bundle_is_refused(
    sigstore: PrivateSigstore, signed: Bundle, change: Change
) -> None:
    body = json.loads(signed.content)
    change(body)
    with pytest.raises(SignatureError):
        verify_bundle(parse_bundle(json.dumps(body).encode()), trusting(sigstore))


def test_certificate_of_another_signature_is_refused(
    sigstore: PrivateSigstore, signed: Bundle, signer: KeylessSigner
) -> None:
    body, other = json.loads(signed.content), json.loads(signer.sign(now_run()).content)
    body["verificationMaterial"]["certificate"] = other["verificationMaterial"]["certificate"]
    with pytest.raises(SignatureError, match="not verified"):
        verify_bundle(parse_bundle(json.dumps(body).encode()), trusting(sigstore))


# --- what cannot be signed


def test_nobody_without_a_token_signs(
    sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SIGSTORE_ID_TOKEN", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "BUILDKITE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UnavailableError, match="identity to sign with") as error:
        KeylessSigner(json.dumps(sigstore.trust_configuration())).sign(now_run())
    assert "id-token: write" in error.value.hint


def test_expired_token_is_said(sigstore: PrivateSigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sigstore.token(seconds=-1)
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", token)
    with pytest.raises(UnavailableError) as error:
        KeylessSigner(json.dumps(sigstore.trust_configuration())).sign(now_run())
    assert token not in str(error.value)


@pytest.mark.parametrize("path", ["/api/v2/signingCert", "/api/v1/log/entries"])
def test_service_that_fails_is_an_error_without_the_token(
    sigstore: PrivateSigstore, signer: KeylessSigner, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    token = sigstore.token()
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", token)
    monkeypatch.setattr(sigstore, "fail", {path})
    with pytest.raises(UnavailableError, match="did not sign") as error:
        signer.sign(now_run())
    assert token not in str(error.value)
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_configuration_that_is_none_is_an_error(tmp_path: Path, signer: KeylessSigner) -> None:
    with pytest.raises(UnavailableError, match="no way to Sigstore"):
        KeylessSigner("{}").sign(now_run())
    from resources.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="cannot read"):
        open_keyless_signer(tmp_path / "nothing.json")
