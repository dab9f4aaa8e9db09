"""The keyless commit: signed as gitsign signs, with the private Sigstore, and changed on demand."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.commits.signed_repository import SignedRepository
from tests.private_sigstore.authority import SigningKey
from tests.private_sigstore.server import PrivateSigstore

PERSON = "alice@example.com"
ENTRY = "1.3.6.1.4.1.57264.3.1"


@dataclass
class KeylessSigner:
    """A key with its certificate, and what it does otherwise than gitsign, for one test.

    Attributes:
        other_key: signs in place of the certificate's.
        logged: gives what the log is asked to take.
        answered: gives the log's answer, from the one that it has given.
        entries: gives the entries of the log that the signature gets, from the one that it has.
        signed: gives the signed attributes, from those that there should be.
        change: changes the whole before it is written.
    """

    sigstore: PrivateSigstore
    person: str = PERSON
    other_key: SigningKey | None = None
    logged: Callable[[dict[str, Any]], dict[str, Any]] = lambda proposed: proposed
    answered: Callable[[dict[str, Any]], dict[str, Any]] = lambda entry: entry
    entries: Callable[[bytes], list[bytes]] = lambda entry: [entry]
    signed: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda attributes: attributes
    change: Callable[[Any], None] = lambda data: None
    key: SigningKey = field(default_factory=SigningKey.generate)

    def sign(self, payload: bytes) -> bytes:
        """Return a signature of a commit, DER."""
        certificate = self._certificate()
        attributes = cms.CMSAttributes(self.signed(_attributes(payload)))
        message = b"\x31" + attributes.dump()[1:]
        signature = (self.other_key or self.key).sign(message)
        entry = self._log(message, signature, certificate)
        data = cms.SignedData(
            {
                "version": "v1",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "data"},
                "certificates": [
                    asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
                ],
                "signer_infos": [self._signer(certificate, attributes, signature, entry)],
            }
        )
        self.change(data)
        whole = cms.ContentInfo({"content_type": "signed_data", "content": data})
        return bytes(whole.dump(force=True))

    def _signer(
        self, certificate: x509.Certificate, attributes: Any, signature: bytes, entry: bytes
    ) -> cms.SignerInfo:
        parsed = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
        name = {"issuer": parsed.issuer, "serial_number": parsed.serial_number}
        values: dict[str, Any] = {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": name}),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": signature,
        }
        found = self.entries(entry)
        if found:
            strings = [core.OctetString(one) for one in found]
            values["unsigned_attrs"] = [{"type": ENTRY, "values": strings}]
        return cms.SignerInfo(values)

    def _certificate(self) -> x509.Certificate:
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .sign(self.key.private, hashes.SHA256())
        )
        asked = {"certificateSigningRequest": _base64(request.public_bytes(Encoding.PEM))}
        token = self.sigstore.provider.issue_for_person(self.person)
        issued = self.sigstore.fulcio.issue(asked, token, self.sigstore.behaviour)
        chain = issued["signedCertificateEmbeddedSct"]["chain"]["certificates"]
        return x509.load_pem_x509_certificate(chain[0].encode())

    def _log(self, message: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
        pem = certificate.public_bytes(Encoding.PEM)
        digest = {"algorithm": "sha256", "value": hashlib.sha256(message).hexdigest()}
        public = {"content": _base64(pem)}
        spec = {
            "data": {"hash": digest},
            "signature": {"content": _base64(signature), "publicKey": public},
        }
        proposed = {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}
        found = self.sigstore.rekor.add_v1(self.logged(proposed), self.sigstore.behaviour)
        (entry,) = found.values()
        return _write_entry(self.answered(entry))


def _attributes(payload: bytes) -> list[dict[str, Any]]:
    now = datetime.datetime.now(datetime.UTC)
    return [
        {"type": "content_type", "values": ["data"]},
        {"type": "signing_time", "values": [cms.Time({"utc_time": now})]},
        {"type": "message_digest", "values": [hashlib.sha256(payload).digest()]},
    ]


def _write_entry(entry: dict[str, Any]) -> bytes:
    """Write what the log answered as gitsign does: a message without the body."""
    proof = entry["verification"]["inclusionProof"]
    return write_message(
        (1, entry["logIndex"]),
        (2, write_message((1, bytes.fromhex(entry["logID"])))),
        (3, write_message((1, b"hashedrekord"), (2, b"0.0.1"))),
        (4, entry["integratedTime"]),
        (5, write_message((1, base64.b64decode(entry["verification"]["signedEntryTimestamp"])))),
        (
            6,
            write_message(
                (1, proof["logIndex"]),
                (2, bytes.fromhex(proof["rootHash"])),
                (3, proof["treeSize"]),
                *((4, bytes.fromhex(one)) for one in proof["hashes"]),
                (5, write_message((1, proof["checkpoint"].encode()))),
            ),
        ),
    )


def write_message(*fields: tuple[int, int | bytes]) -> bytes:
    """Write a message of Protocol Buffers; numbers that are 0 are left out."""
    return b"".join(_write_field(number, value) for number, value in fields if value != 0)


def _write_field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    return _number(number << 3 | 2) + _number(len(value)) + value


def _number(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def put_signature(content: bytes, der: bytes) -> bytes:
    """Return a commit's bytes with a signature."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    armour = ["-----BEGIN SIGNED MESSAGE-----", *lines, "-----END SIGNED MESSAGE-----"]
    head, _, message = content.partition(b"\n\n")
    return head + b"\ngpgsig " + "\n ".join(armour).encode() + b"\n\n" + message


def trust(sigstore: PrivateSigstore, more: str = "", **values: str) -> dict[str, bytes]:
    """Return the files that trust Alice, or whom the values say."""
    values = {"identity": PERSON, "issuer": sigstore.url, "root": "root.json", **values}
    entry = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    text = f"version = 1\n\n[[keyless]]\n{entry}{more}\n"
    root = json.dumps(sigstore.trusted_root()).encode()
    return {"keyless.toml": text.encode(), "root.json": root}


def commit(repository: SignedRepository, sigstore: PrivateSigstore, **otherwise: Any) -> str:
    """Write a commit that Alice has signed, with what is to be otherwise."""
    content = repository.content(repository.commit("by gitsign"))
    der = KeylessSigner(sigstore, **otherwise).sign(content)
    return repository.write(put_signature(content, der))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
