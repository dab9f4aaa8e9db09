"""Signatures: of whom, for what, and in which time they count; and what cannot be a bundle."""

import base64
import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from security.content.table import PolicyError
from security.signing.bundle import Bundle, parse_bundle
from security.signing.public_key import PublicKeyError, SignatureError, load_public_key
from security.signing.signature import verify_bundle
from security.signing.trust import Trust, TrustedKey, parse_trust
from security.statements.predicates import Purpose
from security.statements.provenance import write_provenance
from security.statements.statement import StatementError, Subject, parse_statement, write_statement
from tests.unit.security.statements.statement_samples import NOON, make_signer, run, sha, trusting

SIGNER = make_signer()
SIGNED = SIGNER.sign(write_provenance(run("model")).payload)
HOUR = datetime.timedelta(hours=1)


def limited(**changes: Any) -> Trust:
    key = TrustedKey("somebody", key=SIGNER.public_key)
    return Trust({SIGNER.public_key.id: replace(key, **changes)})


def test_trusted_key_verifies() -> None:
    verified = verify_bundle(SIGNED, trusting(SIGNER))
    assert verified.identity.name == SIGNER.public_key.id
    assert verified.statement.subjects[0].name == "model"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"revoked": NOON + 100 * HOUR}, "revoked"),
        ({"since": NOON + HOUR}, "before"),
        ({"until": NOON - HOUR}, "after"),
        ({"purposes": frozenset({Purpose.BILL})}, "not trusted for this purpose: provenance"),
    ],
)
def test_key_that_may_not_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        verify_bundle(SIGNED, limited(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"since": NOON - HOUR, "until": NOON + HOUR},
        {"purposes": frozenset({Purpose.PROVENANCE})},
    ],
)
def test_key_that_may_is_not(changes: dict[str, Any]) -> None:
    verify_bundle(SIGNED, limited(**changes))


def test_key_that_nobody_lists_is_refused() -> None:
    with pytest.raises(SignatureError, match="not trusted"):
        verify_bundle(SIGNED, trusting(make_signer()))


def test_another_key_under_the_hint_of_a_trusted_one_is_refused() -> None:
    other = make_signer()
    body = json.loads(other.sign(write_provenance(run("model")).payload).content)
    body["verificationMaterial"]["publicKey"]["hint"] = SIGNER.public_key.id
    with pytest.raises(SignatureError, match="does not verify"):
        verify_bundle(parse_bundle(json.dumps(body).encode()), trusting(SIGNER))


def test_statement_of_an_unknown_kind_is_refused() -> None:
    statement = write_statement([Subject("x", {"sha256": sha("x")})], "https://example.com/x", {})
    with pytest.raises(SignatureError, match="unknown statement type"):
        verify_bundle(SIGNER.sign(statement.payload), trusting(SIGNER))


def test_provenance_that_does_not_say_when_is_refused() -> None:
    subject = [Subject("x", {"sha256": sha("x")})]
    for predicate in ({}, {"runDetails": {"metadata": {"finishedOn": "2026-11-24T12:00:00"}}}):
        statement = write_statement(subject, "https://slsa.dev/provenance/v1", predicate)
        with pytest.raises(SignatureError, match="without a time of signing"):
            verify_bundle(SIGNER.sign(statement.payload), trusting(SIGNER))


def edited(change: Callable[[dict[str, Any]], None]) -> bytes:
    body = json.loads(SIGNED.content)
    change(body)
    return json.dumps(body).encode()


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    *keys, last, value = path

    def change(body: dict[str, Any]) -> None:
        inner: Any = body
        for key in keys:
            inner = inner[key]
        inner[last] = value

    return change


SIGNATURES = ("dsseEnvelope", "signatures")
ONE = json.loads(SIGNED.content)["dsseEnvelope"]["signatures"][0]
PAYLOAD = json.loads(SIGNED.content)["dsseEnvelope"]["payload"]


