"""Rekor: the log of signatures, by the interfaces of its versions 1 and 2.

Specification: Rekor's OpenAPI and its types ``dsse`` and ``hashedrekord`` 0.0.1 (version 1), and
``hashedrekord`` 0.0.2 (version 2, where the digest is that of the DSSE message); the checkpoint is
a signed note (``c2sp.org/tlog-checkpoint``); canonical JSON is RFC 8785.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

import rfc8785

from tests.private_sigstore.authority import SigningKey
from tests.private_sigstore.behaviour import Behaviour
from tests.private_sigstore.merkle_log import Inclusion, MerkleLog


class Rekor:
    """The log.

    Args:
        origin: its name in checkpoints: host and port.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.key = SigningKey.generate()
        self._log = MerkleLog()

    def add_v1(self, proposed: Mapping[str, Any], behaviour: Behaviour) -> dict[str, Any]:
        """Add an entry as version 1 does: with the time, and a promise (SET) that covers it."""
        body = rfc8785.dumps(_entry_v1(proposed))
        found = self._log.append(body)
        at = datetime.datetime.now(datetime.UTC) + behaviour.log_clock
        promised = {
            "body": _base64(body),
            "integratedTime": int(at.timestamp()),
            "logID": self.key.id.hex(),
            "logIndex": found.index,
        }
        proof = {
            "logIndex": found.index,
            "treeSize": found.size,
            "rootHash": found.root.hex(),
            "hashes": [one.hex() for one in found.path],
            "checkpoint": self._checkpoint(found),
        }
        promise = _base64(self.key.sign(rfc8785.dumps(promised)))
        verification = {"signedEntryTimestamp": promise, "inclusionProof": proof}
        return {secrets.token_hex(32): {**promised, "verification": verification}}

    def add_v2(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Add an entry as version 2 does: without a time, which a time stamp has to tell."""
        body = rfc8785.dumps(_entry_v2(request))
        found = self._log.append(body)
        return {
            "logIndex": str(found.index),
            "logId": {"keyId": _base64(self.key.id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "canonicalizedBody": _base64(body),
            "inclusionProof": {
                "logIndex": str(found.index),
                "rootHash": _base64(found.root),
                "treeSize": str(found.size),
                "hashes": [_base64(one) for one in found.path],
                "checkpoint": {"envelope": self._checkpoint(found)},
            },
        }

    def _checkpoint(self, found: Inclusion) -> str:
        note = f"{self._origin}\n{found.size}\n{_base64(found.root)}\n"
        signature = self.key.id[:4] + self.key.sign(note.encode("utf-8"))
        return f"{note}\n\N{EM DASH} {self._origin} {_base64(signature)}\n"


def _entry_v1(proposed: Mapping[str, Any]) -> dict[str, Any]:
    if proposed["kind"] == "hashedrekord":  # stored as it comes; who verifies has to look
        return dict(proposed)
    content = proposed["spec"]["proposedContent"]
    envelope = json.loads(content["envelope"])
    (verifier,) = content["verifiers"]
    (signature,) = envelope["signatures"]
    return {
        "apiVersion": "0.0.1",
        "kind": proposed["kind"],
        "spec": {
            "envelopeHash": _hash(content["envelope"].encode("utf-8")),
            "payloadHash": _hash(base64.b64decode(envelope["payload"])),
            "signatures": [{"signature": signature["sig"], "verifier": verifier}],
        },
    }


def _entry_v2(request: Mapping[str, Any]) -> dict[str, Any]:
    asked = request["hashedRekordRequestV002"]
    data = {"algorithm": "SHA2_256", "digest": asked["digest"]}
    return {
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {"hashedRekordV002": {"data": data, "signature": asked["signature"]}},
    }


def _hash(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
