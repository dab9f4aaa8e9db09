"""The transparency log (Rekor, API v1): entries that are promised, and proven to be in it."""

import base64
import hashlib
import json
import threading
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.private_sigstore.authority import base64_text, new_key, now, public_bytes


class TransparencyLog:
    """A Merkle tree (RFC 6962 section 2.1) in memory, with a key that signs what it says."""

    def __init__(self, host: str) -> None:
        """Begin an empty log; `host` is its name in checkpoints."""
        self.key = new_key()
        self._host = host
        self._leaves: list[bytes] = []
        self._guard = threading.Lock()

    @property
    def id(self) -> bytes:
        """The digest of its key."""
        return hashlib.sha256(public_bytes(self.key)).digest()

    def add(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """Take in a proposed entry of kind `dsse`, and answer as Rekor does."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        body = rfc8785.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": _hash(content["envelope"].encode()),
                    "payloadHash": _hash(base64.b64decode(envelope["payload"])),
                    "signatures": [
                        {"signature": one["sig"], "verifier": content["verifiers"][0]}
                        for one in envelope["signatures"]
                    ],
                },
            }
        )
        with self._guard:
            self._leaves.append(hashlib.sha256(b"\0" + body).digest())
            index, leaves = len(self._leaves) - 1, list(self._leaves)
        at = int(now().timestamp())
        promise = {
            "body": base64_text(body),
            "integratedTime": at,
            "logID": self.id.hex(),
            "logIndex": index,
        }
        root = _root(leaves)
        proof = {
            "logIndex": index,
            "treeSize": len(leaves),
            "rootHash": root.hex(),
            "hashes": [one.hex() for one in _path(index, leaves)],
            "checkpoint": self._checkpoint(len(leaves), root),
        }
        verification = {
            "signedEntryTimestamp": base64_text(self._sign(rfc8785.dumps(promise))),
            "inclusionProof": proof,
        }
        return {hashlib.sha256(body).hexdigest(): {**promise, "verification": verification}}

    def _sign(self, content: bytes) -> bytes:
        return self.key.sign(content, ec.ECDSA(hashes.SHA256()))

    def _checkpoint(self, size: int, root: bytes) -> str:
        note = f"{self._host}\n{size}\n{base64_text(root)}\n"
        signature = base64_text(self.id[:4] + self._sign(note.encode()))
        return f"{note}\n— {self._host} {signature}\n"


def _hash(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    left = _split(len(leaves))
    return hashlib.sha256(b"\1" + _root(leaves[:left]) + _root(leaves[left:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    left = _split(len(leaves))
    if index < left:
        return [*_path(index, leaves[:left]), _root(leaves[left:])]
    return [*_path(index - left, leaves[left:]), _root(leaves[:left])]
