"""The CMS signature: who signed some bytes apart from it, and what a log says of that.

Specification: CMS (RFC 5652 section 5), of it what gitsign writes: a detached signature with one
signer, the signer's certificate, and in the unsigned attributes the entry of the log.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms, core

from security.content.printable import printable
from security.signing.public_key import SignatureError

#: The unsigned attribute that holds the entry of the log (gitsign, *offline* mode).
_ENTRY = "1.3.6.1.4.1.57264.3.1"
_SET = b"\x31"  # the tag under which the signed attributes are signed (section 5.4)


@dataclass(frozen=True)
class CmsSignature:
    """A signature whose bytes are consistent; nobody has verified it yet.

    Attributes:
        signed: what is signed: the signed attributes, which hold the digest of the content.
        certificate: the signer's, DER.
        entry: what the log says, a message of Protocol Buffers; empty where there is none.
    """

    signed: bytes
    signature: bytes
    certificate: bytes
    entry: bytes


def parse_cms(armour: bytes, content: bytes) -> CmsSignature:
    """Parse the signature of some bytes. The steps, each with the attack that it stops:

    1. It is DER from end to end: writing what was read gives the same bytes, so that no reader
       sees anything else.
    2. It is detached, with one signer and one certificate: of two, each could be the one that
       somebody looks at. The signer names that certificate.
    3. The signed attributes are there, each once: the content is data, and its digest, SHA-256, is
       that of the bytes. Without them, bytes that look like attributes could be signed as content.
    4. There is at most one entry of the log.

    Raises:
        SignatureError: a step finds something else.
    """
    try:
        return _parse(base64.b64decode(b"".join(armour.split(b"\n")[1:-2]), validate=True), content)
    except Exception as error:  # asn1crypto reads when it is asked, and has many errors
        reason = printable(str(error).partition("\n")[0])
        raise SignatureError(f"not a signature by gitsign: {reason}", "sign it again") from error


def _parse(der: bytes, content: bytes) -> CmsSignature:
    parsed = cms.ContentInfo.load(der, strict=True)
    if parsed["content_type"].native != "signed_data" or parsed.dump(force=True) != der:  # 1
        raise ValueError("no DER of signed data")
    signer, certificate = _take_one(parsed["content"])  # 2
    if signer["digest_algorithm"]["algorithm"].native != "sha256":  # 3
        raise ValueError("a digest that is not SHA-256")
    if signer["signature_algorithm"]["algorithm"].native != "sha256_ecdsa":
        raise ValueError("a signature that is not ECDSA with SHA-256")
    signed = _attributes(signer["signed_attrs"])
    if signed.get("content_type", core.Null()).native != "data":
        raise ValueError("signed as something else than data")
    digest = hashlib.sha256(content).digest()
    if signed.get("message_digest", core.Null()).native != digest:
        raise ValueError("the digest is not that of this commit")
    entry = _attributes(signer["unsigned_attrs"]).get(_ENTRY)  # 4
    return CmsSignature(
        signed=_SET + signer["signed_attrs"].dump()[1:],
        signature=signer["signature"].native,
        certificate=certificate.dump(),
        entry=b"" if entry is None else entry.parse(core.OctetString).native,
    )


def _take_one(data: Any) -> tuple[Any, Any]:
    """Return the signer of detached bytes, and its certificate; see 2."""
    encapsulated = data["encap_content_info"]
    if encapsulated["content_type"].native != "data" or encapsulated["content"].native is not None:
        raise ValueError("not detached")
    if len(data["signer_infos"]) != 1 or len(data["certificates"]) != 1:
        raise ValueError("not one signer with one certificate")
    (signer,), (choice,) = data["signer_infos"], data["certificates"]
    if choice.name != "certificate" or {data["version"].native, signer["version"].native} != {"v1"}:
        raise ValueError("of another version")
    if [one["algorithm"].native for one in data["digest_algorithms"]] != ["sha256"]:
        raise ValueError("a digest that is not SHA-256")
    certificate, named = choice.chosen, signer["sid"].chosen
    serial = named["serial_number"].native
    if named["issuer"] != certificate.issuer or serial != certificate.serial_number:
        raise ValueError("a signer with another certificate")
    return signer, certificate


def _attributes(found: Any) -> dict[str, Any]:
    """Return the one value of each attribute, by its name or number."""
    values: dict[str, Any] = {}
    for one in found if isinstance(found, cms.CMSAttributes) else ():
        name = one["type"].native
        if name in values or len(one["values"]) != 1:
            raise ValueError(f"an attribute with more than one value: {name}")
        values[name] = one["values"][0]
    return values
