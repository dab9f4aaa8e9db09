"""The CMS signature of a commit by gitsign: detached, with certificate and log entry.

Specification: CMS (RFC 5652 section 5), in the subset that gitsign writes: one signer, its
certificate, and the log entry in the unsigned attributes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms, core

from security.content.printable import printable
from security.signing.public_key import SignatureError

#: The unsigned attribute with the log entry (gitsign, *offline* mode).
_ENTRY = "1.3.6.1.4.1.57264.3.1"
_SET = b"\x31"  # the tag under which the signed attributes are signed (section 5.4)


@dataclass(frozen=True)
class CmsSignature:
    """A parsed signature, not yet verified.

    Attributes:
        signed: the signed attributes, which include the digest of the content.
        certificate: the signer's certificate, DER.
        entry: the log entry, a Protocol Buffers message; empty without one.
    """

    signed: bytes
    signature: bytes
    certificate: bytes
    entry: bytes


def parse_cms(armour: bytes, content: bytes) -> CmsSignature:
    """Parse the signature of some bytes. The steps, each with the attack that it stops:

    1. It is canonical DER: two readers could see two values.
    2. It is detached, with one signer and one certificate, which the signer names: of two, a
       reader could choose either.
    3. The signed attributes are present, each once: type data, and the SHA-256 of the content.
       Without them, bytes that look like attributes could be signed as content.
    4. It has at most one log entry.

    Raises:
        SignatureError: a step finds something else.
    """
    try:
        return _parse(base64.b64decode(b"".join(armour.split(b"\n")[1:-2]), validate=True), content)
    except Exception as error:  # asn1crypto parses lazily, with many types of errors
        reason = printable(str(error).partition("\n")[0])
        raise SignatureError(f"not a gitsign signature: {reason}", "sign it again") from error


def _parse(der: bytes, content: bytes) -> CmsSignature:
    parsed = cms.ContentInfo.load(der, strict=True)
    if parsed["content_type"].native != "signed_data" or parsed.dump(force=True) != der:  # 1
        raise ValueError("not DER of signed data")
    signer, certificate = _take_one(parsed["content"])  # 2
    if signer["digest_algorithm"]["algorithm"].native != "sha256":  # 3
        raise ValueError("digest not SHA-256")
    if signer["signature_algorithm"]["algorithm"].native != "sha256_ecdsa":
        raise ValueError("signature not ECDSA with SHA-256")
    signed = _attributes(signer["signed_attrs"])
    if signed.get("content_type", core.Null()).native != "data":
        raise ValueError("content type not data")
    digest = hashlib.sha256(content).digest()
    if signed.get("message_digest", core.Null()).native != digest:
        raise ValueError("digest of another commit")
    entry = _attributes(signer["unsigned_attrs"]).get(_ENTRY)  # 4
    return CmsSignature(
        signed=_SET + signer["signed_attrs"].dump()[1:],
        signature=signer["signature"].native,
        certificate=certificate.dump(),
        entry=b"" if entry is None else entry.parse(core.OctetString).native,
    )


def _take_one(data: Any) -> tuple[Any, Any]:
    """Return the signer and its certificate; see 2."""
    encapsulated = data["encap_content_info"]
    if encapsulated["content_type"].native != "data" or encapsulated["content"].native is not None:
        raise ValueError("not detached")
    if len(data["signer_infos"]) != 1 or len(data["certificates"]) != 1:
        raise ValueError("not one signer with one certificate")
    (signer,), (choice,) = data["signer_infos"], data["certificates"]
    if choice.name != "certificate" or {data["version"].native, signer["version"].native} != {"v1"}:
        raise ValueError("another version")
    if [one["algorithm"].native for one in data["digest_algorithms"]] != ["sha256"]:
        raise ValueError("digest not SHA-256")
    certificate, named = choice.chosen, signer["sid"].chosen
    serial = named["serial_number"].native
    if named["issuer"] != certificate.issuer or serial != certificate.serial_number:
        raise ValueError("certificate of another signer")
    return signer, certificate


def _attributes(found: Any) -> dict[str, Any]:
    """Return the single value of each attribute, by name or number."""
    values: dict[str, Any] = {}
    for one in found if isinstance(found, cms.CMSAttributes) else ():
        name = one["type"].native
        if name in values or len(one["values"]) != 1:
            raise ValueError(f"attribute with several values: {name}")
        values[name] = one["values"][0]
    return values
