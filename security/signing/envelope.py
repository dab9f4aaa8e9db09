"""The envelope: a payload, its type, and one signature over both.

Specification: DSSE v1.0.2, *protocol* (PAE) and *envelope*.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from security.content.field import Field

#: The type of all payloads: an in-toto statement.
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and its signature, as bytes."""

    payload: bytes
    signature: bytes

    @property
    def message(self) -> bytes:
        """The signed bytes."""
        return signed_message(self.payload)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(self.signature).decode("ascii")}],
        }


def signed_message(payload: bytes) -> bytes:
    """Return the signed bytes of a payload: its pre-authentication encoding (DSSE, PAE)."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def parse_envelope(field: Field) -> Envelope:
    """Read an envelope. The steps, each with the attack that it stops:

    1. Exactly three fields, and an in-toto payload: a signature of another type of payload could
       pass for a statement's.
    2. Exactly one signature: an attacker could add a second one for readers to choose.
    3. Canonical base64: one envelope has one form.

    Raises:
        ValueError: a step finds something else.
    """
    field.only(("payload", "payloadType", "signatures"))  # 1
    if field.get("payloadType").value != PAYLOAD_TYPE:
        raise field.get("payloadType").unlike(PAYLOAD_TYPE)
    signatures = list(field.get("signatures").items())
    if len(signatures) != 1:  # 2
        raise field.get("signatures").wrong("not exactly one signature")
    (signature,) = signatures
    signature.only(("sig",), ("keyid",))
    if signature.mapping().get("keyid", "") != "":
        raise signature.get("keyid").wrong("a signature with a keyid")
    return Envelope(decode(field.get("payload")), decode(signature.get("sig")))


def decode(field: Field) -> bytes:
    """Decode base64 (RFC 4648 section 4) that is written as it would be here.  3

    Raises:
        ValueError: it is malformed, or not canonical.
    """
    try:
        found = base64.b64decode(field.text(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise field.wrong("not base64") from error
    if base64.b64encode(found).decode("ascii") != field.value:
        raise field.wrong("not canonical base64")
    return found
