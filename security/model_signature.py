"""The model signature: OpenSSF Model Signing v1.0, written from digests that are known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from security.public_key import SignatureError
from security.statement import Statement, Subject, write_statement

PREDICATE = "https://model_signing/signature/v1.0"
_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


def write_model_statement(name: str, files: Mapping[str, str]) -> Statement:
    """Write what is signed of a model.

    Args:
        name: of its file or directory.
        files: sha256 by path relative to it; a single file's path is ``.``.
    """
    resources = [
        {"name": path, "algorithm": "sha256", "digest": files[path]} for path in sorted(files)
    ]
    predicate = {
        "serialization": {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": list(_IGNORED),
        },
        "resources": resources,
    }
    return write_statement([Subject(name, {"sha256": root_digest(files)})], PREDICATE, predicate)


def root_digest(files: Mapping[str, str]) -> str:
    """Return the digest by which a signature names a model: of its files' digests, by path."""
    raw = b"".join(bytes.fromhex(files[path]) for path in sorted(files))
    return hashlib.sha256(raw).hexdigest()


def verify_model_files(statement: Statement, name: str, files: Mapping[str, str]) -> None:
    """Verify that a verified statement was written of just this model.

    Raises:
        SignatureError: it was written of another, or in another way.
    """
    if write_model_statement(name, files).payload != statement.payload:
        raise SignatureError(
            f"the signature is of another model than {name}", "sign it: ml-assets sign"
        )