@pytest.mark.parametrize(
    "change",
    [
        put("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.1"),
        put("messageSignature", {}),
        put("verificationMaterial", {}),
        put("verificationMaterial", "publicKey", {}),
        put("verificationMaterial", "publicKey", {"hint": ""}),
        put("verificationMaterial", "certificate", {"rawBytes": "AAAA"}),
        put("verificationMaterial", "tlogEntries", [{}]),
        put("verificationMaterial", "timestampVerificationData", {"rfc3161Timestamps": []}),
        put("dsseEnvelope", "payloadType", "text/plain"),
        put(*SIGNATURES, []),
        put(*SIGNATURES, [ONE, ONE]),
        put(*SIGNATURES, [{**ONE, "keyid": "me"}]),
        put(*SIGNATURES, [{**ONE, "more": 1}]),
        put("dsseEnvelope", "payload", PAYLOAD + "\n"),
        put("dsseEnvelope", "payload", PAYLOAD.rstrip("=") + "===="),
        put("dsseEnvelope", "payload", 7),
        put("more", 1),
    ],
)
def test_bundle_of_another_form_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(SignatureError, match="not a bundle"):
        parse_bundle(edited(change))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"{" * 100_000,
        SIGNED.content + b"x",
        SIGNED.content.replace(b"{", b'{"mediaType":"x",', 1),
        b'{"mediaType": NaN}',
    ],
)
def test_bytes_that_are_no_strict_json_are_refused(content: bytes) -> None:
    with pytest.raises(SignatureError, match="not a bundle"):
        parse_bundle(content)


@pytest.mark.parametrize("place", range(0, len(SIGNED.content), 37))
def test_one_changed_byte_is_never_believed(place: int) -> None:
    content = bytearray(SIGNED.content)
    content[place] ^= 1
    with pytest.raises((SignatureError, StatementError)):
        verify_bundle(parse_bundle(bytes(content)), trusting(SIGNER))


# --- statements


def statement(**changes: Any) -> bytes:
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a", "digest": {"sha256": sha("a")}}],
        "predicateType": "https://example.com/x",
        "predicate": {},
    }
    return json.dumps({**body, **changes}).encode()


A = {"name": "a", "digest": {"sha256": sha("a")}}


@pytest.mark.parametrize(
    "payload",
    [
        statement(_type="https://in-toto.io/Statement/v0.1"),
        statement(subject=[]),
        statement(subject=[A, A]),
        statement(subject=[A, {"name": "a", "digest": {"sha256": sha("b")}}]),
        statement(subject=[{"name": "a", "digest": {}}]),
        statement(subject=[{"name": "a", "digest": {"md5": "0" * 32}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": "0" * 63}}]),
        statement(subject=[{"name": "a", "digest": {"sha256": sha("a").upper()}}]),
        statement(subject=[{"name": "", "digest": {"sha256": sha("a")}}]),
        statement(subject=[{"digest": {"sha256": sha("a")}}]),
        statement(subject=[{**A, "uri": "x"}]),
        statement(subject=A),
        statement(predicate=[]),
        statement(predicateType=""),
        statement(more=1),
        statement().replace(b'"predicate"', b'"subject": [], "predicate"', 1),
        b"{}",
        b'{"a": "\\ud800"}',
    ],
)
def test_statement_that_two_readers_could_read_differently_is_refused(payload: bytes) -> None:
    with pytest.raises(StatementError, match="not a statement"):
        parse_statement(payload)


# --- keys and the list of signers


@pytest.mark.parametrize("pem", [b"", b"nothing", SIGNER.public_key.pem[:50], b"x" * 100_000])
def test_key_that_is_none_is_refused(pem: bytes) -> None:
    with pytest.raises(PublicKeyError, match="not a public key"):
        load_public_key(pem)


def test_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    keys = (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1()))
    for key in keys:
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(PublicKeyError, match="unsupported kind"):
            load_public_key(pem)


KEY = b'version = 1\n[[keys]]\nfile = "k.pem"\n'


def test_list_without_its_file_trusts_nobody() -> None:
    assert parse_trust({}, "here") == Trust({})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"version = 2",
        b"version = 1\nkey = 1",
        KEY + b'more = "x"',
        KEY.replace(b"k.pem", b"other.pem"),
        KEY + b"from = 2026-01-01",
        KEY + b"from = 2026-01-01T00:00:00",
        KEY + b'for = ["everything"]',
        KEY + b"for = []",
        KEY + KEY.partition(b"\n")[2],
        b'version = 1\n[[keyless]]\nidentity = "x"\nroot = "k.pem"',
        b'version = 1\n[[keyless]]\nissuer = "x"\nroot = "k.pem"',
        b'version = 1\n[[keyless]]\nidentity = "x"\nissuer = "y"',
        b'version = 1\n[[authorities]]\nfile = "k.pem"',
        b"not TOML",
    ],
)
def test_list_that_could_be_misread_is_an_error(text: bytes) -> None:
    with pytest.raises(PolicyError):
        parse_trust({"trust.toml": text, "k.pem": SIGNER.public_key.pem}, "here")


def test_bundle_is_known_by_its_bytes() -> None:
    again = parse_bundle(SIGNED.content)
    assert isinstance(again, Bundle)
    assert again == SIGNED
    assert base64.b64decode(PAYLOAD) == again.envelope.payload
